package main

import (
	"bytes"
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"ingot/guest/wire"
	"ingot/image"
	"ingot/image/diskfile"
	"ingot/internal/filekind"
	"ingot/internal/input"
	"ingot/internal/printable"
	"ingot/lab/scenario"
	"ingot/recipes"
	"ingot/recipes/plan"
	"ingot/recipes/script"
	"ingot/vm"
	"ingot/vm/network"
	"ingot/vm/run"
)

func newTest() *cobra.Command {
	var f testFlags
	c := &cobra.Command{
		Use:   "test WHAT",
		Short: "boot what a recipe describes, and test it",
		Long: `Play boot tests: scripts that start machines, wait, run commands and look at what comes
of it. WHAT is a recipe, which carries its tests; a file with machines, a network between
them and tests; or, with --script, any of what ingot run takes: an image, an ISO, a
netboot folder, a closure.

A recipe's disk is served on demand, so that nothing has to be built to be tested. A
kernel that panics, a boot loader or an initial RAM disk that finds nothing to start: each
fails at once, by its name and with the console's last lines.

docs/testing.md describes the scripts, and --list-commands lists what they are made of.`,
		Example: `  ingot test rescue
  ingot test web.yaml --boot uefi --verbose
  ingot test lab.yaml --only page --results out --junit out/junit.xml
  ingot test nixos.qcow2 --script login.test --timeout 10m`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if f.list {
				if len(args) > 0 {
					return usageError{fmt.Errorf("test: --list-commands lists the commands of all scripts, and takes no WHAT: leave out %s", args[0])}
				}
				return listCommands(c.OutOrStdout())
			}
			if len(args) == 0 {
				return usageError{errors.New("test: nothing to test is named: a recipe, a file with machines and tests, or an image with --script")}
			}
			return f.run(c, args[0])
		},
		Annotations: map[string]string{interrupted: "the machines were ended"},
	}
	f.add(c)
	f.recipe.add(c)
	s := c.Flags()
	s.StringVar(&f.script, "script", "", "run the script in `FILE` on WHAT, as one machine")
	s.StringVar(&f.boot, "boot", "", "`MODE`: kernel (QEMU loads it), bios or uefi")
	s.StringVar(&f.memory, "memory", "", "`SIZE` in MiB, or with K, M, G or T")
	s.BoolVar(&f.list, "list-commands", false, "list script commands and conditions")
	s.BoolVar(&f.names, "list", false, "list the tests, run none")
	return c
}

// testFlags are those of test; the exported half is build's, too.
type testFlags struct {
	recipe recipeFlags

	script, boot, memory string
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
	addTimeout(s, &f.timeout, "timeout", scenario.DefaultTimeout, false, "how long a step may take")
	s.StringVar(&f.junit, "junit", "", "write a JUnit report to `FILE`")
	s.StringVar(&f.results, "results", "", "keep consoles, screens, results.json in `FOLDER`")
	addAccel(s, &f.accel, "accel", "`NAME`: kvm or tcg. Default: what works.")
	s.BoolVar(&f.keep, "keep", false, "keep the results of failures without --results")
	s.BoolVarP(&f.verbose, "verbose", "v", false, "show every step")
	s.BoolVar(&f.console, "console", false, "show the machines' consoles")
}

// testFile is a file with machines and tests.
type testFile struct {
	Name     string                     `json:"name" jsonschema_description:"What the network is called; the file's name if left out."`
	Machines map[string]network.Machine `json:"machines" jsonschema:"required" jsonschema_description:"The machines, as ingot network has them."`
	Seed     uint64                     `json:"seed" jsonschema_description:"As ingot network has it."`
	Links    []network.LinkState        `json:"links" jsonschema_description:"As ingot network has them."`
	Tests    []recipes.Test             `json:"tests" jsonschema:"required" jsonschema_description:"The tests."`
}

// suite is the tests that are played, with what they are played on.
type suite struct {
	c       *cobra.Command
	flags   *testFlags
	out     io.Writer // gets the results
	name    string
	dir     string // what paths in scripts are relative to
	plan    *network.Plan
	scripts []*script.Script
	lab     *lab
	temp    string
	running *run.Registry
}

// check refuses what a machine cannot have, before one is planned.
func (f *testFlags) check() error {
	if f.memory != "" {
		if _, err := parseMemory(f.memory); err != nil {
			return usageError{fmt.Errorf("test: %w", err)}
		}
	}
	if _, err := run.ParseBoot(f.boot); err != nil {
		return usageError{fmt.Errorf("test: %w", err)}
	}
	return nil
}

