package main

import (
	"cmp"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ingot/recipes/finish"
	"ingot/recipes/plan"
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

// finishPlan makes the parts of an image that take a virtual machine, if there are any.
func finishPlan(c *cobra.Command, plan *plan.Plan, r recipeFlags, quiet bool, temp string) error {
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
	o := finish.Options{
		Refuse: r.helper.refuse, Kernel: cmp.Or(r.helper.kernel, os.Getenv("INGOT_KERNEL")), Program: cmp.Or(os.Getenv("INGOT_GUEST"), host.Program),
		Accel: r.helper.accel, Path: host.Path, Temp: temp, Getenv: os.LookupEnv, Warn: say,
	}
	if !quiet {
		o.Output = c.ErrOrStderr()
	}
	if !r.helper.refuse {
		say("in a virtual machine: " + strings.Join(parts, ", "))
	}
	start := time.Now()
	defer announce(c.ErrOrStderr(), quiet, "the virtual machine runs; emulated, it takes a minute or more")()
	if err := finish.Plan(c.Context(), plan, o); err != nil {
		return err
	}
	say(fmt.Sprintf("made these in %s; their bytes are not reproducible", since(start)))
	return nil
}
