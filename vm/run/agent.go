package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"sync"
	"syscall"
	"time"

	"ingot/guest/wire"
	"ingot/vm/runtimedir"
	"ingot/vm/session"
)

// The agent in a guest serves one host process, the one that owns the machine. That process
// acts as the agent for all clients that connect to NAME.agent, and forwards their requests.

// An exchange forwards requests of clients to the guest's agent.
type exchange struct {
	ready chan struct{} // closed once the guest has said hello
	guest *wire.Session
}

func newExchange() *exchange { return &exchange{ready: make(chan struct{})} }

// dial waits for the guest's agent. A guest that has none never says anything.
func (e *exchange) dial(ctx context.Context, port net.Conn) {
	s, err := wire.Dial(ctx, port)
	if err != nil {
		return // the machine has ended, or speaks otherwise: then there is the back door
	}
	e.guest = s
	close(e.ready)
}

// greetTime is how long a guest has between opening its port and saying hello.
const greetTime = 5 * time.Second

// there reports whether the guest's agent answers. One that has opened its port is about
// to. A guest that has restarted has an agent that nobody has spoken to.
func (e *exchange) there(ctx context.Context, opened bool) bool {
	limit := time.Duration(0)
	if opened {
		limit = greetTime
	}
	select {
	case <-e.ready:
		return e.guest.Err() == nil
	default:
	}
	select {
	case <-e.ready:
		return e.guest.Err() == nil
	case <-time.After(limit):
	case <-ctx.Done():
	}
	return false
}

// serve is the agent to one client.
func (e *exchange) serve(ctx context.Context, c *net.UnixConn) {
	select {
	case <-e.ready:
	case <-ctx.Done():
		return
	}
	s, err := wire.Serve(c, wire.Hello{Release: e.guest.Peer().Release}, e.pass, nil)
	if err != nil {
		return // the client has gone
	}
	<-s.Done()
}

// exchangeFailed is the status of what did not reach the guest, or did not come back.
const exchangeFailed = 125

// pass passes one request on, and all that goes to and fro for it.
func (e *exchange) pass(t *wire.Stream, r wire.Request) {
	up, err := e.guest.Open(r)
	if err != nil {
		_ = t.Exit(wire.Result{Status: exchangeFailed, Failed: fmt.Sprintf("the guest has hung up: %v", err)})
		return
	}
	t.Listen(func(sig syscall.Signal) { _ = up.Signal(sig) }, func(size wire.Size) { _ = up.Resize(size) })
	go carry(up.Writer(wire.Stdin), t.Reader(wire.Stdin))
	var out sync.WaitGroup
	for _, c := range []wire.Channel{wire.Stdout, wire.Stderr} {
		out.Go(func() { carry(t.Writer(c), up.Reader(c)) })
	}
	select {
	case <-up.Finished():
	case <-t.Finished():
		hangUp(up)
	}
	out.Wait()
	result, err := up.Wait(context.Background())
	if err != nil {
		result = wire.Result{Status: exchangeFailed, Failed: fmt.Sprintf("the guest has hung up: %v", err)}
	}
	_ = t.Exit(result) // a client that has gone does not hear it
}

// carry copies a channel to its end. If its reader has gone, its writer gets an error.
func carry(w io.WriteCloser, r io.ReadCloser) {
	if _, err := io.Copy(w, r); err != nil {
		r.Close()
	}
	w.Close()
}

// hangUpTime is how long a command has to end when its client has gone.
const hangUpTime = 2 * time.Second

// hangUp ends a command as a terminal does that hangs up, and by force if need be.
func hangUp(up *wire.Stream) {
	for _, sig := range []syscall.Signal{syscall.SIGHUP, syscall.SIGKILL} {
		_ = up.Signal(sig)
		select {
		case <-up.Finished():
			return
		case <-time.After(hangUpTime):
		}
	}
}

// Agent connects to the agent in a machine.
func (r *Registry) Agent(ctx context.Context, e Entry) (*session.Client, error) {
	c, err := r.dial(e, agentSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &NotRunningError{Name: e.Name}
	}
	if err != nil {
		return nil, fmt.Errorf("machine %s does not answer: %w", e.Name, err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, runtimedir.Patience, errors.New("it says nothing"))
	defer cancel()
	s, err := session.Dial(ctx, c, session.Options{})
	if err != nil {
		return nil, fmt.Errorf("machine %s does not answer: %w", e.Name, err)
	}
	return s, nil
}

// Enter finds the way into a machine. It refuses one that no shell is at.
func (r *Registry) Enter(ctx context.Context, e Entry) (*session.Shell, error) {
	a, err := r.ask(e, request{Do: "status"})
	switch {
	case err != nil:
		return nil, err
	case a.Agent:
		c, err := r.Agent(ctx, e)
		return &session.Shell{Client: c}, err
	}
	backdoor, err := r.Backdoor(e)
	return &session.Shell{Backdoor: backdoor}, err
}