func (f *testFlags) run(c *cobra.Command, what string) error {
	if err := f.check(); err != nil {
		return err
	}
	s, err := f.suite(c, what)
	if err != nil {
		return err
	}
	if f.names {
		for _, script := range s.scripts {
			if _, err := fmt.Fprintln(c.OutOrStdout(), printable.Name(script.Name)); err != nil {
				return err
			}
		}
		return nil
	}
	return s.play()
}

func (f *testFlags) newSuite(c *cobra.Command, what string) *suite {
	s := &suite{c: c, flags: f, out: c.OutOrStdout(), name: what, dir: filepath.Dir(what)}
	s.lab = &lab{c: c, flags: &networkFlags{accel: f.accel, set: f.recipe.set}, dir: s.dir, systems: map[string]*run.System{},
		at: func(_ string, err error) error { return err }, ports: map[string][]int{}}
	return s
}

// suite finds out what is to be tested, and by which tests.
func (f *testFlags) suite(c *cobra.Command, what string) (*suite, error) {
	s := f.newSuite(c, what)
	name, err := diskfile.Parse(what)
	if err != nil {
		return nil, err
	}
	isDisk := name.IsDisk()
	if info, err := os.Stat(name.Path); err == nil && f.script == "" && !info.IsDir() && !isDisk && !input.IsStream(name.Path) {
		if isDisk, err = looksLikeImage(what); err != nil {
			return nil, err
		}
	}
	isFile, text := false, []byte(nil)
	if what == stdin {
		if text, err = readText(c.Context(), what); err != nil {
			return nil, err
		}
		isFile, s.flags.recipe.piped = hasMachines(text), text
	} else if !isDisk {
		isFile, text = machinesIn(what)
	}
	switch {
	case f.script == "" && isDisk:
		return nil, usageError{fmt.Errorf("test: %s is a disk, which has no tests: --script names one", what)}
	case isFile && f.script != "":
		return nil, usageError{fmt.Errorf("test: %s has tests of its own, and --script is for what has none", what)}
	case isFile:
		if err = checkKind(c, machinesFile, what); err == nil {
			err = s.openFile(what, text)
		}
	case f.script != "":
		err = s.openScript(what)
	default:
		err = s.openRecipe(what)
	}
	if err == nil {
		s.scripts, err = f.choose(what, s.scripts)
	}
	return s, err
}

// Files with machines and tests that ship with ingot.
//
//go:embed scenarios/*.yaml
var shippedScenarios embed.FS

// machinesIn says whether a file, or what ships under this name, is one with machines and
// tests; it has a key for them at its margin, which no recipe has.
func machinesIn(path string) (bool, []byte) {
	text, err := recipes.ReadText(path)
	if errors.Is(err, fs.ErrNotExist) && !strings.ContainsRune(path, '/') {
		text, err = shippedScenarios.ReadFile("scenarios/" + path + ".yaml")
	}
	if err != nil || len(text) > 1<<20 {
		return false, nil
	}
	return hasMachines(text), text
}

func hasMachines(text []byte) bool {
	return bytes.HasPrefix(text, []byte("machines:")) || bytes.Contains(text, []byte("\nmachines:"))
}

func (s *suite) openFile(path string, text []byte) error {
	if path == stdin {
		path = stdinName
	}
	var f testFile
	at, err := recipes.Decode(path, "test file", text, &f)
	if err != nil {
		return err
	}
	s.lab.at = at
	of := network.File{Name: f.Name, Machines: f.Machines, Seed: f.Seed, Links: f.Links}
	name := filepath.Base(path)
	return s.prepare(&of, script.MachineName(strings.TrimSuffix(name, filepath.Ext(name))), func(machines []string) ([]error, error) {
		var errs []error
		s.scripts, errs = recipes.ParseTests(path, "tests", f.Tests, machines)
		return errs, nil
	})
}

func (s *suite) openRecipe(what string) error {
	if err := checkKind(s.c, aRecipe, what); err != nil {
		return err
	}
	recipe, err := s.flags.recipe.load(s.c, what)
	if err != nil {
		return err
	}
	s.name = recipe.Name
	if len(recipe.Scripts()) == 0 {
		return &recipes.Error{File: what, What: "the recipe has no tests", Hint: "write some under its key tests, or give --script FILE"}
	}
	plan, err := s.flags.recipe.plan(s.c, what, "")
	if err != nil {
		return err
	}
	for _, w := range plan.Warnings {
		sayLines(s.c.ErrOrStderr(), "warning: ", w)
	}
	return s.usePlan(plan, what)
}

