package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// A Kernel is one release of Linux in a folder.
type Kernel struct {
	Release    string // as uname -r prints it
	Image      string // path of the file that a boot loader loads
	ModulesDir string // path of the folder named like the release; empty where the kernel has none

	index func() (*index, error) // read once, by the first question about a module
}

// NotFoundError says that a folder holds no kernel.
type NotFoundError struct{ Dir string }

func (e *NotFoundError) Error() string {
	return fmt.Sprintf("%s: no kernel: expected boot/vmlinuz-RELEASE beside lib/modules/RELEASE "+
		"(a system's root, or an unpacked package such as linux-image-cloud-amd64)", e.Dir)
}

// Find returns the newest kernel in dir.
func Find(dir string) (*Kernel, error) {
	kernels, err := All(dir)
	if err != nil {
		return nil, err
	}
	return kernels[len(kernels)-1], nil
}

// All returns the kernels in dir, the oldest release first. It is a
// [NotFoundError] if there is none.
func All(dir string) ([]*Kernel, error) {
	if _, err := os.Stat(dir); err != nil {
		return nil, err
	}
	var kernels []*Kernel
	for _, image := range images(dir) {
		k := &Kernel{Release: image.release, Image: image.path, ModulesDir: modulesDir(dir, image.release)}
		k.index = sync.OnceValues(func() (*index, error) { return readIndex(k.ModulesDir) })
		kernels = append(kernels, k)
	}
	if len(kernels) == 0 {
		return nil, &NotFoundError{dir}
	}
	slices.SortFunc(kernels, func(a, b *Kernel) int { return compareReleases(a.Release, b.Release) })
	return kernels, nil
}

// Running returns the kernel of this release for its modules below dir, whether or
// not its image is there too: a guest that was booted from elsewhere has none.
func Running(dir, release string) (*Kernel, error) {
	modules := modulesDir(dir, release)
	if modules == "" {
		return nil, fmt.Errorf("%s: no modules of kernel %s in lib/modules or usr/lib/modules", dir, release)
	}
	k := &Kernel{Release: release, ModulesDir: modules}
	k.index = sync.OnceValues(func() (*index, error) { return readIndex(modules) })
	return k, nil
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

// moduleRoots are where the folders of modules may lie, the merged /usr last.
var moduleRoots = []string{"lib/modules", "usr/lib/modules"}

func modulesDir(dir, release string) string {
	for _, lib := range moduleRoots {
		path := filepath.Join(dir, lib, release)
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			return path
		}
	}
	return ""
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

// UnknownModuleError says that a kernel has no module of this name, neither as a
// file nor built in.
type UnknownModuleError struct {
	Module  string
	For     string // the module that depends on it, if one does
	Release string
	Dir     string
}

func (e *UnknownModuleError) Error() string {
	where := e.Dir
	if where == "" {
		where = "the kernel has no folder of modules"
	}
	if e.For != "" {
		return fmt.Sprintf("module %s, which %s depends on, is not part of kernel %s (%s)", e.Module, e.For, e.Release, where)
	}
	return fmt.Sprintf("module %s is not part of kernel %s (%s)", e.Module, e.Release, where)
}

// Has says whether the kernel has a module of this name or alias, as a file or
// built in.
func (k *Kernel) Has(name string) (bool, error) {
	_, err := k.Closure(name)
	var unknown *UnknownModuleError
	if errors.As(err, &unknown) && unknown.For == "" {
		return false, nil
	}
	return err == nil, err
}

// Having returns those of the modules that the kernel has.
func (k *Kernel) Having(names []string) ([]string, error) {
	var found []string
	for _, name := range names {
		ok, err := k.Has(name)
		if err != nil {
			return nil, err
		}
		if ok {
			found = append(found, name)
		}
	}
	return found, nil
}
