package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ingot/guest/wire"
	"ingot/lab"
	"ingot/vm"
	"ingot/vm/run"
)

// machineFlags say what a machine runs, beside its name on the command line.
type machineFlags struct {
	recipe recipeFlags
	store  storeFlags

	kernel   string // folder with a kernel, for closures
	share    string // disk, virtiofs or 9p
	writable bool

	find, shell bool
	script      bool // standard input is one for the shell
	run, init   string
	arguments   []string
	environment []string
	regInfo     string

	kernelWords []string // that come from elsewhere, and may say what to do
}

func (f *machineFlags) add(c *cobra.Command) {
	f.recipe.add(c)
	f.recipe.addHelper(c)
	s := c.Flags()
	f.store.add(s, "WHAT")
	f.recipe.store = &f.store.sourceFlags
	f.recipe.addProfile(c)
	addKernel(s, &f.kernel)
	s.StringVar(&f.share, "store-share", "disk", "`NAME`: show it by disk, virtiofs or 9p")
	s.BoolVar(&f.writable, "writable-store", false, "closure: the store is writable, in memory")
	s.BoolVar(&f.find, "find", false, "closure: list the store")
	s.BoolVar(&f.shell, "shell", false, "closure: run a shell; the machine ends with it")
	s.StringVar(&f.run, "run", "", "closure: run `PROGRAM` and its arguments")
	s.StringArrayVar(&f.arguments, "arg", nil, "closure: `ARGUMENT` for --run; repeatable")
	s.StringArrayVarP(&f.environment, "env", "e", nil, "closure: set `NAME=VALUE`; or copy NAME; repeatable")
	s.StringVar(&f.init, "init", "", "closure: boot the system with the init at `PATH`")
	s.StringVar(&f.regInfo, "reg-info", "", "closure: register what `PATH` in the guest lists")
}

// idle says whether a closure would be shown to a guest that has nothing to do with it.
func (f *machineFlags) idle() bool {
	return !f.find && !f.shell && f.run == "" && f.init == "" && !wire.AskForTask(f.kernelWords)
}

// boots says whether a store path is a system that is to boot from the disk that it expects, and
// is not only shown to a guest.
func (f *machineFlags) boots(what string) bool { return f.idle() && f.recipe.systemPath(what) != "" }

// machine finds out what a name on the command line is, and makes of it what a machine
// boots; of a closure, both.
func (f *machineFlags) machine(c *cobra.Command, what string) (*run.System, *lab.Closure, error) {
	kind, err := f.kind(what)
	if err != nil {
		return nil, nil, err
	}
	switch kind {
	case lab.IsClosure:
		if what != "" && f.boots(what) {
			if err := checkKind(c, aSystem, what); err != nil {
				return nil, nil, err
			}
			s, err := recipeSystem(c, f.recipe, what)
			return s, nil, err
		}
		if err := checkKind(c, aClosure, what); err != nil {
			return nil, nil, err
		}
		if err := f.take(c, what); err != nil {
			return nil, nil, err
		}
		if f.idle() {
			return nil, nil, usageError{fmt.Errorf("run: %s needs one of these flags: --shell opens a shell in it, --run PATH runs a program of it, --init PATH starts a system, --find lists it", strings.TrimSpace("the closure "+what))}
		}
		return f.closure(c, what)
	case lab.IsRecipe:
		if err := checkKind(c, aRecipe, what); err != nil {
			return nil, nil, err
		}
		s, err := recipeSystem(c, f.recipe, what)
		return s, nil, err
	}
	s, err := run.Open(what)
	if info, e := os.Stat(what); err != nil && e == nil && info.IsDir() && !run.IsNetboot(what) {
		err = fmt.Errorf("%w; ingot build makes a data disk of a folder's files", err)
	}
	if err != nil {
		return nil, nil, err
	}
	return s, nil, checkKind(c, kindOfImage(s), what)
}

// take takes the closure that WHAT names, or the store that --store does.
func (f *machineFlags) take(c *cobra.Command, what string) error {
	switch name := f.store.store; {
	case what == "":
		return f.store.take(c)
	case name != "":
		return usageError{fmt.Errorf("%s: --store %s and %s both say which store the guest has: give one of the two", verbName(c), name, what)}
	}
	return f.store.addArgs(c.Context(), []string{what})
}