// testBeforehand plays the tests of a recipe that is about to be built, with the very
// bytes that are to be written, served from the plan.
func testBeforehand(c *cobra.Command, f *testFlags, plan *plan.Plan, what string) error {
	if len(plan.Recipe.Scripts()) == 0 {
		return &recipes.Error{File: what, What: "--test: the recipe has no tests", Hint: "write some under its key tests"}
	}
	s := f.newSuite(c, what)
	s.name = plan.Recipe.Name
	s.out = c.ErrOrStderr() // standard output may be the image
	if err := s.usePlan(plan, what); err != nil {
		return err
	}
	return s.play()
}

// usePlan tests the disk of a plan, of which nothing need have been written.
func (s *suite) usePlan(plan *plan.Plan, what string) error {
	s.scripts = plan.Recipe.Scripts()
	return s.single(plan.Recipe.MachineName(), planSystem(plan, what))
}

// openScript plays a plain file with any system.
func (s *suite) openScript(what string) error {
	text, err := recipes.ReadText(s.flags.script)
	if err != nil {
		return err
	}
	flags := machineFlags{recipe: s.flags.recipe, kernel: "/", store: "closure", share: "disk", shell: true}
	kind, err := flags.kind(what)
	if err != nil {
		return err
	}
	flags.shell = kind == isClosure
	flags = machineFlags{recipe: flags.recipe, kernel: "/", store: "closure", share: "disk", shell: flags.shell}
	system, err := flags.machine(s.c, what)
	if err != nil {
		return err
	}
	name, base := script.MachineName(system.Name), filepath.Base(s.flags.script)
	test, err := script.Parse(strings.TrimSuffix(base, filepath.Ext(base)), s.flags.script, 1, string(text), []string{name})
	if kind := filekind.Of(text); err != nil && kind != "" {
		err = fmt.Errorf("%s: not a script of tests: it looks like %s", printable.Name(s.flags.script), kind)
	}
	if err != nil {
		return &recipes.Error{What: err.Error(), File: "--script"}
	}
	s.dir, s.scripts = filepath.Dir(s.flags.script), []*script.Script{test}
	return s.single(name, system)
}

// single makes a lab of one machine, without networks.
func (s *suite) single(name string, system *run.System) error {
	s.forward(name)
	m := network.Machine{Image: name, VLANs: []int{}, Boot: s.flags.boot, Memory: s.flags.memory}
	of := network.File{Machines: map[string]network.Machine{name: m}}
	plan, problems := of.Plan("test")
	for _, p := range problems {
		return p.Err
	}
	s.plan, s.lab.plan = plan, plan
	lm := &labMachine{Planned: &plan.Machines[0], system: system}
	var err error
	if lm.options, err = s.lab.options(lm.Planned); err != nil {
		return err
	}
	// Many systems want a network to start, and this one leads nowhere.
	lm.options.NoNetwork, lm.options.Restrict = false, true
	s.lab.machines = []*labMachine{lm}
	return nil
}

// prepare makes a lab of a file's machines.
func (s *suite) prepare(of *network.File, name string, parse func(machines []string) ([]error, error)) error {
	var errs []error
	more, err := parse(sortedKeys(of.Machines))
	if err != nil {
		return err
	}
	for name, m := range of.Machines {
		s.forward(name)
		m.Boot = cmp.Or(s.flags.boot, m.Boot)
		m.Memory = cmp.Or(s.flags.memory, m.Memory)
		of.Machines[name] = m
	}
	plan, problems := of.Plan(name)
	for _, p := range problems {
		errs = append(errs, s.lab.at(p.Key, p.Err))
	}
	if err := errors.Join(append(errs, more...)...); err != nil {
		return err
	}
	s.plan, s.lab.plan = plan, plan
	if err := s.lab.hasRecipes(s.name); err != nil {
		return err
	}
	for i := range plan.Machines {
		if err := s.lab.prepare(&plan.Machines[i]); err != nil {
			return err
		}
	}
	return nil
}

func sortedKeys(m map[string]network.Machine) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// forward has the ports of a machine forwarded that scripts fetch from.
func (s *suite) forward(name string) {
	for _, script := range s.scripts {
		for _, port := range script.Ports(name) {
			if !slices.Contains(s.lab.ports[name], port) {
				s.lab.ports[name] = append(s.lab.ports[name], port)
			}
		}
	}
}

