package kernel

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"ingot/image"
)

// A Kernel is one release of Linux: its image, and its modules.
type Kernel struct {
	Release    string     // as uname -r prints it; empty if unknown
	Image      image.Blob // the file that a boot loader loads; nil for [Running]
	Path       string     // where the image lies, for messages
	ModulesDir string     // the folder named like the release; empty where the kernel has none

	index func() (*index, error) // read once, by the first question about a module
}

// Running returns the kernel of this release for its modules below dir, whether or
// not its image is there too: a guest that was booted from elsewhere has none.
func Running(dir, release string) (*Kernel, error) {
	modules := modulesDir(dir, release)
	if modules == "" {
		return nil, fmt.Errorf("%s: no modules of kernel %s in lib/modules or usr/lib/modules", dir, release)
	}
	return newKernel(release, modules), nil
}

// newKernel returns the kernel with a folder of modules of this machine. Without one it has all
// that it needs built in, but nothing tells what.
func newKernel(release, modules string) *Kernel {
	k := &Kernel{Release: release, ModulesDir: modules}
	if modules == "" {
		return k.with(tree{image.NewDir(0o755)})
	}
	return k.with(hostFolder(modules))
}

// with has a kernel's modules read from files, when a question asks for them.
func (k *Kernel) with(modules moduleFiles) *Kernel {
	k.index = sync.OnceValues(func() (*index, error) {
		x, err := readIndex(k.ModulesDir, modules)
		if err != nil {
			return nil, fmt.Errorf("modules of kernel %s: %w", k.Release, err)
		}
		return x, nil
	})
	return k
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

// UnknownModuleError means that a kernel has no module of this name, neither as a
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

// Has reports whether the kernel has a module of this name or alias, as a file or
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
