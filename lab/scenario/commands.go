package scenario

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"ingot/recipes/script"
)

// errUnknown says that the player does not know an action or a condition.
var errUnknown = errors.New("the player does not know it")

// do plays an action; m is nil for one that is not for a single machine.
func (p *play) do(ctx context.Context, m *machine, a script.Action) error {
	switch a.(type) {
	case script.PowerOff, script.Crash, script.Reboot, script.Never, script.Send, script.Press, script.CopyIn, script.CopyOut, script.QMP:
		if err := m.running(); err != nil {
			return err
		}
	}
	switch a := a.(type) {
	case script.Start:
		return p.start(ctx, a.Machines)
	case script.Crash:
		m.crash()
		return nil
	case script.Reboot:
		return p.reboot(ctx, m)
	case script.Wait:
		return p.await(ctx, m, a.Condition, a.Limit)
	case script.Never:
		return p.never(ctx, m, a.Condition, a.For)
	case script.Shell:
		m.shell = a.Way
		return nil
	case script.Status:
		return m.said.hasStatus(a)
	case script.Output:
		return m.said.hasOutput(a)
	case script.Send:
		return m.VM.Send(a.Line)
	case script.Press:
		return m.VM.Press(ctx, a.Strokes)
	case script.Screenshot:
		return p.screenshot(ctx, m, a.Name)
	case script.Compare:
		return p.compare(a)
	case script.Link:
		if p.Link == nil {
			return errors.New("link: the machines have no network")
		}
		return p.Link(a.A, a.B, a.To...)
	case script.QMP:
		answer, err := m.VM.QMP(ctx, a.Command, a.Arguments)
		m.said = said{output: string(answer), any: true}
		return err
	case script.Sleep:
		return sleep(ctx, a.For)
	case script.Note:
		p.note(a.Text)
		return nil
	}
	return p.doInTime(ctx, m, a)
}

// doInTime plays an action that may take as long as a step may.
func (p *play) doInTime(ctx context.Context, m *machine, a script.Action) error {
	ctx, cancel := context.WithTimeoutCause(ctx, p.Timeout, errLimit(p.Timeout))
	defer cancel()
	switch a := a.(type) {
	case script.PowerOff:
		return m.powerOff(ctx)
	case script.Check:
		return p.check(ctx, m, a.Condition)
	case script.Run:
		return p.run(ctx, m, a.Command)
	case script.Fetch:
		return p.fetch(ctx, m, a)
	case script.CopyIn:
		return p.copyIn(ctx, m, p.beside(a.From), a.To)
	case script.CopyOut:
		return p.copyOut(ctx, m, a)
	}
	return fmt.Errorf("%T: %w", a, errUnknown)
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

// printed is the output of a command for an error.
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
