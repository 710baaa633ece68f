package scenario

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"ingot/recipes/script"
)

// action is what a step does; m is nil for commands that are for no single machine.
type action func(ctx context.Context, p *play, m *machine) error

// actionOf returns what plays a script's action; nil for what is none.
func actionOf(a script.Action) action {
	switch a := a.(type) {
	case script.Start:
		return func(ctx context.Context, p *play, _ *machine) error { return p.start(ctx, a.Machines) }
	case script.PowerOff:
		return poweroff
	case script.Crash:
		return crash
	case script.Reboot:
		return reboot
	case script.Wait:
		return func(ctx context.Context, p *play, m *machine) error { return p.await(ctx, m, a.Condition, a.Limit) }
	case script.Never:
		return func(ctx context.Context, p *play, m *machine) error { return p.never(ctx, m, a.Condition, a.For) }
	case script.Check:
		return timed(func(ctx context.Context, p *play, m *machine) error { return p.holds(ctx, m, a.Condition) })
	case script.Shell:
		return func(_ context.Context, _ *play, m *machine) error { m.shell = a.Way; return nil }
	case script.Run:
		return timed(func(ctx context.Context, p *play, m *machine) error { return p.run(ctx, m, a.Command) })
	case script.Status:
		return func(_ context.Context, _ *play, m *machine) error { return m.said.hasStatus(a) }
	case script.Output:
		return func(_ context.Context, _ *play, m *machine) error { return m.said.hasOutput(a) }
	case script.Fetch:
		return timed(func(ctx context.Context, p *play, m *machine) error { return p.fetch(ctx, m, a) })
	case script.Send:
		return alive(func(_ context.Context, _ *play, m *machine) error { return m.vm.Send(a.Line) })
	case script.Press:
		return alive(func(ctx context.Context, _ *play, m *machine) error { return m.vm.Press(ctx, a.Strokes) })
	case script.Screenshot:
		return func(ctx context.Context, p *play, m *machine) error { return p.screenshot(ctx, m, a.Name) }
	case script.Compare:
		return func(_ context.Context, p *play, _ *machine) error { return p.compare(a) }
	case script.CopyIn:
		return alive(timed(func(ctx context.Context, p *play, m *machine) error { return p.copyIn(ctx, m, p.beside(a.From), a.To) }))
	case script.CopyOut:
		return alive(timed(func(ctx context.Context, p *play, m *machine) error { return p.copyOut(ctx, m, a) }))
	case script.Link:
		return func(_ context.Context, p *play, _ *machine) error {
			if p.Link == nil {
				return errors.New("link: the machines have no network")
			}
			return p.Link(a.A, a.B, a.To...)
		}
	case script.QMP:
		return alive(func(ctx context.Context, _ *play, m *machine) error {
			answer, err := m.vm.QMP(ctx, a.Command, a.Arguments)
			m.said = said{output: string(answer), any: true}
			return err
		})
	case script.Sleep:
		return func(ctx context.Context, _ *play, _ *machine) error { return sleep(ctx, a.For) }
	case script.Note:
		return func(_ context.Context, p *play, _ *machine) error { p.note(a.Text); return nil }
	}
	return nil
}

// timed gives an action as much time as a step has.
func timed(do action) action {
	return func(ctx context.Context, p *play, m *machine) error {
		ctx, cancel := context.WithTimeoutCause(ctx, p.Timeout, errLimit(p.Timeout))
		defer cancel()
		return do(ctx, p, m)
	}
}

// alive refuses an action with a machine that does not run.
func alive(do action) action {
	return func(ctx context.Context, p *play, m *machine) error {
		if err := m.running(); err != nil {
			return err
		}
		return do(ctx, p, m)
	}
}

// run runs a command in the guest's shell.
func (p *play) run(ctx context.Context, m *machine, command string) error {
	output, status, err := m.run(ctx, command)
	if err != nil {
		return err
	}
	m.say(output, status)
	if status != 0 && !p.step.AnyStatus {
		return fmt.Errorf("run %s: status %d; want 0%s", command, status, printed(output))
	}
	return nil
}

func (p *play) fetch(ctx context.Context, m *machine, f script.Fetch) error {
	body, status, err := m.fetch(ctx, f)
	if err != nil {
		return err
	}
	m.said = said{output: body, status: status, any: true}
	if status != 200 && !p.step.AnyStatus {
		return fmt.Errorf("fetch %d %s: status %d; want 200%s", f.Port, f.Path, status, printed(body))
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// printed shows what a command printed, in an error.
func printed(output string) string {
	if output = strings.TrimRight(output, "\n"); output == "" {
		return "; it printed nothing"
	}
	const most = 2000
	if len(output) > most {
		output = "…" + output[len(output)-most:]
	}
	return "; it printed\n  " + strings.ReplaceAll(output, "\n", "\n  ")
}
