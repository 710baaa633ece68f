package run

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"

	"ingot/guest/wire"
)

// exec runs a command by the agent, and returns its exit status.
func (s *Shell) exec(ctx context.Context, ask wire.Exec, in io.Reader) (int, error) {
	t, err := s.agent.Open(wire.Request{Exec: &ask})
	if err != nil {
		return 0, errHungUp
	}
	go func() {
		w := t.Writer(wire.Stdin)
		if in != nil {
			_, _ = io.Copy(w, in) // a command need not read it all
		}
		w.Close()
	}()
	return s.follow(ctx, t)
}

// follow shows what a command prints, until it has ended.
func (s *Shell) follow(ctx context.Context, t *wire.Stream) (int, error) {
	defer context.AfterFunc(ctx, func() { s.agent.Close() })()
	var copies sync.WaitGroup
	var failed [2]error
	for i, w := range []io.Writer{s.Out, s.Err} {
		copies.Go(func() { failed[i] = show(w, t.Reader(wire.Stdout+wire.Channel(i))) })
	}
	r, err := t.Wait(ctx)
	switch {
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case err != nil:
		return 0, errHungUp
	}
	copies.Wait()
	for _, err := range failed {
		if err != nil {
			return 0, err
		}
	}
	if r.Failed != "" {
		fmt.Fprintf(s.Err, "ingot: in the machine: %s\n", r.Failed)
	}
	return r.Status, nil
}

// show copies what a command prints. Where it cannot be written, the command is told as
// by a pipe that broke.
func show(w io.Writer, r io.ReadCloser) error {
	tell := &teller{w: w}
	_, _ = io.Copy(tell, r) // that the other end has gone, its status tells
	if tell.err != nil {
		r.Close()
	}
	return tell.err
}

// teller tells its own errors from those of who writes to it.
type teller struct {
	w   io.Writer
	err error
}

func (t *teller) Write(p []byte) (int, error) {
	n, err := t.w.Write(p)
	t.err = err
	return n, err
}

// onTerminal gives a person's terminal a shell on one in the guest, which is as large.
func (s *Shell) onTerminal(ctx context.Context, t *Terminal, in *os.File, kind string) (int, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ask := wire.Exec{Argv: wire.Raws("sh"), TTY: t.agentSize(), Term: kind}
	stream, err := s.agent.Open(wire.Request{Exec: &ask})
	if err != nil {
		return 0, errHungUp
	}
	resized, stop := t.Resized()
	defer stop()
	go func() {
		for {
			select {
			case <-resized:
				_ = stream.Resize(*t.agentSize())
			case <-stream.Finished():
				return
			}
		}
	}()
	left := make(chan struct{})
	go func() {
		if t.Pump(ctx, in, stream.Writer(wire.Stdin)) {
			close(left)
			cancel()
		}
	}()
	_, err = s.follow(ctx, stream) // what a person did last is no verdict on the session
	select {
	case <-left:
		return 0, nil // who owns the machine hangs up on what runs there
	default:
		return 0, err
	}
}

func (t *Terminal) agentSize() *wire.Size {
	rows, columns := t.Size()
	return &wire.Size{Rows: uint16(rows), Columns: uint16(columns)}
}