// kindOfImage returns the kind of a system that is neither a recipe nor a closure.
func kindOfImage(s *run.System) kinds {
	switch {
	case s.Kernel != nil:
		return aNetboot
	case len(s.Disks) > 0 && s.Disks[0].Bus == vm.CDROM:
		return anISO
	}
	return aDisk
}

// kind returns the kind of what is to be run.
func (f *machineFlags) kind(what string) (lab.Kind, error) {
	switch {
	case what == "" && f.store.empty():
		return 0, usageError{errors.New("run: name something to run: a system, a recipe, an image, an ISO, a netboot folder, a reference graph, a store path, or a --graph and the like")}
	case what == "":
		return lab.IsClosure, nil
	case what == stdin:
		return lab.IsRecipe, nil
	}
	return lab.KindOf(what)
}

// recipeSystem plans a recipe; nothing of it is written.
func recipeSystem(c *cobra.Command, r recipeFlags, name string) (*run.System, error) {
	plan, err := r.plan(c, name, "")
	if err != nil {
		return nil, err
	}
	for _, w := range plan.Warnings {
		sayLines(c.ErrOrStderr(), "warning: ", w)
	}
	if err := finishPlan(c, plan, r, false, os.TempDir()); err != nil {
		return nil, err
	}
	return lab.FromPlan(plan, name), nil
}

// closure makes a system of a bare closure.
func (f *machineFlags) closure(c *cobra.Command, what string) (*run.System, *lab.Closure, error) {
	shared := f.share == string(vm.VirtioFS) || f.share == string(vm.NineP)
	flavour, err := f.store.hostFlavour()
	switch {
	case err != nil:
	case shared:
		err = noEffect(c, broughtFlagNames, "--store-share "+f.share+", which shows a folder of this machine as it is")
	}
	if err == nil && !shared && f.share != "disk" {
		err = usageError{fmt.Errorf("run: --store-share %s: must be disk, virtiofs or 9p", f.share)}
	}
	if err != nil {
		return nil, nil, err
	}
	if what == "" {
		what = strings.Join(slices.Concat(f.store.Graphs, f.store.Paths), " ")
	}
	m := &lab.Closure{
		Name: f.store.machineName(), What: what, Kernel: f.kernel, Flavour: flavour, Root: f.store.Root, Writable: f.writable,
		Find: f.find, Shell: f.shell, Script: f.script, Init: f.init, RegInfo: f.regInfo,
		Warn: func(note string) { sayLines(c.ErrOrStderr(), "warning: ", note) },
	}
	if f.run != "" {
		m.Run = append(strings.Fields(f.run), f.arguments...)
	}
	if m.Environment, err = environment(c, f.environment); err != nil {
		return nil, nil, err
	}
	if m.Program, err = os.Executable(); err != nil {
		return nil, nil, err
	}
	switch {
	case shared:
		m.Share, m.Dir, m.Bare = vm.ShareKind(f.share), f.store.Place(flavour), f.store.From != ""
	case f.store.store != "host":
		if m.Closure, err = f.store.closure(c); err != nil {
			return nil, nil, err
		}
		warnOf(c, m.Closure)
		if err := f.store.fetch(c.Context(), c.ErrOrStderr(), false, m.Closure); err != nil {
			return nil, nil, err
		}
	}
	hashing := newProgress(c.ErrOrStderr(), false, "hashing", unknownTotal)
	defer hashing.close()
	m.Hashed = hashing.add
	s, err := m.System(c.Context())
	return s, m, closureFlag(err)
}

// closureFlag names the flags where they are what is wrong with a closure.
func closureFlag(err error) error {
	var kernel *lab.KernelError
	var program *lab.ProgramError
	switch {
	case errors.As(err, &kernel) && kernel.Share != "":
		return fmt.Errorf("--store-share %w; --kernel DIR names another; --store-share disk needs no such driver", err)
	case kernel != nil:
		return fmt.Errorf("%w; --kernel DIR names another folder", err)
	case errors.As(err, &program):
		return fmt.Errorf("--%w", err)
	}
	return err
}
