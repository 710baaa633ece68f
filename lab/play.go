package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"ingot/guest/wire"
	"ingot/image"
	"ingot/internal/printable"
	"ingot/lab/scenario"
	"ingot/recipes/script"
	"ingot/vm"
	"ingot/vm/network"
	"ingot/vm/run"
	"ingot/vm/runtimedir"
)

// PlayOptions say how tests are played. The functions may be nil.
type PlayOptions struct {
	Running string        // the folder of this user's running machines
	Temp    string        // the folder for the machines' writes
	Timeout time.Duration // of a step. Default: [scenario.DefaultTimeout].

	Results string // the folder that keeps consoles, screens and results.json
	Keep    bool   // without Results: keep those of tests that have failed, in a folder in Temp
	JUnit   string // the file that gets a JUnit report

	Console io.Writer // gets the consoles, as one stream of lines; may be nil
	Color   bool      // of the names in it

	Begin func(name string)                 // a test begins
	Step  func(scenario.StepResult)         // a step has ended
	End   func(*scenario.Result)            // a test has ended
	Warn  func(machine string, note string) // takes warnings
}

// A FailedTestsError says that tests have failed. Details went to
// [PlayOptions.End].
type FailedTestsError struct {
	Failed, Of int
	Kept       string // the folder that has their results, if they were to be kept
}

func (e *FailedTestsError) Error() string {
	if e.Of == 1 {
		return "the test has failed"
	}
	return fmt.Sprintf("%d of %d tests have failed", e.Failed, e.Of)
}

// A NoTestError says that a lab has no test of a name.
type NoTestError struct {
	Name string
	Has  []string
}

func (e *NoTestError) Error() string {
	return fmt.Sprintf("no test of the name %s; there are %s", printable.Name(e.Name), strings.Join(e.Has, ", "))
}

// Only leaves out all tests but those of these names; of no names it keeps all.
func (l *Lab) Only(names ...string) error {
	if len(names) == 0 {
		return nil
	}
	var has []string
	var chosen []*script.Script
	for _, s := range l.Tests {
		has = append(has, s.Name)
		if slices.Contains(names, s.Name) {
			chosen = append(chosen, s)
		}
	}
	for _, name := range names {
		if !slices.Contains(has, name) {
			return &NoTestError{name, has}
		}
	}
	l.Tests = chosen
	return nil
}

// Single makes a lab of one machine, whose system is known, and of tests for it. It has a
// network that leads nowhere: many systems want one to start.
func Single(name string, system *run.System, tests []*script.Script, o Options) (*Lab, error) {
	l := &Lab{Options: o, File: name, Tests: tests}
	of := network.File{Machines: map[string]network.Machine{name: {Image: name, VLANs: []int{}, Boot: o.Boot, Memory: o.Memory}}}
	var problems []*network.Problem
	l.Plan, problems = of.Plan("test")
	for _, p := range problems {
		return nil, p.Err
	}
	m := &Machine{Planned: &l.Plan.Machines[0], System: system}
	var err error
	if m.Options, err = l.options(m.Planned); err != nil {
		return nil, err
	}
	m.Options.NoNetwork, m.Options.Restrict = false, true
	l.Machines = []*Machine{m}
	return l, l.useFirmware()
}

// player is a lab whose tests are played.
type player struct {
	*Lab
	PlayOptions
	running *run.Registry
	temp    string
}

// Play plays all tests, each with machines and a network of its own, and writes the reports.
// A [FailedTestsError] says that some have failed.
func (l *Lab) Play(ctx context.Context, o PlayOptions) error {
	p := &player{Lab: l, PlayOptions: o}
	if err := p.checkOutputs(); err != nil {
		return err
	}
	done, err := p.folders()
	if err != nil {
		return err
	}
	defer done()
	if err := l.checkScreens(); err != nil {
		return err
	}
	results := cmp.Or(o.Results, filepath.Join(p.temp, "results"))
	if err := os.MkdirAll(results, 0o755); err != nil {
		return err
	}
	var all []*scenario.Result
	failed := 0
	for _, test := range l.Tests {
		r := p.play(ctx, test, results)
		all = append(all, r)
		if o.End != nil {
			o.End(r)
		}
		if r.Err != nil {
			failed++
		}
		if ctx.Err() != nil {
			break
		}
	}
	if err := p.report(results, all); err != nil {
		return err
	}
	if failed == 0 || ctx.Err() != nil {
		return ctx.Err()
	}
	lost := &FailedTestsError{Failed: failed, Of: len(l.Tests)}
	if o.Keep && o.Results == "" {
		if lost.Kept, err = os.MkdirTemp(o.Temp, "ingot-results-"); err == nil {
			err = os.CopyFS(lost.Kept, os.DirFS(results))
		}
		if err != nil {
			return err
		}
	}
	return lost
}

