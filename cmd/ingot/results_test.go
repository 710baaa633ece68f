package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ingot/tests/testenv"
)

// TestReportsOntoDevices: what is no image goes to streams, and onto no disk and into no folder of
// the system.
func TestReportsOntoDevices(t *testing.T) {
	usesFiles(t)
	for line, want := range map[string]string{
		"test lab.yaml --junit /dev/no-such-device":          "JUnit report: /dev/no-such-device: is not there, and no file is made in /dev",
		"test lab.yaml --results /dev/no-such-folder":        "results: /dev/no-such-folder: is not there, and no file is made in /dev",
		"run disk.img --save /proc/no-such-folder":           "--save: /proc/no-such-folder: is not there, and no file is made in /proc",
		"register --root /dev/no-such --add disk.img --copy": "/dev/no-such: is not there, and no file is made in /dev",
		"cache serve /dev/no-such-folder":                    "/dev/no-such-folder: is not there, and no file is made in /dev",
		"cache serve root --netrc /dev/no-such-device":       "cache serve: --netrc: /dev/no-such-device: is not there, and no file is made in /dev",
		"network net.yaml --capture /dev/no-such-device":     "--capture: /dev/no-such-device: is not there, and no file is made in /dev",
		"run disk.img --tpm-state /dev/no-such --dry-run":    "--tpm-state: /dev/no-such: is not there",
		"run disk.img --efi-vars /dev/no-such --boot uefi":   "--efi-vars: /dev/no-such: is not there",
		"run disk.img --overlay /dev/no-such --dry-run":      "--overlay: /dev/no-such: is not there",
		"run disk.img --overlay netboot --dry-run":           "--overlay: netboot: is a directory",
	} {
		if status, _, errout := ingot(strings.Fields(line)...); status != exitFailed || !strings.Contains(errout, "ingot: "+want) {
			t.Errorf("%s: status %d: %s; want %s", line, status, errout, want)
		}
	}
	if made, _ := filepath.Glob("/dev/no-such*"); len(made) > 0 {
		t.Errorf("%s: was made", made)
	}
}

// TestSavePrivate: a start script holds what stood on the command line, values of --env and
// passwords among it, and is for its owner alone, also where it replaces one that was not.
func TestSavePrivate(t *testing.T) {
	defer unix.Umask(unix.Umask(0))
	kernel := testenv.Kernel(t)
	usesFiles(t)
	const bin = "items/00000000000000000000000000000001-a/bin"
	if err := errors.Join(os.MkdirAll(bin, 0o755), os.WriteFile(bin+"/true", []byte("#!/bin/sh\n"), 0o755)); err != nil {
		t.Fatal(err)
	}
	const path = "saved/bin/run-web-vm"
	for _, before := range []os.FileMode{0, 0o777, 0o755, 0o644, 0o700} {
		if before != 0 {
			if err := os.Chmod(path, before); err != nil {
				t.Fatal(err)
			}
		}
		if status, _, errout := ingot("run", "graph", "--from", "items", "--kernel", kernel, "--run", "/nix/store/00000000000000000000000000000001-a/bin/true", "--env", "TOKEN=hidden", "--name", "web", "--save", "saved"); status != 0 {
			t.Fatalf("status %d: %s", status, errout)
		}
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(text), "TOKEN=hidden") {
			t.Fatalf("the script is %q, %v; want one with the variable", text, err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("after mode %04o the script has %v, %v; want 0700", before, info.Mode(), err)
		}
	}
}

// TestSavePlanted: a start script does not go into a folder of another user's.
func TestSavePlanted(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("to make files of another user takes root")
	}
	usesFiles(t)
	const other = 12345
	if err := errors.Join(os.Mkdir("all", 0o700), os.Chmod("all", 0o777|os.ModeSticky), os.Mkdir("all/planted", 0o777), os.Chown("all/planted", other, other)); err != nil {
		t.Fatal(err)
	}
	if status, _, errout := ingot("run", "disk.img", "--save", "all/planted"); status != exitFailed || !strings.Contains(errout, "--save: all/planted: is a directory of user 12345") {
		t.Errorf("status %d: %s", status, errout)
	}
	if status, _, errout := ingot("run", "disk.img", "--save", "all/own"); status != 0 {
		t.Errorf("status %d: %s", status, errout)
	}
}
