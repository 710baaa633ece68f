package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"ingot/bootloader/kernel"
	"ingot/recipes/plan"
	"ingot/storedb"
	"ingot/vm"
	"ingot/vm/helper"
)

// environment reads the recipe that the guest has its kernel and its store of; it is nil
// if none is named.
func (x *execFlags) environment(c *cobra.Command, o *helper.Options) (*plan.Environment, error) {
	if x.recipe == "" {
		return nil, nil
	}
	r, err := (&recipeFlags{set: x.set}).load(c, x.recipe)
	if err != nil {
		return nil, err
	}
	host, err := thisHost(c)
	if err != nil {
		return nil, err
	}
	hashing := newProgress(c.ErrOrStderr(), x.quiet, "hashing", unknownTotal)
	defer hashing.close()
	if c.Flags().Changed("kernel") {
		host.Kernel = x.kernel // for a system that wants this machine's
	}
	host.Hashed, host.Temp = hashing.add, os.TempDir()
	defer showFetching(c.ErrOrStderr(), x.quiet, &host.Fetch)()
	e, err := plan.NewEnvironment(c.Context(), r, host)
	if err != nil {
		return nil, err
	}
	for _, w := range e.Warnings {
		o.Machine.Warn(w)
	}
	if o.Machine.Arch == "" {
		o.Machine.Arch = vm.Arch(r.Arch)
	}
	return e, nil
}

// findKernel finds the one that a flag names, or else that of the recipe.
func (x *execFlags) findKernel(c *cobra.Command, e *plan.Environment, o *helper.Options) (*kernel.Kernel, error) {
	if e == nil || c.Flags().Changed("kernel") {
		k, err := kernel.Find(x.kernel)
		if err != nil {
			return nil, fmt.Errorf("kernel: %w; --kernel PATH names another", err)
		}
		return k, nil
	}
	k, err := e.Kernel()
	if err != nil {
		return nil, fmt.Errorf("--recipe %s: %w; --kernel PATH names another", x.recipe, err)
	}
	if k.ModulesDir == "" {
		o.Machine.Warn(fmt.Sprintf("--recipe %s: its kernel has no modules beside it, so what the machine needs has to be built in", x.recipe))
	}
	return k, nil
}

// closure is what the guest has in its store, but for this machine's whole one; nil if
// there is nothing.
func (x *execFlags) closure(c *cobra.Command, e *plan.Environment) (*storedb.Closure, error) {
	if x.store.store == "" && x.store.sourceFlags.empty() && e != nil && e.Closure.Len() > 0 {
		return e.Closure, nil
	}
	return x.store.closure(c)
}
