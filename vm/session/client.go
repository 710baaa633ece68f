package session

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"syscall"
	"time"

	"ingot/guest/wire"
	"ingot/guest/wire/files"
	"ingot/internal/lazy"
	"ingot/vm"
)

// Options describe the guest to its client. The zero value of each field is a good default.
type Options struct {
	// Guest is what errors call it; "the guest" if empty.
	Guest string
	// Memory is how much it has, in bytes, for errors.
	Memory int64
	// ReadMemory lets large files be read from the guest's memory.
	ReadMemory func(context.Context) (Memory, error)
	// Limits bound what one CopyOut takes.
	Limits files.Limits
	// Silence is how long the guest may say nothing before it counts as lost; 0 is for ever.
	Silence time.Duration
	// Explain says why the guest does not answer; err is only how that showed.
	Explain func(ctx context.Context, err error) error
}

// Memory is that of a guest.
type Memory interface {
	files.Memory
	io.Closer
}

// A Client is the host's side of a session with the agent in a guest. Several requests may run
// at once.
type Client struct {
	*wire.Session
	o Options
}

// Open waits until the agent in a machine's guest answers. Unless the options say otherwise,
// errors tell what the machine died of.
func Open(ctx context.Context, m *vm.Machine, o Options) (*Client, error) {
	line, err := m.Channel(wire.AgentPort)
	if err != nil {
		return nil, err
	}
	if o.Explain == nil {
		o.Explain = Explain(m, o)
	}
	return Dial(ctx, line, o)
}

// Dial waits until the agent at the other end of a line answers.
func Dial(ctx context.Context, line io.ReadWriteCloser, o Options) (*Client, error) {
	o.Guest = cmp.Or(o.Guest, "the guest")
	c := &Client{o: o}
	var err error
	if c.Session, err = wire.Dial(ctx, line); err != nil {
		return nil, c.explain(ctx, err)
	}
	if o.Silence > 0 {
		go c.watch()
	}
	return c, nil
}

// Within returns the client with other limits to what one CopyOut takes.
func (c *Client) Within(l files.Limits) *Client {
	within := *c
	within.o.Limits = l
	return &within
}

// watch ends the session of a guest that says nothing any more.
func (c *Client) watch() {
	tick := time.NewTicker(min(time.Second, c.o.Silence/4))
	defer tick.Stop()
	for {
		select {
		case <-c.Done():
			return
		case <-tick.C:
			if time.Since(c.Heard()) > c.o.Silence {
				c.Close()
				return
			}
		}
	}
}

func (c *Client) explain(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case c.o.Explain != nil:
		return c.o.Explain(ctx, err)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return ErrHungUp
}

// killed is how long a command has to end when it was killed.
const killed = 2 * time.Second

// finish waits for a request's end.
func (c *Client) finish(ctx context.Context, stream *wire.Stream, what string) (Result, error) {
	r, err := stream.Wait(ctx)
	if ctx.Err() != nil {
		_ = stream.Signal(syscall.SIGKILL)
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), killed)
		defer cancel()
		_, _ = stream.Wait(last)
	}
	if err != nil {
		return Result{}, c.explain(ctx, err)
	}
	result := Result{Status: r.Status, Signal: syscall.Signal(r.Signal), OutOfMemory: r.OutOfMemory}
	switch {
	case r.Failed != "":
		return result, &CommandError{what, r.Status, r.Failed}
	case result.starved():
		return result, &OutOfMemoryError{Memory: c.o.Memory, Result: result}
	case r.Status != 0:
		return result, &ExitError{result}
	}
	return result, nil
}

// tagged is what a share may be called.
var tagged = lazy.Regexp(`^[A-Za-z0-9._-]+$`)

// Mount mounts a share of the machine at a place in the guest.
func (c *Client) Mount(ctx context.Context, share vm.Share, dir string) error {
	kind := share.Reached()
	if !tagged().MatchString(share.Tag) {
		return fmt.Errorf("shared folder %s: tag %q", share.Dir, share.Tag)
	}
	options := ""
	if kind == vm.NineP {
		options = wire.NinePOptions
	}
	if share.ReadOnly {
		options = strings.TrimPrefix(options+",ro", ",")
	}
	stream, err := c.Session.Open(wire.Request{Mount: &wire.Mount{
		Source: wire.Raw(share.Tag), Dir: wire.Raw(dir), Type: string(kind), Options: options,
	}})
	if err != nil {
		return c.explain(ctx, err)
	}
	_, err = c.finish(ctx, stream, "mount "+dir)
	return err
}
