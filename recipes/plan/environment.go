package plan

import (
	"context"

	"ingot/bootloader"
	"ingot/bootloader/kernel"
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
func (e *Environment) Kernel() (*kernel.Kernel, error) {
	p := e.planner
	at, err := p.bootPartition()
	if err != nil || p.trees[at] == nil {
		return nil, errNoKernel
	}
	entry, err := p.defaultEntry(at)
	if err != nil {
		return nil, err
	}
	return bootloader.Lookup(p.trees[at].Lookup).Kernel(entry, p.store.system)
}
