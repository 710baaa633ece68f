package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"ingot/guest/wire"
	"ingot/internal/socket"
	"ingot/vm/runtimedir"
)

// Each machine has three sockets in the registry. NAME.socket is the back door: what is
// written there a shell in the guest reads, and what that prints comes back, as plain
// text. NAME.agent speaks as the guest's agent does. NAME.control takes one request, a
// JSON object on a line, and answers likewise.

// request is what NAME.control understands.
type request struct {
	Do string `json:"do"` // stop, kill or status
}

// answer is what it says.
type answer struct {
	Open  bool `json:"open,omitempty"`  // the guest has opened its end
	Agent bool `json:"agent,omitempty"` // its agent answers
}

// openSockets listens at the machine's sockets.
func (x *Session) openSockets(ctx context.Context) error {
	if err := x.listen(ctx, controlSuffix, x.serveControl); err != nil {
		return err
	}
	if x.agent != nil {
		port, err := x.Machine.Channel(wire.AgentPort)
		if err != nil {
			return err
		}
		context.AfterFunc(ctx, func() { port.Close() })
		x.work.Go(func() { x.agent.dial(ctx, port) })
		if err := x.listen(ctx, agentSuffix, x.agent.serve); err != nil {
			return err
		}
	}
	port, err := x.Machine.Channel(wire.BackdoorPort)
	if err != nil {
		return nil // Options.NoBackdoor
	}
	context.AfterFunc(ctx, func() { port.Close() })
	b := &backdoor{port: port}
	x.work.Go(b.drain)
	x.Entry.Socket = x.reserved.path(socketSuffix)
	return x.listen(ctx, socketSuffix, b.serve)
}

// listen makes one of the machine's sockets, which only its user can open.
func (c *reservation) listen(suffix string) (*socket.Listener, error) {
	return c.dir.Listen(c.name + suffix)
}

// path is what people call one of the machine's files.
func (c *reservation) path(suffix string) string { return c.dir.Path(c.name + suffix) }

// listen serves each connection to one of the machine's sockets beside the others, until the
// context ends.
func (x *Session) listen(ctx context.Context, suffix string, serve func(context.Context, *net.UnixConn)) error {
	l, err := x.reserved.listen(suffix)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { l.Close() })
	x.work.Go(func() {
		runtimedir.Serve(l, func(c *net.UnixConn) {
			defer context.AfterFunc(ctx, func() { c.Close() })()
			serve(ctx, c)
		})
	})
	return nil
}

func (x *Session) serveControl(ctx context.Context, c *net.UnixConn) {
	kill := false
	runtimedir.Answer(c, func(q request) (a answer, err error) {
		switch q.Do {
		case "stop":
			_, err = x.Machine.QMP(ctx, "system_powerdown", nil)
		case "kill":
			kill = true
		case "status":
			a, err = x.status(ctx)
		default:
			err = fmt.Errorf("request %q is unknown", q.Do)
		}
		return a, err
	})
	if kill { // the client has its answer by then
		x.ended = true
		go x.Machine.Kill()
	}
}

// status says which ways into the guest are open.
func (x *Session) status(ctx context.Context) (a answer, err error) {
	if x.Entry.Socket == "" {
		return a, errors.New("the machine was started without a back door")
	}
	if a.Open, err = x.Machine.ChannelOpen(ctx, wire.BackdoorPort); err != nil || x.agent == nil {
		return a, err
	}
	open, err := x.Machine.ChannelOpen(ctx, wire.AgentPort)
	a.Agent = err == nil && x.agent.there(ctx, open)
	return a, err
}

// A backdoor passes text between the port and one client at a time, since there is one
// shell.
type backdoor struct {
	port net.Conn
	turn sync.Mutex // held for the connected client

	mu     sync.Mutex
	client io.Writer
}

