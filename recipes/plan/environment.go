package plan

import (
	"context"

	"ingot/bootloader/kernel"
	"ingot/recipes"
	"ingot/storedb"
)

// An Environment is what a command may have of a recipe: the store, and the kernel of the
// system. It takes neither a disk nor a boot loader.
type Environment struct {
	Closure  *storedb.Closure
	Warnings []string

	planner *planner
}

// NewEnvironment resolves a recipe's store, and finds out what would lie on its disk.
func NewEnvironment(ctx context.Context, r *recipes.Recipe, h Host) (*Environment, error) {
	p := newPlanner(r)
	if err := p.fill(ctx, h); err != nil {
		return nil, err
	}
	return &Environment{Closure: p.store.closure, Warnings: p.store.warnings, planner: p}, nil
}

// Kernel returns the kernel of the system, or of the entry of the menu that boots by
// itself.
func (e *Environment) Kernel() (*kernel.Kernel, error) {
	look, entry, err := e.planner.bootsDirectly()
	if err != nil {
		return nil, err
	}
	return look.Kernel(entry, e.planner.store.system)
}
