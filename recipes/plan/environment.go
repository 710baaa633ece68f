package plan

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"ingot/bootloader"
	"ingot/image"
	"ingot/recipes"
	"ingot/storedb"
)

// An Environment is what a command may have of a recipe: the store, and the kernel of the
// system. It takes neither a disk nor a boot loader.
type Environment struct {
	Closure  *storedb.Closure
	Warnings []string // what a person should know

	planner *planner
}

// A Kernel is that of a recipe's system.
type Kernel struct {
	Release string     // empty if there are no modules to tell it
	Image   image.Blob // what a boot loader loads
	// Modules is the folder lib/modules/RELEASE, without symlinks; nil where the kernel has
	// all that it needs built in. ModulesDir is where it lies in the image.
	Modules    *image.Node
	ModulesDir string
}

// NewEnvironment resolves a recipe's store, and finds out what would lie on its disk.
func NewEnvironment(ctx context.Context, r *recipes.Recipe, h Host) (*Environment, error) {
	p := &planner{Recipe: r, boot: &boot{}}
	var err error
	if p.store, err = resolve(ctx, r, h); err != nil {
		return nil, err
	}
	if err := p.assemble(ctx); err != nil {
		return nil, err
	}
	if p.seed, err = seed(r, p.store.closure, p.firstTitle()); err != nil {
		return nil, err
	}
	e := &Environment{Closure: p.store.closure, Warnings: p.store.warnings, planner: p}
	if m := p.store.made; m != nil {
		e.Warnings = append(e.Warnings, m.warnings...)
	}
	e.Warnings = append(e.Warnings, p.store.closure.Notes()...)
	return e, nil
}

// Kernel returns the kernel of the system, or of the entry of the menu that boots by
// itself.
func (e *Environment) Kernel() (*Kernel, error) {
	p := e.planner
	at, err := p.bootPartition()
	if err != nil || p.trees[at] == nil {
		return nil, errNoKernel
	}
	entry, err := p.defaultEntry(at)
	if err != nil {
		return nil, err
	}
	look := bootloader.Lookup(p.trees[at].Lookup)
	k := &Kernel{}
	if k.Image, err = look.Data(entry.Kernel); err != nil {
		return nil, fmt.Errorf("kernel: %w", err)
	}
	places := []string{path.Dir(entry.Kernel), "/", "/usr"}
	if system := p.store.system; system != "" {
		places = append([]string{system + "/kernel-modules", system + "/kernel"}, places...) // NixOS's, Guix's
	}
	for _, place := range places {
		found, err := k.findModules(look, path.Join(place, "lib/modules"))
		if found || err != nil {
			return k, err
		}
	}
	return k, nil
}

// findModules looks for those of the kernel's release in a folder, if it is there.
func (k *Kernel) findModules(look bootloader.Lookup, dir string) (found bool, err error) {
	all, err := look.Folder(dir, "build", "source") // which lead to where the kernel was built
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("modules: %w", err)
	}
	var releases []string
	for _, e := range all.Entries() {
		if e.Node.IsDir() {
			releases = append(releases, e.Name)
		}
	}
	switch len(releases) {
	case 0:
		return false, nil
	case 1:
		k.Release = releases[0]
		k.Modules, k.ModulesDir = all.Child(k.Release), path.Join(dir, k.Release)
		return true, nil
	}
	return false, fmt.Errorf("modules: %s has those of %d kernels, and the system has one: %s", dir, len(releases), strings.Join(releases, ", "))
}