// checkScreens refuses tests that read a screen on which there will be nothing to read,
// before any machine starts.
func (l *Lab) checkScreens() error {
	var errs []error
	for _, test := range l.Tests {
		for _, m := range l.Machines {
			place, text := test.ReadsScreen(m.Name)
			if place == "" {
				continue
			}
			arch := cmp.Or(m.Options.Arch, m.System.Arch)
			if err := scenario.CheckScreen(arch, m.Options.BootOf(m.System) == run.UEFI); err != nil {
				errs = append(errs, fmt.Errorf("%s: %s: %w", place, printable.Name(text), err))
			}
		}
	}
	return errors.Join(errs...)
}

// checkOutputs returns why the results could not be kept, before the first test is played.
func (p *player) checkOutputs() error {
	if p.Results != "" {
		if err := image.CheckFolder(p.Results); err != nil {
			return fmt.Errorf("results: %w", err)
		}
	}
	if p.JUnit == "" {
		return nil
	}
	if err := image.CheckText(p.JUnit); err != nil {
		return fmt.Errorf("JUnit report: %w", err)
	}
	return nil
}

// folders makes the folders that last as long as the tests do: the list of their
// machines, apart from that of ingot run so that names do not clash, and their disks.
func (p *player) folders() (done func(), err error) {
	dir, err := runtimedir.Make(p.Running)
	if err != nil {
		return nil, err
	}
	var temp *image.Staging
	if _, err = os.Stat(p.PlayOptions.Temp); err == nil {
		temp, err = image.NewStaging(p.PlayOptions.Temp)
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
	p.temp, p.running = temp.Path(""), run.RegistryIn(running)
	return func() {
		remove()
		running.Close()
	}, nil
}

// play plays a test.
func (p *player) play(ctx context.Context, test *script.Script, results string) *scenario.Result {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if p.Begin != nil {
		p.Begin(test.Name)
	}
	networks := network.New(p.Plan, nil)
	defer networks.Close()
	player := scenario.Player{Dir: p.Dir, Results: results, Timeout: p.Timeout, Step: p.Step}
	byName := map[string]*Machine{}
	for _, m := range p.Machines {
		player.Machines = append(player.Machines, m.Name)
		byName[m.Name] = m
	}
	if len(p.Plan.VLANs()) > 0 {
		player.Link = func(a, b string, words ...string) error {
			_, err := networks.Change(a, b, words...)
			return err
		}
	}
	disks := filepath.Join(p.temp, "disks-"+run.SafeName(test.Name))
	defer os.RemoveAll(disks)
	consoles := p.consoles(p.Console, p.Color)
	player.Start = func(ctx context.Context, name string, console io.Writer) (*scenario.Machine, error) {
		if p.Console != nil {
			shown := consoles.Console(name)
			context.AfterFunc(ctx, func() { shown.Close() })
			console = io.MultiWriter(console, shown)
		}
		m := *byName[name]
		if test.Restarts(name) && keepsChanges(m.System) {
			if err := os.MkdirAll(disks, 0o700); err != nil {
				return nil, err
			}
			m.Options.Overlay = filepath.Join(disks, name+".qcow2")
		}
		return p.start(ctx, &m, networks, console)
	}
	return player.Play(ctx, test)
}

// keepsChanges reports whether a system has a disk that it can write to.
func keepsChanges(s *run.System) bool {
	return len(s.Disks) > 0 && s.Disks[0].Bus != vm.CDROM && !s.Disks[0].Plain
}

// start starts a machine with ways in for commands.
func (p *player) start(ctx context.Context, m *Machine, networks *network.Network, console io.Writer) (*scenario.Machine, error) {
	m.Options.Channels = append(slices.Clone(m.Options.Channels), wire.AgentPort)
	m.Options.NoBackdoor = false
	m.Options.VLANs = slices.Clone(m.Options.VLANs)
	warn := func(note string) {
		if p.Warn != nil {
			p.Warn(m.Name, note)
		}
	}
	session, err := m.start(ctx, networks, run.Host{Registry: p.running, Console: console, Warn: warn})
	if err != nil {
		return nil, err
	}
	return &scenario.Machine{
		VM: session.Machine, Close: session.Close,
		Backdoor: func() (net.Conn, error) { return p.running.Backdoor(session.Entry) },
	}, nil
}

// report writes the results for programs.
func (p *player) report(results string, all []*scenario.Result) error {
	err := image.WriteText(filepath.Join(results, "results.json"), false, func(w io.Writer) error { return scenario.WriteJSON(w, all) })
	if err != nil || p.JUnit == "" {
		return err
	}
	return image.WriteText(p.JUnit, false, func(w io.Writer) error { return scenario.WriteJUnit(w, p.File, all) })
}
