package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"ingot/image/diskfile"
	"ingot/internal/filekind"
	"ingot/internal/input"
	"ingot/internal/printable"
	"ingot/lab"
	"ingot/lab/scenario"
	"ingot/recipes"
	"ingot/recipes/plan"
	"ingot/recipes/script"
	"ingot/vm"
	"ingot/vm/run"
)

func newTest() *cobra.Command {
	var f testFlags
	c := &cobra.Command{
		Use:   "test WHAT",
		Short: "boot what a recipe describes, and test it",
		Long: `Run boot tests: scripts that start machines, wait for events, run commands and check the
results. WHAT is a recipe with tests, a file of ingot network with tests, or, with --script,
anything that ingot run takes: a system, a recipe, an image, an ISO, a netboot folder or a
closure.

ingot serves a recipe's disk on demand, so you can test it without building it. A kernel
panic, or a boot loader or an initial RAM disk that finds nothing to start, fails the test
at once, with its name and the console's last lines.

docs/testing.md describes the scripts, and --list-commands lists their commands.`,
		Example: `  ingot test rescue
  ingot test web.yaml --boot uefi --verbose
  ingot test lab.yaml --only page --results out --junit out/junit.xml
  ingot test ./result --script login.test
  ingot test nixos.qcow2 --script login.test --step-timeout 10m`,
		Args: takes(0, 1),
		RunE: func(c *cobra.Command, args []string) error {
			if f.list {
				if len(args) > 0 {
					return usageError{fmt.Errorf("test: --list-commands lists the commands of all scripts, and takes no WHAT: leave out %s", args[0])}
				}
				return listCommands(c.OutOrStdout())
			}
			if len(args) == 0 {
				return usageError{errors.New("test: name something to test: a recipe, a file with machines and tests, or an image with --script")}
			}
			return f.run(c, args[0])
		},
		Annotations: map[string]string{interrupted: "the machines were ended"},
	}
	f.add(c)
	f.recipe.add(c)
	f.recipe.addStore(c)
	s := c.Flags()
	s.StringVar(&f.script, "script", "", "run the script in `FILE`; WHAT is its one machine")
	addKernel(s, &f.kernel)
	s.StringVar(&f.boot, "boot", "", "`MODE`: kernel (QEMU loads it), bios or uefi")
	addFirmware(s, &f.firmware)
	s.StringVarP(&f.memory, "memory", "m", "", "`SIZE` in MiB, or with K, M, G or T")
	s.BoolVar(&f.list, "list-commands", false, "list script commands and conditions")
	s.BoolVar(&f.names, "list", false, "list the tests, run none")
	return c
}

// testFlags are those of test; the exported half is build's, too.
type testFlags struct {
	recipe recipeFlags

	script, boot, memory string
	firmware             firmwareFlag
	kernel               string // of a closure
	list, names          bool

	only           []string
	timeout        time.Duration
	junit, results string
	accel          vm.Accel
	keep           bool
	verbose        bool
	console        bool
}

// add adds the flags that say how tests are played.
func (f *testFlags) add(c *cobra.Command) {
	s := c.Flags()
	s.StringArrayVar(&f.only, "only", nil, "run the test `NAME` alone; repeatable")
	addTimeout(s, &f.timeout, "step-timeout", scenario.DefaultTimeout, false, "time of a step")
	s.StringVar(&f.junit, "junit", "", "write a JUnit report to `FILE`")
	s.StringVar(&f.results, "results", "", "keep consoles, screens, results.json in `FOLDER`")
	addAccel(s, &f.accel, "accel", "`NAME`: kvm or tcg. Default: what works.")
	s.BoolVar(&f.keep, "keep-results", false, "keep the results of failures without --results")
	s.BoolVarP(&f.verbose, "verbose", "v", false, "show every step")
	s.BoolVar(&f.console, "console", false, "show the guest's console on standard error")
}

// check refuses what a machine cannot have, before one is planned.
func (f *testFlags) check(c *cobra.Command) error {
	if f.memory != "" {
		if _, err := parseMemory(f.memory); err != nil {
			return usageError{fmt.Errorf("test: %w", err)}
		}
	}
	_, err := run.ParseBoot(f.boot)
	return optionError(c, err)
}

func (f *testFlags) run(c *cobra.Command, what string) error {
	if err := f.check(c); err != nil {
		return err
	}
	l, open, err := f.find(c, what)
	if err != nil {
		return err
	}
	if err := f.choose(l, what); err != nil {
		return err
	}
	if f.names {
		for _, test := range l.Tests {
			fmt.Fprintln(c.OutOrStdout(), printable.Name(test.Name))
		}
		return nil
	}
	if l, err = open(l); err != nil {
		return err
	}
	return f.play(c, l, c.OutOrStdout())
}

