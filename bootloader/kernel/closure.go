package kernel

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A Module is a module of a kernel that lies in a file.
type Module struct {
	Name string // as lsmod prints it, with underscores
	Path string // of the file
	Rel  string // the same below the kernel's ModulesDir, such as kernel/fs/fat/fat.ko.xz

	from moduleFiles // that it lies in; nil for a file of the host
}

// Read returns the module's object, decompressed, for init_module(2).
func (m Module) Read() ([]byte, error) {
	var data []byte
	var err error
	if m.from != nil {
		data, err = m.from.read(m.Rel)
	} else {
		data, err = os.ReadFile(m.Path)
	}
	if err != nil {
		return nil, err
	}
	object, err := decompress(m.Path, data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.Path, err)
	}
	return object, nil
}

// Closure returns the modules with these names or aliases and all that they depend
// on, each once, in an order in which they can be loaded: the given order, but each
// module after its dependencies, with its soft dependencies around it. Names of
// built-in modules are fine and add nothing.
func (k *Kernel) Closure(names ...string) ([]Module, error) {
	x, err := k.index()
	if err != nil {
		return nil, err
	}
	w := walker{kernel: k, index: x, seen: map[string]bool{}}
	err = w.all(names, true, "")
	return w.order, err
}

// Modules returns all modules of the kernel that lie in files, by name.
func (k *Kernel) Modules() ([]Module, error) {
	x, err := k.index()
	if err != nil {
		return nil, err
	}
	modules := make([]Module, 0, len(x.files))
	for name := range x.files {
		modules = append(modules, x.module(name))
	}
	slices.SortFunc(modules, func(a, b Module) int { return strings.Compare(a.Name, b.Name) })
	return modules, nil
}

// Info returns a module's description.
func (k *Kernel) Info(m Module) (Info, error) {
	x, err := k.index()
	if err != nil {
		return Info{}, err
	}
	return x.info(m.Name)
}

// Aliases returns depmod's modules.alias for these modules. With it in
// a ModulesDir a module for a device is found without reading all of them.
func (k *Kernel) Aliases(modules []Module) ([]byte, error) {
	var out bytes.Buffer
	for _, m := range modules {
		info, err := k.Info(m)
		if err != nil {
			return nil, err
		}
		for _, a := range info.Aliases {
			fmt.Fprintf(&out, "alias %s %s\n", a, m.Name)
		}
	}
	return out.Bytes(), nil
}

func (x *index) module(name string) Module {
	rel := x.files[name]
	return Module{Name: name, Path: filepath.Join(x.dir, rel), Rel: rel, from: x.from}
}

// walker visits modules depth first.
type walker struct {
	kernel *Kernel
	index  *index
	seen   map[string]bool
	order  []Module
}

// all visits the modules that names and aliases stand for. Those that parent needs must be
// there; others, its soft dependencies, may be missing.
func (w *walker) all(names []string, needed bool, parent string) error {
	for _, name := range names {
		modules, built, err := w.index.resolve(name)
		if err != nil {
			return err
		}
		if needed && len(modules) == 0 && !built {
			return &UnknownModuleError{name, parent, w.kernel.Release, w.kernel.ModulesDir}
		}
		for _, m := range modules {
			if err := w.visit(m); err != nil {
				return err
			}
		}
	}
	return nil
}

// unrecorded are modules that others ask for by name when they are used, of which their
// files say nothing: a FAT cannot be mounted without its tables of characters.
var unrecorded = map[string][]string{
	"vfat":  {"nls_cp437", "nls_ascii", "nls_iso8859_1", "nls_utf8"},
	"msdos": {"nls_cp437", "nls_ascii", "nls_iso8859_1", "nls_utf8"},
}

func (w *walker) visit(name string) error {
	if w.seen[name] {
		return nil // also ends cycles, which soft dependencies may have
	}
	w.seen[name] = true
	info, err := w.index.info(name)
	if err != nil {
		return err
	}
	if err := w.all(info.Pre, false, name); err != nil {
		return err
	}
	if err := w.all(info.Depends, true, name); err != nil {
		return err
	}
	if err := w.all(unrecorded[name], false, name); err != nil {
		return err
	}
	w.order = append(w.order, w.index.module(name))
	return w.all(info.Post, false, name)
}
