package run

import (
	"bufio"
	"context"
	"encoding/json"
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
	Do string `json:"do"` // stop, kill, door
}

// answer is what it says.
type answer struct {
	Error string `json:"error,omitempty"`
	Open  bool   `json:"open,omitempty"`  // to door: the guest has opened its end
	Agent bool   `json:"agent,omitempty"` // to door: its agent answers
}

// openDoors listens at the machine's sockets.
func (x *Session) openDoors(ctx context.Context) error {
	control, err := x.claim.listen(controlSuffix)
	if err != nil {
		return err
	}
	x.accept(ctx, control, x.serveControl)
	if err := x.openAgent(ctx); err != nil {
		return err
	}
	port, err := x.Machine.Channel(wire.BackdoorPort)
	if err != nil {
		return nil // it was not asked for
	}
	x.Entry.Socket = x.claim.path(socketSuffix)
	socket, err := x.claim.listen(socketSuffix)
	if err != nil {
		return err
	}
	door := &door{port: port}
	x.work.Go(door.drain)
	context.AfterFunc(ctx, func() { port.Close() })
	x.accept(ctx, socket, door.serve)
	return nil
}

// openAgent lets others speak to the guest's agent, unless who started the machine does
// that alone.
func (x *Session) openAgent(ctx context.Context) error {
	if x.agent == nil {
		return nil
	}
	port, err := x.Machine.Channel(wire.AgentPort)
	if err != nil {
		return err
	}
	l, err := x.claim.listen(agentSuffix)
	if err != nil {
		port.Close()
		return err
	}
	context.AfterFunc(ctx, func() { port.Close() })
	x.work.Go(func() { x.agent.dial(ctx, port) })
	x.accept(ctx, l, x.agent.serve)
	return nil
}

// listen makes one of the machine's sockets, which only its user can open.
func (c *claim) listen(suffix string) (*socket.Listener, error) {
	return c.dir.Listen(c.name + suffix)
}

// path is what people call one of the machine's files.
func (c *claim) path(suffix string) string { return c.dir.Path(c.name + suffix) }

// accept serves all who connect, each beside the others.
func (x *Session) accept(ctx context.Context, l *socket.Listener, serve func(context.Context, *net.UnixConn)) {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	x.work.Go(func() {
		defer stop()
		for {
			c, err := l.AcceptUnix()
			if err != nil {
				return
			}
			x.work.Go(func() {
				stop := context.AfterFunc(ctx, func() { c.Close() })
				defer stop()
				defer c.Close()
				if peer, err := runtimedir.Peer(c); err == nil && (int(peer.Uid) == os.Getuid() || peer.Uid == 0) {
					serve(ctx, c)
				}
			})
		}
	})
}

// patience is how long who connects to NAME.control has for a line.
const patience = 10 * time.Second

func (x *Session) serveControl(ctx context.Context, c *net.UnixConn) {
	_ = c.SetDeadline(time.Now().Add(patience))
	var q request
	line, err := bufio.NewReader(io.LimitReader(c, 4096)).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &q)
	}
	var a answer
	if err == nil {
		a, err = x.obey(ctx, q)
	}
	if err != nil {
		a.Error = err.Error()
	}
	_ = json.NewEncoder(c).Encode(a)
	if q.Do == "kill" && err == nil {
		x.ended = true
		go x.Machine.Kill()
	}
}

func (x *Session) obey(ctx context.Context, q request) (a answer, err error) {
	switch q.Do {
	case "stop":
		_, err = x.Machine.QMP(ctx, "system_powerdown", nil)
	case "kill":
	case "door":
		a, err = x.doors(ctx)
	default:
		err = fmt.Errorf("request %q is unknown", q.Do)
	}
	return a, err
}

// doors says which ways into the guest are open.
func (x *Session) doors(ctx context.Context) (a answer, err error) {
	if x.Entry.Socket == "" {
		return a, errors.New("the machine was started without a back door")
	}
	text, err := x.Machine.QMP(ctx, "query-chardev", nil)
	if err != nil {
		return a, err
	}
	var devices []struct {
		Label string `json:"label"`
		Open  bool   `json:"frontend-open"`
	}
	if err := json.Unmarshal(text, &devices); err != nil {
		return a, err
	}
	for _, d := range devices {
		switch {
		case d.Label == x.door:
			a.Open = d.Open
		case x.agent != nil && d.Label == x.agent.label:
			a.Agent = x.agent.there(ctx, d.Open)
		}
	}
	return a, nil
}

// A door passes text between the port and whoever is connected: one at a time, since
// there is one shell.
type door struct {
	port net.Conn
	turn sync.Mutex // held by who is connected

	mu     sync.Mutex
	client io.Writer
}

// drain reads what the shell prints. What nobody listens to is discarded, so that the
// guest need not wait.
func (d *door) drain() {
	buf := make([]byte, 1<<15)
	for {
		n, err := d.port.Read(buf)
		if n > 0 {
			d.mu.Lock()
			if d.client != nil {
				_, _ = d.client.Write(buf[:n])
			}
			d.mu.Unlock()
		}
		if err != nil {
			return
		}
	}
}

func (d *door) attach(w io.Writer) {
	d.mu.Lock()
	d.client = w
	d.mu.Unlock()
}

// busyText is what who comes second reads.
const busyText = "ingot: somebody else is at the back door\n"

// linger is how long a client that has said all still hears what the shell answers,
// after the last of it.
const linger = 30 * time.Minute

func (d *door) serve(ctx context.Context, c *net.UnixConn) {
	if !d.turn.TryLock() {
		_, _ = io.WriteString(c, busyText)
		return
	}
	defer d.turn.Unlock()
	d.attach(c)
	defer d.attach(nil)
	_, _ = io.Copy(d.port, c)
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
	_ = c.SetDeadline(time.Now().Add(patience))
	if err := json.NewEncoder(c).Encode(q); err != nil {
		return a, fmt.Errorf("machine %s: %w", e.Name, err)
	}
	if err := json.NewDecoder(io.LimitReader(c, maxEntry)).Decode(&a); err != nil {
		return a, fmt.Errorf("machine %s: %w", e.Name, err)
	}
	if a.Error != "" {
		return a, fmt.Errorf("machine %s: %s", e.Name, a.Error)
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
	if _, err := r.ask(e, request{Do: "kill"}); err == nil && r.gone(e, patience) {
		return true, nil
	}
	if err := r.kill(e); err != nil {
		return true, err
	}
	if !r.gone(e, patience) {
		return true, fmt.Errorf("machine %s (process %d) does not end", e.Name, e.PID)
	}
	return true, nil
}

// Door connects to the back door of a machine. It refuses one that no shell is at.
func (r *Registry) Door(e Entry) (*net.UnixConn, error) {
	a, err := r.ask(e, request{Do: "door"})
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
