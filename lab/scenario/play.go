package scenario

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"ingot/recipes/script"
	"ingot/vm"
	"ingot/vm/session"
)

// A Machine is one that has been started for a test.
type Machine struct {
	VM       *vm.Machine
	Backdoor func() (net.Conn, error) // connects to its back door; nil without one
	Close    func()                   // ends it, and all that runs for it
}

// A Player plays scripts: it knows how machines are started, and where results go.
type Player struct {
	Machines []string

	// Start starts a machine, again if it has run before. console gets what it prints.
	Start func(ctx context.Context, name string, console io.Writer) (*Machine, error)

	// Link changes a link of the network, as `ingot network link` does. It may be nil.
	Link func(a, b string, words ...string) error

	Dir     string        // what paths in the script are relative to
	Results string        // the folder that gets screenshots and files; it is there
	Timeout time.Duration // of a step that waits; DefaultTimeout

	// Step is called at the end of each step. It may be nil.
	Step func(StepResult)
}

// DefaultTimeout is how long a step may take: many times what a boot takes without
// KVM on a busy machine.
const DefaultTimeout = 5 * time.Minute

// glance is how often a condition is looked at.
const glance = 500 * time.Millisecond

// play is a script that is being played.
type play struct {
	Player
	folder   string // that gets what the script keeps
	machines map[string]*machine
	step     *script.Step
	notes    []string
	cancel   context.CancelCauseFunc // ends the test
}

// machine is a machine of a play, which may run, or have run.
type machine struct {
	*Machine
	name    string
	shell   script.Way
	agent   *session.Client
	said    said
	console *console

	done chan struct{} // closed when it has ended
	how  string        // and how, for conditions
	err  error         // likewise
	ours atomic.Bool   // it was the script that ended it
}

// said is the output and status of the last command or page.
type said struct {
	output string
	status int
	any    bool
	split  bool // by the kernel's messages, perhaps: it was printed on the console
}

// matches reports whether a pattern matches the output: as it stands, or without what the kernel
// has said in the middle of it.
func (s *said) matches(re *regexp.Regexp) bool {
	return re.MatchString(s.output) || s.split && re.MatchString(vm.WithoutKernel(s.output))
}

// say keeps what a command has printed, and its status, for the steps that ask.
func (m *machine) say(output string, status int) {
	m.said = said{output, status, true, m.shell == script.ByConsole}
}

// errNothing says that no step has made what a step looks at.
var errNothing = errors.New("nothing was run or fetched before")

func (s *said) hasStatus(want script.Status) error {
	ok, text := s.status == want.Is, fmt.Sprint(want.Is)
	if want.Nonzero {
		ok, text = s.status != 0, "other than 0"
	}
	switch {
	case !s.any:
		return errNothing
	case !ok:
		return fmt.Errorf("status %d; want %s%s", s.status, text, printed(s.output))
	}
	return nil
}

func (s *said) hasOutput(want script.Output) error {
	switch {
	case !s.any:
		return errNothing
	case s.matches(want.Pattern) && want.Not:
		return fmt.Errorf("the output matches %s, and should not%s", want.Pattern, printed(s.output))
	case s.matches(want.Pattern) == want.Not:
		return fmt.Errorf("the output does not match %s%s", want.Pattern, printed(s.output))
	}
	return nil
}

// Play plays a script to its end, or to the first step that fails. All machines have
// ended when it returns.
func (s *Player) Play(ctx context.Context, played *script.Script) *Result {
	r := &Result{Name: played.Name, Started: time.Now()}
	defer func() { r.Seconds = seconds(time.Since(r.Started)) }()
	p := &play{Player: *s, machines: map[string]*machine{}, folder: filepath.Join(s.Results, safe(played.Name))}
	p.Timeout = cmp.Or(p.Timeout, DefaultTimeout)
	ctx, p.cancel = context.WithCancelCause(ctx)
	defer p.cancel(nil)
	defer p.closeAll(r)
	if err := os.MkdirAll(p.folder, 0o755); err != nil {
		r.fail(&played.Steps[0], err)
		return r
	}
	for i := range played.Steps {
		p.step = &played.Steps[i]
		started := time.Now()
		err := p.take(ctx)
		result := StepResult{Line: p.step.Line, Text: p.step.Text, Seconds: seconds(time.Since(started)), Notes: p.notes}
		if p.notes = nil; err != nil {
			result.Failed = err.Error()
			r.fail(p.step, err)
		}
		r.Steps = append(r.Steps, result)
		if p.Step != nil {
			p.Step(result)
		}
		if err != nil {
			break
		}
	}
	return r
}

// take does one step.
func (p *play) take(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var m *machine
	if name := p.step.Machine; name != "" {
		m = p.machine(name)
	}
	err := p.do(ctx, m, p.step.Action)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx) // what ended the test says more than how the step noticed
	}
	return err
}

