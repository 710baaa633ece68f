package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNamedFirmware starts machines with the firmware that is named: by the flag, the recipe or
// file of machines, or the environment, in this order.
func TestNamedFirmware(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"flag_CODE.fd", "flag_VARS.fd", "env/FV/OVMF_CODE.fd", "env/FV/OVMF_VARS.fd", "own_CODE.fd", "own_VARS.fd", "BOOTX64.EFI", "disk.img"} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(strings.Repeat("x", 1024)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	recipe := func(machine string) string {
		return "name: web\ndisk:\n  partitions:\n    - {name: esp, type: esp, filesystem: fat, contents: {files: [{path: /EFI/BOOT/BOOTX64.EFI, source: BOOTX64.EFI}]}}\n" + machine
	}
	for name, text := range map[string]string{
		"web.yaml":  recipe(""),
		"own.yaml":  recipe("machine: {firmware: own_CODE.fd}\n"),
		"list.yaml": recipe("machine: {firmware: [own_CODE.fd, flag_VARS.fd]}\n"),
		"gone.yaml": recipe("machine: {firmware: gone.fd}\n"),
		"lab.yaml":  "machines:\n  a: {image: disk.img, boot: uefi, firmware: own_CODE.fd}\n",
		"bios.yaml": "machines:\n  a: {image: disk.img, boot: bios}\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args       []string
		env        string
		code, vars string
	}{
		{[]string{"run", "web.yaml", "--boot", "uefi", "--firmware", "flag_CODE.fd"}, "env", "flag_CODE.fd", "flag_VARS.fd"},
		{[]string{"run", "own.yaml", "--firmware", "flag_CODE.fd,own_VARS.fd"}, "", "flag_CODE.fd", "own_VARS.fd"},
		{[]string{"run", "own.yaml"}, "env", "own_CODE.fd", "own_VARS.fd"},
		{[]string{"run", "list.yaml"}, "", "own_CODE.fd", "flag_VARS.fd"},
		{[]string{"run", "gone.yaml", "--firmware", "flag_CODE.fd"}, "", "flag_CODE.fd", "flag_VARS.fd"},
		{[]string{"run", "web.yaml"}, "env", "env/FV/OVMF_CODE.fd", "env/FV/OVMF_VARS.fd"},
		{[]string{"run", "disk.img", "--boot", "uefi"}, "env", "env/FV/OVMF_CODE.fd", "env/FV/OVMF_VARS.fd"},
		{[]string{"network", "lab.yaml"}, "env", "own_CODE.fd", "own_VARS.fd"},
		{[]string{"network", "lab.yaml", "--firmware", "env"}, "", "env/FV/OVMF_CODE.fd", "env/FV/OVMF_VARS.fd"},
	} {
		t.Setenv(firmwareVariable, c.env)
		status, out, errout := ingot(append(c.args, "--dry-run")...)
		for _, file := range []string{c.code, c.vars} {
			if want := "file.filename=" + filepath.Join(dir, file); status != 0 || !strings.Contains(out, want) && !strings.Contains(out, "file.filename="+file) {
				t.Errorf("%s with %q: %d, %s%s; want %s", c.args, c.env, status, out, errout, want)
			}
		}
	}
	t.Setenv(firmwareVariable, "")
	for _, c := range []struct {
		args   []string
		env    string
		status int
		want   string
	}{
		{[]string{"run", "web.yaml", "--firmware", "gone.fd"}, "", exitUsage, "run: --firmware: firmware: stat gone.fd: no such file"},
		{[]string{"run", "web.yaml", "--firmware", "BOOTX64.EFI"}, "", exitUsage, "no variables for BOOTX64.EFI are beside it: name them behind a comma, as BOOTX64.EFI,VARS"},
		{[]string{"run", "web.yaml"}, "gone", exitUsage, "run: INGOT_FIRMWARE: firmware: stat gone: no such file"},
		{[]string{"run", "gone.yaml"}, "", exitRecipe, "gone.yaml:5:21: machine.firmware: firmware: stat "},
		{[]string{"run", "disk.img", "--boot", "bios", "--firmware", "flag_CODE.fd"}, "", exitUsage, "--firmware flag_CODE.fd: needs boot mode uefi"},
		{[]string{"network", "bios.yaml", "--firmware", "flag_CODE.fd"}, "", exitUsage, "needs a machine with boot mode uefi, and there is none"},
	} {
		t.Setenv(firmwareVariable, c.env)
		status, _, errout := ingot(append(c.args, "--dry-run")...)
		if status != c.status || !strings.Contains(errout, c.want) {
			t.Errorf("%s with %q: %d, %s; want %d, %s", c.args, c.env, status, errout, c.status, c.want)
		}
	}
}

// TestFirmwareSaved keeps the firmware's place in a saved script.
func TestFirmwareSaved(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, name := range []string{"a_CODE.fd", "a_VARS.fd", "disk.img"} {
		if err := os.WriteFile(name, make([]byte, 1024), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if status, _, errout := ingot("run", "disk.img", "--boot", "uefi", "--firmware", "a_CODE.fd,a_VARS.fd", "--save", "saved"); status != 0 {
		t.Fatal(errout)
	}
	scripts, err := filepath.Glob("saved/bin/*")
	if err != nil || len(scripts) != 1 {
		t.Fatalf("%q, %v; want one script", scripts, err)
	}
	text, err := os.ReadFile(scripts[0])
	if want := "--firmware=" + dir + "/a_CODE.fd," + dir + "/a_VARS.fd"; err != nil || !strings.Contains(string(text), want) {
		t.Errorf("%s, %v; want %s in it", text, err, want)
	}
}