// drain reads what the shell prints. Without a client it is discarded, so that the guest
// need not wait.
func (b *backdoor) drain() {
	buf := make([]byte, 1<<15)
	for {
		n, err := b.port.Read(buf)
		if n > 0 {
			b.mu.Lock()
			if b.client != nil {
				_, _ = b.client.Write(buf[:n])
			}
			b.mu.Unlock()
		}
		if err != nil {
			return
		}
	}
}

func (b *backdoor) attach(w io.Writer) {
	b.mu.Lock()
	b.client = w
	b.mu.Unlock()
}

// busyText is what a second client reads.
const busyText = "ingot: somebody else is at the back door\n"

// linger is how long a client that has said all still hears what the shell answers,
// after the last of it.
const linger = 30 * time.Minute

func (b *backdoor) serve(ctx context.Context, c *net.UnixConn) {
	if !b.turn.TryLock() {
		_, _ = io.WriteString(c, busyText)
		return
	}
	defer b.turn.Unlock()
	b.attach(c)
	defer b.attach(nil)
	_, _ = io.Copy(b.port, c)
	// The client has ended its side, as `echo id | socat - NAME.socket` does, and may
	// still read: it has gone only when writing to it fails, or it hangs up.
	waitHangup(ctx, c, linger)
}

// waitHangup waits until the other end of a socket is closed for both directions.
func waitHangup(ctx context.Context, c *net.UnixConn, limit time.Duration) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	for deadline := time.Now().Add(limit); ctx.Err() == nil && time.Now().Before(deadline); {
		gone := false
		err := raw.Control(func(fd uintptr) {
			p := []unix.PollFd{{Fd: int32(fd)}}
			n, err := unix.Poll(p, 100)
			gone = err == nil && n > 0 && p[0].Revents&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0
		})
		if err != nil || gone {
			return
		}
	}
}

// ask sends a request to a running machine.
func (r *Registry) ask(e Entry, q request) (a answer, err error) {
	c, err := r.dial(e, controlSuffix)
	if err != nil {
		return a, fmt.Errorf("machine %s does not answer: %w", e.Name, err)
	}
	defer c.Close()
	if a, err = runtimedir.Ask[answer](c, q); err != nil {
		return a, fmt.Errorf("machine %s: %w", e.Name, err)
	}
	return a, nil
}

// pressAgain is after how long the power button is pressed once more: a guest that is
// just starting has nothing that listens to it yet.
const pressAgain = 2 * time.Second

// Stop asks the guest to power itself off, and ends the machine by force if it has not
// done so in time, or at once. It returns whether force was needed.
func (r *Registry) Stop(e Entry, now bool, within time.Duration) (forced bool, err error) {
	for deadline := time.Now().Add(within); !now && time.Now().Before(deadline); {
		_, err := r.ask(e, request{Do: "stop"})
		if r.gone(e, min(pressAgain, time.Until(deadline))) {
			return false, nil
		}
		if err != nil {
			break
		}
	}
	if _, err := r.ask(e, request{Do: "kill"}); err == nil && r.gone(e, runtimedir.Patience) {
		return true, nil
	}
	if err := r.kill(e); err != nil {
		return true, err
	}
	if !r.gone(e, runtimedir.Patience) {
		return true, fmt.Errorf("machine %s (process %d) does not end", e.Name, e.PID)
	}
	return true, nil
}

// Backdoor connects to the back door of a machine. It refuses one that no shell is at.
func (r *Registry) Backdoor(e Entry) (*net.UnixConn, error) {
	a, err := r.ask(e, request{Do: "status"})
	if err != nil {
		return nil, err
	}
	if !a.Open {
		return nil, fmt.Errorf("nothing in machine %s has opened its back door (the port %s): it is still starting, or its system has no shell there", e.Name, wire.BackdoorPort)
	}
	c, err := r.dial(e, socketSuffix)
	if errors.Is(err, os.ErrNotExist) {
		return nil, &NotRunningError{Name: e.Name}
	}
	return c, err
}