// An opener finds out what the machines boot whose tests are known.
type opener func(*lab.Lab) (*lab.Lab, error)

// find finds out by which tests what is to be tested. Nothing is opened: to list tests takes
// neither a kernel nor an image.
func (f *testFlags) find(c *cobra.Command, what string) (*lab.Lab, opener, error) {
	name, err := diskfile.Parse(what)
	if err != nil {
		return nil, nil, err
	}
	isDisk := name.IsDisk()
	if info, err := os.Stat(name.Path); err == nil && f.script == "" && !info.IsDir() && !isDisk && !input.IsStream(name.Path) {
		if isDisk, err = looksLikeImage(what); err != nil {
			return nil, nil, err
		}
	}
	isFile, text := false, []byte(nil)
	if what == stdin {
		if text, err = readText(c.Context(), what); err != nil {
			return nil, nil, err
		}
		isFile, f.recipe.piped = lab.IsFile(text), text
	} else if !isDisk {
		text, _ = machinesFrom(what)
		isFile = lab.IsFile(text)
	}
	switch {
	case f.script == "" && isDisk:
		return nil, nil, usageError{fmt.Errorf("test: %s is a disk, which has no tests: --script names one", what)}
	case isFile && f.script != "":
		return nil, nil, usageError{fmt.Errorf("test: %s has tests of its own: leave out --script", what)}
	case isFile:
		return f.findFile(c, what, text)
	case f.script != "":
		return f.findScript(c, what)
	}
	return f.findRecipe(c, what)
}

// options are those of all machines.
func (f *testFlags) options(c *cobra.Command) (lab.Options, error) {
	named, usual, err := f.firmware.find(c)
	return lab.Options{Boot: f.boot, Memory: f.memory, Accel: f.accel, Fetch: true, OVMF: named, UsualOVMF: usual}, err
}

func (f *testFlags) findFile(c *cobra.Command, what string, text []byte) (*lab.Lab, opener, error) {
	if err := checkKind(c, machinesFile, what); err != nil {
		return nil, nil, err
	}
	o, err := f.options(c)
	if err != nil {
		return nil, nil, err
	}
	l, err := parseMachines(what, text, o)
	if err == nil && len(l.Tests) == 0 {
		err = &recipes.Error{File: l.File, What: "the file has no tests", Hint: "write some under its key tests; ingot network runs its machines"}
	}
	return l, func(l *lab.Lab) (*lab.Lab, error) { return l, openLab(c, l, f.recipe.set) }, err
}

func (f *testFlags) findRecipe(c *cobra.Command, what string) (*lab.Lab, opener, error) {
	recipe, err := f.recipe.load(c, what)
	if err != nil {
		return nil, nil, err
	}
	if len(recipe.Scripts()) == 0 {
		return nil, nil, &recipes.Error{File: what, What: "the recipe has no tests", Hint: "write some under its key tests, or give --script FILE"}
	}
	return &lab.Lab{Tests: recipe.Scripts()}, func(l *lab.Lab) (*lab.Lab, error) {
		plan, err := f.recipe.plan(c, what, "")
		if err != nil {
			return nil, err
		}
		for _, w := range plan.Warnings {
			sayLines(c.ErrOrStderr(), "warning: ", w)
		}
		return f.ofPlan(c, plan, what, l.Tests)
	}, nil
}

// ofPlan puts the disk of a plan to tests, of which nothing need have been written.
func (f *testFlags) ofPlan(c *cobra.Command, plan *plan.Plan, what string, tests []*script.Script) (*lab.Lab, error) {
	o, err := f.options(c)
	if err != nil {
		return nil, err
	}
	l, err := lab.Single(plan.Recipe.MachineName(), lab.FromPlan(plan, what), tests, o)
	if err == nil {
		l.File, l.Dir = plan.Recipe.Name, filepath.Dir(what)
	}
	return l, err
}

