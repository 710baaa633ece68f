package helper

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"ingot/bootloader/kernel"
	"ingot/vm"
)

// FindKernel finds the kernel that a path stands for: a folder with boot/vmlinuz-* and
// lib/modules, of which the newest counts; a system of NixOS or Guix, or a kernel in a
// store, with bzImage and lib/modules in it; or a file, beside whose folder or in whose
// folder the modules lie.
func FindKernel(path string) (*kernel.Kernel, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("kernel: %w", err)
	}
	if !info.IsDir() {
		return withModules(path, modulesNear(path))
	}
	for _, image := range []string{"kernel", "kernel/bzImage", "kernel/Image", "bzImage", "Image", "vmlinuz"} {
		file := filepath.Join(path, image)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			return withModules(file, []string{filepath.Join(path, "kernel-modules"), filepath.Join(path, "kernel"), path})
		}
	}
	return kernel.Find(path)
}

// modulesNear are folders that may hold the lib/modules of a kernel in a file.
func modulesNear(file string) []string {
	if target, err := filepath.EvalSymlinks(file); err == nil {
		file = target
	}
	dir := filepath.Dir(file)
	return []string{dir, filepath.Dir(dir), filepath.Join(filepath.Dir(dir), "kernel-modules")}
}

// withModules returns the kernel in a file with the modules of its release. A kernel
// whose name does not tell its release takes them from where there is only one. It may
// have none: all that it needs is built in then, or found to be missing by the guest.
func withModules(file string, dirs []string) (*kernel.Kernel, error) {
	_, named, _ := strings.Cut(filepath.Base(file), "-")
	for _, dir := range dirs {
		releases, err := filepath.Glob(filepath.Join(dir, "lib", "modules", "[0-9]*"))
		if err != nil || len(releases) == 0 {
			continue
		}
		release := named
		if _, err := os.Stat(filepath.Join(dir, "lib", "modules", release)); named == "" || err != nil {
			if len(releases) > 1 {
				return nil, fmt.Errorf("kernel %s: it may be any of %d releases with modules in %s; name it vmlinuz-RELEASE", file, len(releases), filepath.Join(dir, "lib", "modules"))
			}
			release = filepath.Base(releases[0])
		}
		k, err := kernel.Running(dir, release)
		if err != nil {
			return nil, err
		}
		k.Image = file
		return k, nil
	}
	return &kernel.Kernel{Release: named, Image: file}, nil
}

// ShareKind returns how a guest with this kernel can have a folder of the host's, and
// whether it can at all.
func ShareKind(k *kernel.Kernel) (vm.ShareKind, bool) {
	kinds := []vm.ShareKind{vm.NineP}
	if vm.DefaultShare() == vm.VirtioFS {
		kinds = []vm.ShareKind{vm.VirtioFS, vm.NineP}
	}
	for _, kind := range kinds {
		if Has(k, kind) {
			return kind, true
		}
	}
	return "", false
}
