// Package testenv finds what tests need beside the code: the tools that act as
// independent judges, and a kernel for guests.
//
// tests/setup/debian brings all of it. What is missing nevertheless skips a test,
// and says how to get it; where the environment has CI set, it fails the test, so
// that a green run means that every judge was asked.
package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// packages names the Debian packages that bring the tools which are not called as
// their package is.
var packages = map[string]string{
	"blkid":              "util-linux",
	"busybox":            "busybox-static",
	"debugfs":            "e2fsprogs",
	"dumpe2fs":           "e2fsprogs",
	"e2fsck":             "e2fsprogs",
	"fsck.fat":           "dosfstools",
	"getfattr":           "attr",
	"grub-mkimage":       "grub-common",
	"grub-script-check":  "grub-common",
	"mcopy":              "mtools",
	"mdir":               "mtools",
	"mke2fs":             "e2fsprogs",
	"mkfs.xfs":           "xfsprogs",
	"mksquashfs":         "squashfs-tools",
	"nix-build":          "nix-bin",
	"nix-store":          "nix-bin",
	"qemu-img":           "qemu-utils",
	"qemu-io":            "qemu-utils",
	"qemu-nbd":           "qemu-utils",
	"qemu-system-x86_64": "qemu-system-x86",
	"resize2fs":          "e2fsprogs",
	"setfattr":           "attr",
	"sfdisk":             "fdisk",
	"sgdisk":             "gdisk",
	"sqfstar":            "squashfs-tools",
	"tune2fs":            "e2fsprogs",
	"unshare":            "util-linux",
	"unsquashfs":         "squashfs-tools",
}

// Tool returns the path of a program, or ends the test as [Missing] does.
func Tool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	for _, dir := range []string{"/usr/sbin", "/sbin"} { // not in everybody's PATH
		if err != nil {
			path, err = exec.LookPath(filepath.Join(dir, name))
		}
	}
	if err != nil {
		pkg := packages[name]
		if pkg == "" {
			pkg = name
		}
		Missing(t, fmt.Sprintf("%s is missing: apt-get install %s", name, pkg))
	}
	return path
}

// Kernel returns a folder that holds boot/vmlinuz-* and lib/modules: the one that
// INGOT_KERNEL names, or bin/kernel at the root of the module.
func Kernel(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("INGOT_KERNEL")
	if dir == "" {
		dir = filepath.Join(Root(t), "bin", "kernel")
	}
	if found, _ := filepath.Glob(filepath.Join(dir, "boot", "vmlinuz-*")); len(found) == 0 {
		Missing(t, dir+" holds no kernel: run tests/setup/debian, or set INGOT_KERNEL to a folder with boot/vmlinuz-* and lib/modules")
	}
	return dir
}

// Root returns the folder of go.mod, looked for from the working directory upwards.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			return at
		}
		if at == filepath.Dir(at) {
			t.Fatalf("%s: neither it nor a folder above it holds a go.mod", dir)
		}
	}
}

// Missing ends a test that lacks something of the machine: it fails where CI is
// set, and is skipped elsewhere. why says what to do about it.
func Missing(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
}
