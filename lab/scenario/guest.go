package scenario

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"

	"ingot/guest/wire"
	"ingot/recipes/script"
	"ingot/vm/run"
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
		return m.vm.Run(ctx, command)
	case script.ByBackdoor:
		return m.runAtDoor(ctx, command)
	}
	return m.runByAgent(ctx, command)
}

// session waits for the guest's agent.
func (m *machine) session(ctx context.Context) (*wire.Session, error) {
	if m.agent != nil {
		return m.agent, nil
	}
	conn, err := m.vm.Channel(wire.AgentPort)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.name, err)
	}
	ctx, stop := m.watchBoot(ctx)
	defer stop()
	s, err := wire.Dial(ctx, conn, nil)
	switch {
	case err == nil:
		m.agent = s
		return s, nil
	case ctx.Err() != nil && isLimit(ctx):
		return nil, fmt.Errorf("nothing in %s has opened the port %s (%w): systems that ingot makes do; for others, `shell console` types commands at the console",
			m.name, wire.AgentPort, context.Cause(ctx))
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	return nil, m.explain(err)
}

// explain prefers what the machine died of to what was seen at the end of a line.
func (m *machine) explain(err error) error {
	if !errors.Is(err, io.EOF) && !errors.Is(err, wire.ErrClosed) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%s: %w", m.name, err)
	}
	if how := m.awaitEnd(); how != nil {
		return how
	}
	return fmt.Errorf("%s: the guest has hung up: %w", m.name, err)
}

func (m *machine) runByAgent(ctx context.Context, command string) (string, int, error) {
	s, err := m.session(ctx)
	if err != nil {
		return "", 0, err
	}
	t, err := s.Open(wire.Request{Exec: &wire.Exec{Argv: wire.Raws("sh", "-c", "exec 2>&1\n"+command)}})
	if err != nil {
		return "", 0, m.explain(err)
	}
	t.Writer(wire.Stdin).Close()
	var out bytes.Buffer
	read := make(chan error, 1)
	go func() {
		_, err := io.Copy(&clipped{&out, maxOutput}, t.Reader(wire.Stdout))
		read <- err
	}()
	r, err := t.Wait(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return "", 0, fmt.Errorf("%s: %s: %w", m.name, command, context.Cause(ctx))
	case err != nil:
		return "", 0, m.explain(err)
	case r.Failed != "":
		return "", 0, fmt.Errorf("%s: %s: %s", m.name, command, r.Failed)
	}
	<-read
	return out.String(), r.Status, nil
}

// clipped forgets what is too much.
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
	if m.Door == nil {
		return "", 0, fmt.Errorf("%s has no back door", m.name)
	}
	var door net.Conn
	ok, err := until(ctx, func() (bool, error) {
		var err error
		door, err = m.Door()
		return err == nil, m.alive()
	})
	if !ok {
		return "", 0, fmt.Errorf("%s: nothing has opened the back door: %w", m.name, err)
	}
	defer door.Close()
	var out bytes.Buffer
	s := &run.Shell{Door: door, Out: &clipped{&out, maxOutput}}
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
	if _, err := os.Lstat(path); err != nil {
		return err
	}
	s, err := m.session(ctx)
	if err != nil {
		return err
	}
	t, err := s.Open(wire.Request{Put: &wire.Put{Dir: wire.Raw(dir)}})
	if err != nil {
		return m.explain(err)
	}
	packed := make(chan error, 1)
	go func() {
		w := t.Writer(wire.Stdin)
		err := wire.Pack(w, path)
		w.Close()
		packed <- err
	}()
	r, err := t.Wait(ctx)
	if err != nil {
		return m.explain(err)
	}
	if r.Failed != "" {
		return fmt.Errorf("copy %s to %s in %s: %s", path, dir, m.name, r.Failed)
	}
	return <-packed
}

func (p *play) copyOut(ctx context.Context, m *machine, what script.CopyOut) error {
	err := p.copyOutOf(ctx, m, what.From, wire.Limits{Bytes: what.Limit})
	if e := (*wire.LimitError)(nil); errors.As(err, &e) && e.Bytes > 0 {
		return fmt.Errorf("%w; `copy out %s SIZE` takes more", err, what.From)
	}
	return err
}

func (p *play) copyOutOf(ctx context.Context, m *machine, path string, limits wire.Limits) error {
	s, err := m.session(ctx)
	if err != nil {
		return err
	}
	t, err := s.Open(wire.Request{Get: &wire.Get{Path: wire.Raw(path)}})
	if err != nil {
		return m.explain(err)
	}
	in := t.Reader(wire.Stdout)
	defer context.AfterFunc(ctx, func() { in.Close() })()
	lost, unpacked := wire.Unpack(in, p.folder, wire.UnpackOptions{Limits: limits})
	for _, what := range lost {
		p.note("left out: " + what)
	}
	if unpacked != nil {
		in.Close()
	}
	if unpacked != nil && s.Err() == nil && ctx.Err() == nil && !wire.IsBroken(unpacked) {
		return fmt.Errorf("copy %s out of %s: %w", path, m.name, unpacked) // whatever the guest says to it
	}
	r, err := t.Wait(ctx)
	switch {
	case err != nil:
		return m.explain(err)
	case r.Failed != "":
		return fmt.Errorf("copy %s out of %s: %s", path, m.name, r.Failed)
	case unpacked != nil:
		return fmt.Errorf("copy %s out of %s: %w", path, m.name, unpacked)
	}
	return nil
}