// machine returns a machine of the test, whether it runs or not.
func (p *play) machine(name string) *machine {
	m := p.machines[name]
	if m == nil {
		m = &machine{name: name, shell: script.ByAgent}
		p.machines[name] = m
	}
	return m
}

func (p *play) note(text string) { p.notes = append(p.notes, text) }

// start starts machines beside each other.
func (p *play) start(ctx context.Context, names []string) error {
	var all errgroup.Group
	for _, name := range names {
		m := p.machine(name)
		if m.running() == nil {
			return fmt.Errorf("%s runs already", name)
		}
		all.Go(func() error { return p.startOne(ctx, m) })
	}
	return all.Wait()
}

func (p *play) startOne(ctx context.Context, m *machine) error {
	if m.console == nil {
		f, err := p.create("console-" + m.name + ".txt")
		if err != nil {
			return err
		}
		context.AfterFunc(ctx, func() { f.Close() })
		m.console = &console{file: f}
	}
	m.release()
	started, err := p.Start(ctx, m.name, m.console)
	if err != nil {
		return fmt.Errorf("%s: %w", m.name, err)
	}
	m.Machine = started
	m.done, m.err, m.how, m.agent, m.said = make(chan struct{}), nil, "", nil, said{}
	m.ours.Store(false)
	go p.follow(ctx, m, started.VM, m.done)
	return nil
}

// follow waits for a machine's end. A kernel that panics, or a QEMU that fails, ends
// the test at once, whatever it is doing.
func (p *play) follow(ctx context.Context, m *machine, runs *vm.Machine, done chan struct{}) {
	err := runs.Wait(ctx)
	var f *vm.FailureError
	failed := errors.As(err, &f) && (f.Kind == vm.Panicked || f.Kind == vm.QEMUFailed)
	if err == nil {
		m.how = "; it has switched itself off"
	}
	m.err = err
	close(done)
	if failed && !m.ours.Load() {
		p.cancel(fmt.Errorf("%s: %w", m.name, err))
	}
}

// release gives back what belongs to a machine that has ended.
func (m *machine) release() {
	if m.agent != nil {
		m.agent.Close()
	}
	if m.Machine != nil {
		m.Close()
	}
	m.Machine = nil
}

// closeAll ends all machines, and takes their consoles into the result.
func (p *play) closeAll(r *Result) {
	var all sync.WaitGroup
	for _, name := range p.Machines {
		m := p.machines[name]
		if m == nil {
			continue
		}
		all.Go(func() { m.ours.Store(true); m.release() })
		if m.console != nil {
			defer func() { r.Consoles = append(r.Consoles, Console{m.name, m.console.last()}) }()
		}
	}
	all.Wait()
}

// started refuses a machine that was not started.
func (m *machine) started() error {
	if m.Machine == nil {
		return fmt.Errorf("%s was not started: `start %[1]s` does that", m.name)
	}
	return nil
}

// alive returns how a machine has ended, or nil.
func (m *machine) alive() error {
	select {
	case <-m.done:
		if m.err != nil {
			return fmt.Errorf("%s: %w", m.name, m.err)
		}
		return fmt.Errorf("%s has switched itself off; the console's last lines:\n%s", m.name, m.VM.Tail())
	default:
		return nil
	}
}

// running refuses a machine that does not run.
func (m *machine) running() error {
	if err := m.started(); err != nil {
		return err
	}
	return m.alive()
}

// endTime is how long after a line has been cut the machine's end may show.
const endTime = 15 * time.Second

// awaitEnd waits a moment for the machine's end, and returns how it was.
func (m *machine) awaitEnd() error {
	select {
	case <-m.done:
		return m.alive()
	case <-time.After(endTime):
		return nil
	}
}

// errLimit is why a wait has ended.
type errLimit time.Duration

func (e errLimit) Error() string { return fmt.Sprintf("not within %v", time.Duration(e)) }

func isLimit(ctx context.Context) bool {
	var limit errLimit
	return errors.As(context.Cause(ctx), &limit)
}

// nothing is a pattern that no text matches.
const nothing = `[^\s\S]`

// watchBoot returns a context that ends when the machine's boot fails: without a kernel,
// nothing will answer.
func (m *machine) watchBoot(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	watched := m.VM // which may be another one's when this begins
	go func() {
		_, err := watched.WaitFor(ctx, nothing)
		if ctx.Err() == nil {
			cancel(fmt.Errorf("%s: %w", m.name, err))
		}
	}()
	return ctx, func() { cancel(nil) }
}