// findScript plays a plain file with any system.
func (f *testFlags) findScript(c *cobra.Command, what string) (*lab.Lab, opener, error) {
	text, err := recipes.ReadText(f.script)
	if err != nil {
		return nil, nil, err
	}
	base := filepath.Base(f.script)
	title := strings.TrimSuffix(base, filepath.Ext(base))
	return &lab.Lab{Tests: []*script.Script{{Name: title}}}, func(*lab.Lab) (*lab.Lab, error) {
		flags := machineFlags{recipe: f.recipe, kernel: f.kernel, share: "disk"}
		kind, err := flags.kind(what)
		if err != nil {
			return nil, err
		}
		flags.shell = kind == lab.IsClosure && f.recipe.systemPath(what) == ""
		system, _, err := flags.machine(c, what)
		if err != nil {
			return nil, err
		}
		name := script.MachineName(system.Name)
		test, err := script.Parse(title, f.script, 1, string(text), []string{name})
		if kind := filekind.Of(text); err != nil && kind != "" {
			err = fmt.Errorf("%s: not a script of tests: it looks like %s", printable.Name(f.script), kind)
		}
		if err != nil {
			return nil, &recipes.Error{What: err.Error(), File: "--script"}
		}
		o, err := f.options(c)
		if err != nil {
			return nil, err
		}
		l, err := lab.Single(name, system, []*script.Script{test}, o)
		if err == nil {
			l.File, l.Dir = what, filepath.Dir(f.script)
		}
		return l, err
	}, nil
}

// choose leaves out the tests that --only does not name.
func (f *testFlags) choose(l *lab.Lab, what string) error {
	var none *lab.NoTestError
	if err := l.Only(f.only...); errors.As(err, &none) {
		return usageError{fmt.Errorf("--only %s: %s has no such test; it has %s", none.Name, what, strings.Join(none.Has, ", "))}
	}
	return nil
}

// testBeforehand plays the tests of a recipe that is about to be built, with the very
// bytes that are to be written, served from the plan.
func testBeforehand(c *cobra.Command, f *testFlags, plan *plan.Plan, what string) error {
	if len(plan.Recipe.Scripts()) == 0 {
		return &recipes.Error{File: what, What: "--test: the recipe has no tests", Hint: "write some under its key tests"}
	}
	l, err := f.ofPlan(c, plan, what, plan.Recipe.Scripts())
	if err != nil {
		return err
	}
	return f.play(c, l, c.ErrOrStderr()) // standard output may be the image
}

// play plays the tests. out gets how each went.
func (f *testFlags) play(c *cobra.Command, l *lab.Lab, out io.Writer) error {
	talk := c.ErrOrStderr()
	o := lab.PlayOptions{
		Running: run.DefaultDir(os.Getenv), Temp: os.TempDir(), Timeout: f.timeout, Results: f.results, Keep: f.keep, JUnit: f.junit,
		End: func(r *scenario.Result) { tellResult(out, r) },
	}
	if f.console {
		o.Console = raw(c.OutOrStdout())
		o.Color = onTerminal(o.Console) && drawsOn(os.Getenv)
	}
	if f.verbose {
		o.Begin = func(name string) { fmt.Fprintf(talk, "=== %s\n", printable.Name(name)) }
		o.Step = func(r scenario.StepResult) { tellStep(talk, r) }
		o.Warn = func(machine, note string) { sayLines(talk, "ingot: "+machine+": ", note) }
	}
	err := l.Play(c.Context(), o)
	var failed *lab.FailedTestsError
	if errors.As(err, &failed) && failed.Kept != "" {
		fmt.Fprintf(talk, "ingot: the results are kept in %s\n", failed.Kept)
	}
	return err
}

// tellStep shows a step.
func tellStep(out io.Writer, r scenario.StepResult) {
	mark := "ok  "
	if r.Failed != "" {
		mark = "FAIL"
	}
	fmt.Fprintf(out, "%s %7.2fs  %4d  %s\n", mark, r.Seconds, r.Line, printable.Name(r.Text))
	for _, note := range r.Notes {
		const indent = "                    "
		sayLines(out, indent, note)
	}
}

// tellResult says how a test went.
func tellResult(out io.Writer, r *scenario.Result) {
	if r.Err == nil {
		fmt.Fprintf(out, "ok    %s  %.1fs\n", printable.Name(r.Name), r.Seconds)
		return
	}
	fmt.Fprintf(out, "FAIL  %s  %.1fs\n%s\n", printable.Name(r.Name), r.Seconds, strings.TrimRight(r.Failed, "\n"))
}

// listCommands prints the language of scripts.
func listCommands(out io.Writer) error {
	out, flush := folded(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "[MACHINE:] COMMAND")
	for _, e := range script.Commands() {
		fmt.Fprintf(w, "  %s\t%s\n", e.Usage, e.Does)
	}
	fmt.Fprintln(w, "CONDITION")
	for _, e := range script.Conditions() {
		fmt.Fprintf(w, "  %s\t%s\n", e.Usage, e.Does)
	}
	fmt.Fprintln(w, "PATTERN\n  /REGEXP/\tRE2, ^ and $ match at lines\n  TEXT\tas it stands, in double quotes if need be")
	return cmp.Or(w.Flush(), flush())
}
