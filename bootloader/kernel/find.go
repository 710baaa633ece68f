package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ingot/image"
	"ingot/internal/printable"
)

// NotFoundError means that there is no kernel at a path.
type NotFoundError struct {
	Path   string
	Absent bool   // nothing is there
	Target string // where the path leads to, if it is a link to nothing
}

func (e *NotFoundError) Error() string {
	switch {
	case e.Target != "":
		return fmt.Sprintf("%s leads to %s, and nothing is there", printable.Name(e.Path), printable.Quote(e.Target))
	case e.Absent:
		return fmt.Sprintf("%s: no such file or directory", printable.Name(e.Path))
	}
	return fmt.Sprintf("%s: no kernel: expected boot/vmlinuz-RELEASE beside lib/modules/RELEASE "+
		"(a system's root, or an unpacked package such as linux-image-cloud-amd64)", printable.Name(e.Path))
}

// Unwrap returns [fs.ErrNotExist] where nothing is at the path.
func (e *NotFoundError) Unwrap() error {
	if e.Absent {
		return fs.ErrNotExist
	}
	return nil
}

// Find returns the kernel that a path of the host stands for. It is, in this order:
//
//   - a file, with the modules that lie beside it or beside its folder;
//   - of a folder with boot/vmlinuz-RELEASE, or with lib/modules/RELEASE/vmlinuz, the
//     newest: a system's root, or an unpacked package;
//   - of a system of NixOS or Guix, or a kernel in a store, the one in it: kernel,
//     bzImage, Image or vmlinuz.
//
// It is a [NotFoundError] if there is none.
func Find(path string) (*Kernel, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		target, _ := os.Readlink(path)
		return nil, &NotFoundError{Path: path, Absent: true, Target: target}
	}
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return withModules(path, modulesNear(path))
	}
	if found := images(path); len(found) > 0 {
		newest := slices.MaxFunc(found, func(a, b imageFile) int { return compareReleases(a.release, b.release) })
		k := newKernel(newest.release, modulesDir(path, newest.release))
		return k, k.take(newest.path)
	}
	for _, name := range []string{"kernel", "kernel/bzImage", "kernel/Image", "bzImage", "Image", "vmlinuz"} {
		file := filepath.Join(path, name)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			return withModules(file, []string{filepath.Join(path, "kernel-modules"), filepath.Join(path, "kernel"), path})
		}
	}
	return nil, &NotFoundError{Path: path}
}

// take makes a file of the host the kernel's image.
func (k *Kernel) take(path string) error {
	f, err := image.NewHostFile(path)
	if err != nil {
		return err
	}
	k.Image, k.Path = f, path
	return nil
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
func withModules(file string, dirs []string) (*Kernel, error) {
	_, release, _ := strings.Cut(filepath.Base(file), "-")
	modules := ""
	for _, dir := range dirs {
		releases := glob(dir, "lib/modules/[0-9]*")
		if len(releases) == 0 {
			continue
		}
		if modules = modulesDir(dir, release); release == "" || modules == "" {
			if len(releases) > 1 {
				return nil, fmt.Errorf("kernel %s: it may be any of %d releases with modules in %s; name it vmlinuz-RELEASE", file, len(releases), filepath.Join(dir, "lib", "modules"))
			}
			modules = releases[0]
			release = filepath.Base(modules)
		}
		break
	}
	k := newKernel(release, modules)
	return k, k.take(file)
}

type imageFile struct{ release, path string }

// images lists the kernel images below dir, each release once. Debian, Guix and
// most others keep them in /boot with the release in the name; Fedora and Arch
// beside the modules.
func images(dir string) []imageFile {
	var found []imageFile
	seen := map[string]bool{}
	add := func(release, path string) {
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() || release == "" || seen[release] {
			return
		}
		seen[release] = true
		found = append(found, imageFile{release, path})
	}
	for _, prefix := range []string{"vmlinuz-", "vmlinux-", "Image-"} {
		for _, path := range glob(dir, "boot/"+prefix+"*") {
			add(strings.TrimPrefix(filepath.Base(path), prefix), path)
		}
	}
	for _, lib := range moduleRoots {
		for _, path := range glob(dir, lib+"/*/vmlinuz") {
			add(filepath.Base(filepath.Dir(path)), path)
		}
	}
	return found
}

// glob matches a pattern below dir, whose own name may hold any character.
func glob(dir, pattern string) []string {
	matches, err := fs.Glob(os.DirFS(dir), pattern)
	if err != nil {
		return nil // unreadable folders hold no kernel for us
	}
	for i := range matches {
		matches[i] = filepath.Join(dir, matches[i])
	}
	return matches
}

// compareReleases orders releases by their numbers where both have a number, so
// that 6.9 stands before 6.10, and by their bytes elsewhere.
func compareReleases(a, b string) int {
	for a != "" && b != "" {
		var x, y string
		x, a = cutRun(a)
		y, b = cutRun(b)
		if x == y {
			continue
		}
		if isDigit(x[0]) && isDigit(y[0]) {
			x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
			if len(x) != len(y) {
				return len(x) - len(y)
			}
		}
		if c := strings.Compare(x, y); c != 0 {
			return c
		}
	}
	return len(a) - len(b)
}

// cutRun splits s after its first run of digits, or of bytes that are none.
func cutRun(s string) (run, rest string) {
	n := 1
	for n < len(s) && isDigit(s[n]) == isDigit(s[0]) {
		n++
	}
	return s[:n], s[n:]
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