// choose returns the tests that --only names, or all.
func (f *testFlags) choose(what string, all []*script.Script) ([]*script.Script, error) {
	if len(f.only) == 0 {
		return all, nil
	}
	var names []string
	var chosen []*script.Script
	for _, s := range all {
		names = append(names, s.Name)
		if slices.Contains(f.only, s.Name) {
			chosen = append(chosen, s)
		}
	}
	for _, name := range f.only {
		if !slices.Contains(names, name) {
			return nil, usageError{fmt.Errorf("--only %s: %s has no test of that name; it has %s", name, what, strings.Join(names, ", "))}
		}
	}
	return chosen, nil
}

// testsFailedError says that tests have failed; what and why has been said.
type testsFailedError struct{ failed, of int }

func (e testsFailedError) Error() string {
	if e.of == 1 {
		return "the test has failed"
	}
	return fmt.Sprintf("%d of %d tests have failed", e.failed, e.of)
}

// play plays all tests, and writes the reports.
func (s *suite) play() (err error) {
	if err := s.checkOutputs(); err != nil {
		return err
	}
	done, err := s.folders()
	if err != nil {
		return err
	}
	defer done()
	if err := s.checkScreens(); err != nil {
		return err
	}
	results := s.flags.results
	if results == "" {
		results = filepath.Join(s.temp, "results")
	}
	if err := os.MkdirAll(results, 0o755); err != nil {
		return err
	}
	var all []*scenario.Result
	failed := 0
	for _, script := range s.scripts {
		r := s.playOne(script, results)
		all = append(all, r)
		s.tell(r)
		if r.Err != nil {
			failed++
		}
		if s.c.Context().Err() != nil {
			break
		}
	}
	if err := s.report(results, all); err != nil {
		return err
	}
	if err := s.c.Context().Err(); err != nil {
		return err
	}
	if failed > 0 {
		if s.flags.keep && s.flags.results == "" {
			kept, err := os.MkdirTemp("", "ingot-results-")
			if err != nil {
				return err
			}
			if err := os.CopyFS(kept, os.DirFS(results)); err != nil {
				return err
			}
			fmt.Fprintf(s.c.ErrOrStderr(), "ingot: the results are kept in %s\n", kept)
		}
		return testsFailedError{failed, len(s.scripts)}
	}
	return nil
}

// checkScreens refuses tests that read a screen on which there will be nothing to read,
// before any machine starts.
func (s *suite) checkScreens() error {
	var errs []error
	for _, script := range s.scripts {
		for _, m := range s.lab.machines {
			place, text := script.ReadsScreen(m.Name)
			if place == "" {
				continue
			}
			arch := cmp.Or(m.options.Arch, m.system.Arch)
			if err := scenario.CheckScreen(arch, m.options.BootOf(m.system) == run.UEFI); err != nil {
				errs = append(errs, fmt.Errorf("%s: %s: %w", place, printable.Name(text), err))
			}
		}
	}
	return errors.Join(errs...)
}

// checkOutputs says why the results could not be kept, before the first test is played.
func (s *suite) checkOutputs() error {
	if s.flags.results != "" {
		if err := image.CheckFolder(s.flags.results); err != nil {
			return fmt.Errorf("results: %w", err)
		}
	}
	if s.flags.junit == "" || isStream(s.flags.junit) {
		return nil
	}
	if _, err := image.Target(s.flags.junit); err != nil {
		return fmt.Errorf("JUnit report: %w", err)
	}
	return nil
}

// folders makes the places for what lasts as long as the tests do: the list of their
// machines, apart from that of ingot run so that names do not clash, and their disks.
func (s *suite) folders() (done func(), err error) {
	dir, err := runningDir()
	if err != nil {
		return nil, err
	}
	var temp *image.Staging
	if _, err = os.Stat(os.TempDir()); err == nil {
		temp, err = image.NewStaging(os.TempDir())
	}
	if err != nil {
		return nil, fmt.Errorf("folder for what the tests' machines write: %w", err)
	}
	machines, err := image.NewStaging(dir.Address("."))
	if err != nil {
		_ = temp.Close() // the first error tells more
		return nil, fmt.Errorf("folder of the tests' machines, in %s: %w", dir.Path(), err)
	}
	remove := func() {
		_ = machines.Close() // the next tests sweep what is left
		_ = temp.Close()
		dir.Close()
	}
	running, err := dir.Sub(filepath.Base(machines.Path("")))
	if err != nil {
		remove()
		return nil, err
	}
	s.temp, s.running = temp.Path(""), run.RegistryIn(running)
	return func() {
		remove()
		running.Close()
	}, nil
}

