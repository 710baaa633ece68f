package vm

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// put writes files with nothing in them.
func putFiles(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("x"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// TestParseOVMF reads the names of firmwares.
func TestParseOVMF(t *testing.T) {
	dir := t.TempDir()
	putFiles(t, dir, "a_CODE.fd", "a_VARS.fd", "edk2-x86_64-code.fd", "edk2-i386-vars.fd", "alone.fd", "v.fd",
		"nix/FV/OVMF_CODE.fd", "nix/FV/OVMF_VARS.fd", "guix/share/firmware/ovmf_code_x64.bin", "guix/share/firmware/ovmf_vars_x64.bin", "empty/x",
		"OVMF_CODE_4M.secboot.fd", "OVMF_VARS_4M.fd")
	for text, want := range map[string]OVMF{
		"a_CODE.fd":               {"a_CODE.fd", "a_VARS.fd"},
		"edk2-x86_64-code.fd":     {"edk2-x86_64-code.fd", "edk2-i386-vars.fd"},
		"OVMF_CODE_4M.secboot.fd": {"OVMF_CODE_4M.secboot.fd", "OVMF_VARS_4M.fd"},
		"alone.fd,v.fd":           {"alone.fd", "v.fd"},
		"nix":                     {"nix/FV/OVMF_CODE.fd", "nix/FV/OVMF_VARS.fd"},
		"guix":                    {"guix/share/firmware/ovmf_code_x64.bin", "guix/share/firmware/ovmf_vars_x64.bin"},
	} {
		got, err := ParseOVMF(dir, text)
		if want = (OVMF{filepath.Join(dir, want.Code), filepath.Join(dir, want.Vars)}); got != want || err != nil {
			t.Errorf("ParseOVMF(%s) = %v, %v; want %v", text, got, err, want)
		}
		if abs, err := ParseOVMF("/", filepath.Join(dir, strings.Replace(text, ",", ","+dir+"/", 1))); abs != want || err != nil {
			t.Errorf("ParseOVMF of absolute paths of %s = %v, %v; want %v", text, abs, err, want)
		}
	}
	for text, want := range map[string]string{
		"":                "is not a firmware",
		"a_CODE.fd,":      "is not a firmware",
		"a,b,c":           "is not a firmware",
		"none.fd":         "no such file",
		"alone.fd":        "no variables for alone.fd are beside it",
		"alone.fd,none":   "no such file",
		"nix,v.fd":        "is a folder",
		"empty":           "none of FV/OVMF_CODE.fd, ",
		"alone.fd,nix/FV": "FV",
	} {
		if got, err := ParseOVMF(dir, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseOVMF(%q) = %v, %v; want an error with %q", text, got, err, want)
		}
	}
}

// descriptionOf writes a description as QEMU has them.
func descriptionOf(code, vars string, features ...string) []byte {
	type m = map[string]any
	text, _ := json.Marshal(m{
		"description": "UEFI", "interface-types": []string{"uefi"}, "features": features, "tags": []string{},
		"mapping": m{"device": "flash", "executable": m{"filename": code, "format": "raw"}, "nvram-template": m{"filename": vars, "format": "raw"}},
		"targets": []m{{"architecture": "x86_64", "machines": []string{"pc-i440fx-*", "pc-q35-*"}}},
	})
	return text
}

// TestFirmwareBesideQEMU finds the firmware that belongs to the QEMU which is used, as those of
// Nix and Guix have it: by the descriptions, and by QEMU's own names; also through a profile.
func TestFirmwareBesideQEMU(t *testing.T) {
	item, profile := t.TempDir(), t.TempDir()
	putFiles(t, item, "bin/qemu-system-x86_64", "share/qemu/edk2-x86_64-code.fd", "share/qemu/edk2-i386-vars.fd", "fw/code.fd", "fw/vars.fd", "fw/secure.fd", "fw/keys.fd")
	if err := os.Mkdir(filepath.Join(profile, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	qemu := filepath.Join(profile, "bin/qemu-system-x86_64")
	if err := os.Symlink(filepath.Join(item, "bin/qemu-system-x86_64"), qemu); err != nil {
		t.Fatal(err)
	}
	find := func(secure bool) OVMF {
		t.Helper()
		f, err := (&Config{Arch: X86_64, QEMU: qemu, SecureBoot: secure}).find()
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	if got := find(false); got.Code != item+"/share/qemu/edk2-x86_64-code.fd" || got.Vars != item+"/share/qemu/edk2-i386-vars.fd" {
		t.Errorf("by names: %v; want those of %s", got, item)
	}
	write := func(name string, text []byte) {
		t.Helper()
		putFiles(t, item, "share/qemu/firmware/"+name)
		if err := os.WriteFile(filepath.Join(item, "share/qemu/firmware", name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("10-broken.json", []byte("{"))
	write("20-secure.json", descriptionOf(item+"/fw/secure.fd", item+"/fw/keys.fd", "secure-boot", "enrolled-keys", "requires-smm"))
	write("30-gone.json", descriptionOf(item+"/fw/gone.fd", item+"/fw/vars.fd"))
	write("40-plain.json", descriptionOf(item+"/fw/code.fd", item+"/fw/vars.fd", "acpi-s4"))
	if got := find(false); got.Code != item+"/fw/code.fd" {
		t.Errorf("by descriptions: %v; want code.fd", got)
	}
	if got := find(true); got.Code != item+"/fw/secure.fd" || got.Vars != item+"/fw/keys.fd" {
		t.Errorf("with Secure Boot: %v; want secure.fd", got)
	}
	named := OVMF{"/a", "/b"}
	if got, err := (&Config{Arch: X86_64, QEMU: qemu, OVMF: named}).uefi(); got != named || err != nil {
		t.Errorf("a named one: %v, %v", got, err)
	}
	keyless := OVMF{item + "/fw/code.fd", item + "/fw/vars.fd"}
	if _, err := (&Config{Arch: X86_64, QEMU: qemu, OVMF: keyless, SecureBoot: true}).uefi(); err == nil || !strings.Contains(err.Error(), "holds no keys") {
		t.Errorf("Secure Boot without keys: %v; want an error", err)
	}
	if _, err := (&Config{Arch: RISCV64, QEMU: qemu}).find(); err != nil && (!strings.Contains(err.Error(), profile+"/share/qemu/firmware/*.json, ") || !strings.Contains(err.Error(), item+"/share/qemu/edk2-riscv-code.fd")) {
		t.Errorf("one that is nowhere: %v; want where it was looked for", err)
	}
}

// FuzzFirmwareDescription reads descriptions of any kind.
func FuzzFirmwareDescription(f *testing.F) {
	f.Add(descriptionOf("/a", "/b"))
	f.Add(descriptionOf("/a", "/b", "secure-boot", "enrolled-keys", "requires-smm"))
	f.Add([]byte(`{"interface-types":["bios"],"mapping":{"device":"memory","filename":"/x"},"targets":[]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, secure := range []bool{false, true} {
			got, ok := (&Config{Arch: X86_64, SecureBoot: secure}).parseDescription(text)
			if ok && (!filepath.IsAbs(got.Code) || !filepath.IsAbs(got.Vars)) {
				t.Errorf("%q gives %v", text, got)
			}
		}
	})
}
