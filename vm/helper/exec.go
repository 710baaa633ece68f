package helper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"ingot/guest/wire"
)

// A Command is what is run in the guest, by root.
type Command struct {
	Argv   []string
	Script string   // the text of a script, to which Argv are the arguments
	Env    []string // KEY=VALUE, beside PATH, HOME and the like
	Dir    string   // /root if empty

	Stdin          io.Reader // nothing to be read if nil
	Stdout, Stderr io.Writer // what is printed is dropped if nil
	TTY            *Terminal // then Stdin and Stdout are its, and Stderr gets nothing
}

// Terminal is one that the command runs on.
type Terminal struct {
	Name          string // $TERM
	Rows, Columns uint16
	Resized       <-chan Size // may be nil
}

// Size is that of a terminal.
type Size = wire.Size

// Result is how a command ended.
type Result struct {
	Status      int // as a shell has it: 128 and more for a signal
	Signal      syscall.Signal
	OutOfMemory bool // the kernel killed a process meanwhile, for want of memory
}

// Exec runs a command to its end. Several may run at once. The result is that of the
// command also where its status, or its want of memory, is an error. When ctx ends the
// command is killed.
//
// A Stdin that is an *os.File may be read on for one more time after the command has
// ended: what waits there cannot be called off.
func (v *VM) Exec(ctx context.Context, c Command) (Result, error) {
	stream, err := v.session.Open(wire.Request{Exec: c.request()})
	if err != nil {
		return Result{}, v.explain(ctx, err)
	}
	go c.feed(stream)
	if c.TTY != nil && c.TTY.Resized != nil {
		go c.TTY.follow(stream)
	}
	var copies sync.WaitGroup
	var failures [2]error
	for i, w := range []io.Writer{c.Stdout, c.Stderr} {
		copies.Go(func() { failures[i] = take(stream.Reader(wire.Stdout+wire.Channel(i)), w) })
	}
	result, err := v.finish(ctx, stream, c.name())
	if ctx.Err() == nil {
		copies.Wait()
	}
	if failed := errors.Join(failures[:]...); ctx.Err() == nil && failed != nil {
		return result, fmt.Errorf("output of the command: %w", failed)
	}
	return result, err
}

func (c *Command) name() string {
	if c.Script == "" && len(c.Argv) > 0 {
		return c.Argv[0]
	}
	return "the script"
}

func (c *Command) request() *wire.Exec {
	e := &wire.Exec{Argv: wire.Raws(c.Argv...), Script: wire.Raw(c.Script), Env: wire.Raws(c.Env...), Dir: wire.Raw(c.Dir)}
	if c.TTY != nil {
		e.TTY, e.Term = &Size{Rows: c.TTY.Rows, Columns: c.TTY.Columns}, c.TTY.Name
	}
	return e
}

// feed gives the command its input.
func (c *Command) feed(stream *wire.Stream) {
	in := stream.Writer(wire.Stdin)
	if c.Stdin != nil {
		_, _ = io.Copy(in, c.Stdin) // a command need not read it all
	}
	in.Close()
}

// follow tells the guest of the terminal's sizes.
func (t *Terminal) follow(stream *wire.Stream) {
	for {
		select {
		case size, ok := <-t.Resized:
			if !ok || stream.Resize(size) != nil {
				return
			}
		case <-stream.Finished():
			return
		}
	}
}

// take copies what the command prints. Where it cannot be written, the command is told
// as by a pipe that broke.
func take(r io.ReadCloser, w io.Writer) error {
	if w == nil {
		w = io.Discard
	}
	_, err := io.Copy(w, r)
	if errors.Is(err, io.ErrClosedPipe) || errors.Is(err, wire.ErrClosed) || errors.Is(err, io.EOF) {
		return nil // the guest's end is told by the result
	}
	var path *os.PathError
	if err != nil {
		r.Close()
	}
	if errors.As(err, &path) || err != nil && w != io.Discard {
		return err
	}
	return nil
}

// killed is how long a command has to end when it was killed.
const killed = 2 * time.Second

// finish waits for a request's end.
func (v *VM) finish(ctx context.Context, stream *wire.Stream, what string) (Result, error) {
	r, err := stream.Wait(ctx)
	if ctx.Err() != nil {
		_ = stream.Signal(syscall.SIGKILL)
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), killed)
		defer cancel()
		_, _ = stream.Wait(last)
	}
	if err != nil {
		return Result{}, v.explain(ctx, err)
	}
	result := Result{Status: r.Status, Signal: syscall.Signal(r.Signal), OutOfMemory: r.OutOfMemory}
	switch {
	case r.Failed != "":
		return result, &CommandError{what, r.Status, r.Failed}
	case result.starved():
		return result, &OutOfMemoryError{Memory: v.memory, Result: result}
	case r.Status != 0:
		return result, &ExitError{result}
	}
	return result, nil
}
