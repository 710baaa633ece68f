// Package testenv finds the module's folder and kernels for guests.
//
// tests/setup/debian provides the kernels. If one is missing, the test is skipped with a message; if
// the environment variable CI is set, it fails, so that a passing run has booted every guest.
package testenv

import (
	"os"
	"path/filepath"
	"testing"
)

// Kernel returns a folder that holds boot/vmlinuz-* and lib/modules: the one that
// INGOT_KERNEL names, or bin/kernel at the root of the module.
func Kernel(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("INGOT_KERNEL")
	if dir == "" {
		dir = filepath.Join(Root(t), "bin", "kernel")
	}
	return kernelIn(t, dir, ", or set INGOT_KERNEL to a folder with boot/vmlinuz-* and lib/modules")
}

// KernelFull returns a folder like that of [Kernel], with the kernel for usual computers:
// bin/kernel-full. It has what the one for clouds lacks: USB, 9p, FAT and many more.
func KernelFull(t testing.TB) string {
	t.Helper()
	return kernelIn(t, filepath.Join(Root(t), "bin", "kernel-full"), "")
}

// KernelARM64 returns a folder like that of [Kernel], for AArch64: bin/kernel-arm64.
func KernelARM64(t testing.TB) string {
	t.Helper()
	return kernelIn(t, filepath.Join(Root(t), "bin", "kernel-arm64"), "")
}

// kernelIn returns dir, if it holds a kernel.
func kernelIn(t testing.TB, dir, or string) string {
	t.Helper()
	Slow(t)
	if found, _ := filepath.Glob(filepath.Join(dir, "boot", "vmlinuz-*")); len(found) == 0 {
		Missing(t, dir+" holds no kernel: run tests/setup/debian"+or)
	}
	return dir
}

// Slow leaves out a test that boots a guest, asks a judge or takes many seconds where
// INGOT_QUICK is set, as make quick does.
func Slow(t T) {
	t.Helper()
	if os.Getenv("INGOT_QUICK") != "" {
		t.Skip("make quick boots no guest, asks no judge and waits for nothing")
	}
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
func Missing(t T, why string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
}
