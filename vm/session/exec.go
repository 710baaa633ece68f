package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"

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
	TTY            *TTY      // then Stdin and Stdout are its, and Stderr gets nothing
}

// TTY is the terminal that a command runs on.
type TTY struct {
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
func (c *Client) Exec(ctx context.Context, command Command) (Result, error) {
	stream, err := c.Session.Open(wire.Request{Exec: command.request()})
	if err != nil {
		return Result{}, c.explain(ctx, err)
	}
	go command.feed(stream)
	if command.TTY != nil && command.TTY.Resized != nil {
		go command.TTY.follow(stream)
	}
	var copies sync.WaitGroup
	var failures [2]error
	for i, w := range []io.Writer{command.Stdout, command.Stderr} {
		copies.Go(func() { failures[i] = take(stream.Reader(wire.Stdout+wire.Channel(i)), w) })
	}
	result, err := c.finish(ctx, stream, command.name())
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
func (t *TTY) follow(stream *wire.Stream) {
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

// take copies the command's output. If it cannot be written, the command gets an error as
// from a broken pipe.
func take(r io.ReadCloser, w io.Writer) error {
	if w == nil {
		w = io.Discard
	}
	to := &teller{w: w}
	_, _ = io.Copy(to, r) // that the other end has gone, its status tells
	if to.err != nil {
		r.Close()
	}
	return to.err
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
