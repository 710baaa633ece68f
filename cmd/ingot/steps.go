package main

import (
	"cmp"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ingot/recipes"
	"ingot/vm"
)

// helperFlags say how the parts of an image are made that take a virtual machine.
type helperFlags struct {
	refuse bool
	kernel string
	accel  vm.Accel
}

func (r *recipeFlags) addHelper(c *cobra.Command) {
	f := c.Flags()
	f.BoolVar(&r.helper.refuse, "no-vm", false, "refuse recipes that need a helper VM")
	f.StringVar(&r.helper.kernel, "vm-kernel", "", "helper VM: `PATH` of a kernel, as exec --kernel")
	addAccel(f, &r.helper.accel, "vm-accel", "`NAME`: helper VM: kvm or tcg. Default: what works.")
}

// finish makes the parts of an image that take a virtual machine, if there are any.
func finish(c *cobra.Command, plan *recipes.Plan, r recipeFlags, quiet bool, temp string) error {
	parts := plan.Privileged()
	if len(parts) == 0 {
		return noEffect(c, []string{"vm-kernel", "vm-accel"}, "a recipe of which nothing is made in a virtual machine")
	}
	host, err := thisHost(c)
	if err != nil {
		return err
	}
	say := func(note string) {
		if !quiet {
			sayLines(c.ErrOrStderr(), "", note)
		}
	}
	host.Temp = temp
	host.Helper = recipes.Helper{
		Refuse: r.helper.refuse, Kernel: cmp.Or(r.helper.kernel, os.Getenv("INGOT_KERNEL")), Program: os.Getenv("INGOT_GUEST"),
		Accel: r.helper.accel, Warn: say,
	}
	if !quiet {
		host.Helper.Output = c.ErrOrStderr()
	}
	if !r.helper.refuse {
		say("in a virtual machine: " + strings.Join(parts, ", "))
	}
	start := time.Now()
	defer announce(c.ErrOrStderr(), quiet, "the virtual machine runs; emulated, it takes a minute or more")()
	if err := plan.Finish(c.Context(), host); err != nil {
		return err
	}
	say(fmt.Sprintf("made these in %s; their bytes are not reproducible", since(start)))
	return nil
}
