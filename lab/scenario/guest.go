package scenario

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"

	"ingot/guest/wire"
	"ingot/guest/wire/files"
	"ingot/recipes/script"
	"ingot/vm/session"
)

// maxOutput is how much of a command's output is kept.
const maxOutput = 4 << 20

// run runs a command in the guest's shell. What it prints on standard error is part of
// the output.
func (m *machine) run(ctx context.Context, command string) (output string, status int, err error) {
	if err := m.running(); err != nil {
		return "", 0, err
	}
	switch m.shell {
	case script.ByConsole:
		return m.VM.Run(ctx, command)
	case script.ByBackdoor:
		return m.runAtDoor(ctx, command)
	}
	return m.runByAgent(ctx, command)
}

// client waits for the guest's agent.
func (m *machine) client(ctx context.Context) (*session.Client, error) {
	if m.agent != nil {
		return m.agent, nil
	}
	ctx, stop := m.watchBoot(ctx)
	defer stop()
	c, err := session.Open(ctx, m.VM, session.Options{Guest: m.name, Explain: m.explain})
	if err != nil && isLimit(ctx) {
		return nil, fmt.Errorf("nothing in %s has opened the port %s (%w): systems that ingot makes do; for others, `shell console` types commands at the console",
			m.name, wire.AgentPort, context.Cause(ctx))
	}
	m.agent = c
	return c, err
}

// explain prefers what the machine died of to what was seen at the end of a line.
func (m *machine) explain(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case !errors.Is(err, io.EOF) && !errors.Is(err, wire.ErrClosed) && !errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%s: %w", m.name, err)
	}
	if how := m.awaitEnd(); how != nil {
		return how
	}
	return fmt.Errorf("%s: the guest has hung up: %w", m.name, err)
}

func (m *machine) runByAgent(ctx context.Context, command string) (string, int, error) {
	c, err := m.client(ctx)
	if err != nil {
		return "", 0, err
	}
	var out bytes.Buffer
	result, err := c.Exec(ctx, session.Command{Argv: []string{"sh", "-c", "exec 2>&1\n" + command}, Stdout: &clipped{&out, maxOutput}})
	var refused *session.CommandError
	switch {
	case errors.As(err, new(*session.ExitError)), errors.As(err, new(*session.OutOfMemoryError)):
	case ctx.Err() != nil, errors.As(err, &refused):
		return "", 0, fmt.Errorf("%s: %s: %w", m.name, command, err)
	case err != nil:
		return "", 0, err
	}
	return out.String(), result.Status, nil
}

// clipped keeps the beginning, and drops the rest.
type clipped struct {
	to   *bytes.Buffer
	left int
}

func (l *clipped) Write(p []byte) (int, error) {
	n := min(len(p), l.left)
	l.to.Write(p[:n])
	l.left -= n
	return len(p), nil
}

func (m *machine) runAtDoor(ctx context.Context, command string) (string, int, error) {
	if m.Backdoor == nil {
		return "", 0, fmt.Errorf("%s has no back door", m.name)
	}
	var backdoor net.Conn
	ok, err := until(ctx, func() (bool, error) {
		var err error
		backdoor, err = m.Backdoor()
		return err == nil, m.alive()
	})
	if !ok {
		return "", 0, fmt.Errorf("%s: nothing has opened the back door: %w", m.name, err)
	}
	defer backdoor.Close()
	var out bytes.Buffer
	s := &session.Shell{Backdoor: backdoor, Out: &clipped{&out, maxOutput}}
	status, err := s.Script(ctx, bytes.NewReader([]byte("exec 2>&1\n"+command)))
	return out.String(), status, err
}

// beside returns a path that a script gives relative to its own file.
func (p *play) beside(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(p.Dir, path)
}

func (p *play) copyIn(ctx context.Context, m *machine, path, dir string) error {
	c, err := m.client(ctx)
	if err != nil {
		return err
	}
	lost, err := c.CopyIn(ctx, path, dir)
	p.leftOut(lost)
	return err
}

func (p *play) copyOut(ctx context.Context, m *machine, what script.CopyOut) error {
	c, err := m.client(ctx)
	if err != nil {
		return err
	}
	lost, err := c.Within(files.Limits{Bytes: what.Limit}).CopyOut(ctx, what.From, p.folder)
	p.leftOut(lost)
	if e := (*files.LimitError)(nil); errors.As(err, &e) && e.Bytes > 0 {
		return fmt.Errorf("%w; `copy out %s SIZE` takes more", err, what.From)
	}
	return err
}

func (p *play) leftOut(lost []string) {
	for _, what := range lost {
		p.note("left out: " + what)
	}
}