// await waits until a condition holds.
func (p *play) await(ctx context.Context, m *machine, c script.Condition, limit time.Duration) error {
	if limit == 0 {
		limit = p.Timeout
	}
	if err := m.started(); err != nil {
		return err
	}
	if line := awaited(c); line != nil {
		ctx, cancel := context.WithTimeoutCause(ctx, limit, errLimit(limit))
		defer cancel()
		if _, err := m.VM.WaitFor(ctx, line.String()); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		return nil
	}
	if _, ended := c.Of.(script.Ended); !ended || c.Not {
		var stop func()
		ctx, stop = m.watchBoot(ctx)
		defer stop()
	}
	last := ""
	ok, err := within(ctx, limit, func(ctx context.Context) (bool, error) {
		ok, found, err := p.holds(ctx, m, c)
		if err == nil || ctx.Err() == nil {
			last = found
		}
		return ok, err
	})
	if !ok && err == nil {
		return fmt.Errorf("%s: %w%s\nthe console's last lines:\n%s", c.Text, errLimit(limit), last, m.VM.Tail())
	}
	return err
}

// within checks again and again, for so long at most, whether something holds.
func within(ctx context.Context, limit time.Duration, check func(context.Context) (bool, error)) (bool, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errLimit(limit))
	defer cancel()
	ok, err := until(ctx, func() (bool, error) { return check(ctx) })
	switch {
	case ok || ctx.Err() != nil && isLimit(ctx):
		return ok, nil
	case ctx.Err() != nil:
		return false, context.Cause(ctx)
	}
	return false, err
}

// until checks again and again.
func until(ctx context.Context, check func() (bool, error)) (bool, error) {
	for {
		ok, err := check()
		if ok || err != nil {
			return ok, err
		}
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-time.After(glance):
		}
	}
}

// check wants a condition to hold now.
func (p *play) check(ctx context.Context, m *machine, c script.Condition) error {
	ok, found, err := p.holds(ctx, m, c)
	switch {
	case err != nil:
		return err
	case !ok:
		return fmt.Errorf("%s: it does not hold%s", c.Text, found)
	}
	return nil
}

// never watches that a condition does not come to hold.
func (p *play) never(ctx context.Context, m *machine, c script.Condition, limit time.Duration) error {
	line := awaited(c)
	ok, err := within(ctx, limit, func(ctx context.Context) (ok bool, err error) {
		if line != nil {
			_, err = m.VM.WaitFor(ctx, line.String())
			return err == nil, err
		}
		ok, _, err = p.holds(ctx, m, c)
		return ok, err
	})
	if ok {
		return fmt.Errorf("%s: it holds, and was never to\nthe console's last lines:\n%s", c.Text, m.VM.Tail())
	}
	return err
}

// pressAgain is after how long the power button is pressed once more: a guest that is
// just starting does not hear it.
const pressAgain = 2 * time.Second

func (m *machine) powerOff(ctx context.Context) error {
	m.ours.Store(true)
	for {
		_, err := m.VM.QMP(ctx, "system_powerdown", nil)
		select {
		case <-m.done:
			return m.err
		case <-time.After(pressAgain):
		case <-ctx.Done():
			return fmt.Errorf("%s does not switch itself off: %w; `crash` cuts its power\nthe console's last lines:\n%s", m.name, context.Cause(ctx), m.VM.Tail())
		}
		if err != nil {
			return err
		}
	}
}

func (m *machine) crash() {
	m.ours.Store(true)
	m.VM.Kill()
	<-m.done
}

// reboot has the guest restart, which ends QEMU, and starts it again.
func (p *play) reboot(ctx context.Context, m *machine) error {
	limited, cancel := context.WithTimeoutCause(ctx, p.Timeout, errLimit(p.Timeout))
	defer cancel()
	m.ours.Store(true)
	done := func() {} // ends what still runs before the machine is started again
	if m.shell == script.ByConsole {
		if err := m.VM.Send("reboot"); err != nil {
			return err
		}
	} else {
		// The command that restarts the machine ends with it, so that its own result is
		// no news.
		asking, stop := context.WithCancel(limited)
		defer stop()
		if m.shell == script.ByAgent {
			if _, err := m.client(limited); err != nil {
				return err
			}
		}
		asked := make(chan struct{})
		go func() {
			defer close(asked)
			_, _, _ = m.run(asking, "reboot")
		}()
		done = func() { stop(); <-asked }
	}
	select {
	case <-m.done:
		done()
	case <-limited.Done():
		done()
		return fmt.Errorf("%s does not restart: %w\nthe console's last lines:\n%s", m.name, context.Cause(limited), m.VM.Tail())
	}
	if m.err != nil {
		return m.err
	}
	return p.startOne(ctx, m)
}

// safe makes a file's name of a test's.
func safe(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '/' || r == 0 || slices.Contains([]rune{' ', '\t', '\n'}, r) {
			return '-'
		}
		return r
	}, strings.TrimLeft(name, "."))
}

func seconds(d time.Duration) float64 {
	return float64(d.Round(time.Millisecond)) / float64(time.Second)
}