// playOne plays a test with machines and a network of its own.
func (s *suite) playOne(script *script.Script, results string) *scenario.Result {
	ctx, cancel := context.WithCancel(s.c.Context())
	defer cancel()
	if s.flags.verbose {
		fmt.Fprintf(s.c.ErrOrStderr(), "=== %s\n", printable.Name(script.Name))
	}
	fabric := network.NewFabric(s.plan, nil)
	defer fabric.Close()
	consoles := s.lab.consoles()
	stage := scenario.Stage{Dir: s.dir, Results: results, Timeout: s.flags.timeout, Step: s.tellStep}
	byName := map[string]*labMachine{}
	for _, m := range s.lab.machines {
		stage.Machines = append(stage.Machines, m.Name)
		byName[m.Name] = m
	}
	if len(s.plan.VLANs()) > 0 {
		stage.Link = func(a, b string, words ...string) error {
			_, err := fabric.Change(a, b, words...)
			return err
		}
	}
	disks := filepath.Join(s.temp, "disks-"+run.SafeName(script.Name))
	defer os.RemoveAll(disks)
	stage.Start = func(ctx context.Context, name string, console io.Writer) (*scenario.Machine, error) {
		if s.flags.console {
			shown := consoles.Console(name)
			context.AfterFunc(ctx, func() { shown.Close() })
			console = io.MultiWriter(console, shown)
		}
		m := *byName[name]
		if script.Restarts(name) && keepsChanges(m.system) {
			if err := os.MkdirAll(disks, 0o700); err != nil {
				return nil, err
			}
			m.options.DiskImage = filepath.Join(disks, name+".qcow2")
		}
		return s.start(ctx, &m, fabric, console)
	}
	return stage.Play(ctx, script)
}

// keepsChanges says whether a system has a disk that it can write to.
func keepsChanges(s *run.System) bool {
	return len(s.Disks) > 0 && s.Disks[0].Bus != vm.CDROM && !s.Disks[0].Plain
}

func (s *suite) start(ctx context.Context, m *labMachine, fabric *network.Fabric, console io.Writer) (*scenario.Machine, error) {
	m.options.Channels = append(slices.Clone(m.options.Channels), wire.AgentPort)
	m.options.NoBackdoor = false
	m.options.VLANs = slices.Clone(m.options.VLANs)
	close, err := m.plugIn(fabric)
	if err != nil {
		return nil, err
	}
	defer close()
	warn := func(note string) {
		if s.flags.verbose {
			sayLines(s.c.ErrOrStderr(), "ingot: "+m.Name+": ", note)
		}
	}
	r := s.running
	session, err := run.Start(ctx, m.system, m.options, run.Host{Registry: r, Console: console, Warn: warn})
	if err != nil {
		return nil, err
	}
	return &scenario.Machine{
		VM: session.Machine, Close: session.Close,
		Door: func() (net.Conn, error) { return r.Door(session.Entry) },
	}, nil
}

// tellStep shows a step.
func (s *suite) tellStep(r scenario.StepResult) {
	if !s.flags.verbose {
		return
	}
	mark := "ok  "
	if r.Failed != "" {
		mark = "FAIL"
	}
	fmt.Fprintf(s.c.ErrOrStderr(), "%s %7.2fs  %4d  %s\n", mark, r.Seconds, r.Line, printable.Name(r.Text))
	for _, note := range r.Notes {
		const indent = "                    "
		sayLines(s.c.ErrOrStderr(), indent, note)
	}
}

// tell says how a test went.
func (s *suite) tell(r *scenario.Result) {
	out := s.out
	if r.Err == nil {
		fmt.Fprintf(out, "ok    %s  %.1fs\n", printable.Name(r.Name), r.Seconds)
		return
	}
	fmt.Fprintf(out, "FAIL  %s  %.1fs\n%s\n", printable.Name(r.Name), r.Seconds, strings.TrimRight(r.Failed, "\n"))
}

// report writes the results for programs.
func (s *suite) report(results string, all []*scenario.Result) error {
	err := writeWhole(filepath.Join(results, "results.json"), false, func(w io.Writer) error { return scenario.WriteJSON(w, all) })
	if err != nil || s.flags.junit == "" {
		return err
	}
	return writeWhole(s.flags.junit, false, func(w io.Writer) error { return scenario.WriteJUnit(w, s.name, all) })
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
