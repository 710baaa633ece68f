package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ingot/tests/testenv"
)

// TestWriteWhole: a report that cannot be finished leaves what was there, a file keeps its
// permissions, and a pipe is written to.
func TestWriteWhole(t *testing.T) {
	defer unix.Umask(unix.Umask(0o027))
	dir := t.TempDir()
	path := filepath.Join(dir, "report")
	say := func(text string) func(io.Writer) error {
		return func(w io.Writer) error { _, err := io.WriteString(w, text); return err }
	}
	is := func(want string) {
		t.Helper()
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if got := fmt.Sprintf("%04o %s", info.Mode().Perm(), text); err != nil || got != want {
			t.Errorf("there is %s, %v; want %s", got, err, want)
		}
	}
	if err := writeWhole(path, true, say("first")); err != nil {
		t.Fatal(err)
	}
	is("0700 first")
	failed := errors.New("failed")
	err := writeWhole(path, true, func(w io.Writer) error { return errors.Join(say("sec")(w), failed) })
	if !errors.Is(err, failed) {
		t.Errorf("writeWhole = %v; want %v", err, failed)
	}
	is("0700 first")
	if err := errors.Join(os.Chmod(path, 0o600), writeWhole(path, false, say("second"))); err != nil {
		t.Fatal(err)
	}
	is("0600 second")
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	got := make(chan string)
	go func() { text, _ := os.ReadFile(fifo); got <- string(text) }()
	if err := writeWhole(fifo, false, say("third")); err != nil {
		t.Fatal(err)
	}
	if text := <-got; text != "third" {
		t.Errorf("the pipe gave %q; want third", text)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("there are %v, %v; want the report and the pipe", entries, err)
	}
	if err := writeWhole(dir, false, say("x")); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("writeWhole of a folder = %v; want a refusal", err)
	}
}

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
		"run disk.img --disk-image /dev/no-such --dry-run":   "--disk-image: /dev/no-such: is not there",
		"run disk.img --disk-image netboot --dry-run":        "--disk-image: netboot: is a directory",
		"run disk.img --disk-image kept.vmdk --dry-run":      "--disk-image kept.vmdk: it is a qcow2, and the suffix .vmdk is that of a disk of VMware: name it kept.qcow2",
	} {
		if status, _, errout := ingot(strings.Fields(line)...); status != exitFailed || !strings.Contains(errout, "ingot: "+want) {
			t.Errorf("%s: status %d: %s; want %s", line, status, errout, want)
		}
	}
	if made, _ := filepath.Glob("/dev/no-such*"); len(made) > 0 {
		t.Errorf("%s: was made", made)
	}
	for path, want := range map[string]bool{"/dev/null": true, "disk.img": false, "netboot": false, "none": false} {
		if got := isStream(path); got != want {
			t.Errorf("isStream(%s) = %v; want %v", path, got, want)
		}
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
