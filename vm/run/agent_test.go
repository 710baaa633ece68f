package run

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"ingot/guest/wire"
	"ingot/vm/session"
)

// guestAgent is an agent that echoes a command's input and output, and whose command
// "wait" ends by the first signal.
func guestAgent(t *wire.Stream, r wire.Request) {
	argv := wire.Strings(r.Exec.Argv)
	out := t.Writer(wire.Stdout)
	status := len(argv)
	if argv[0] == "wait" {
		signals := make(chan syscall.Signal, 9)
		t.Listen(func(s syscall.Signal) { signals <- s }, func(wire.Size) {})
		waits <- struct{}{}
		status = 128 + int(<-signals)
	} else {
		_, _ = io.WriteString(out, strings.Join(argv, " ")+":")
		_, _ = io.Copy(out, t.Reader(wire.Stdin)) // a client may hang up
	}
	out.Close()
	t.Writer(wire.Stderr).Close()
	ended <- status
	_ = t.Exit(wire.Result{Status: status})
}

// What commands of guestAgent do: "wait" has begun, and any has ended with a status.
var (
	waits = make(chan struct{}, 9)
	ended = make(chan int, 9)
)

// TestExchange has several clients speak to one agent, of whom one goes away.
func TestExchange(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	host, guest := net.Pipe()
	go wire.Serve(guest, wire.Hello{}, guestAgent, nil) //nolint:errcheck // the test sees what does not come
	e := newExchange()
	if e.there(ctx, false) {
		t.Error("an agent is there that has said nothing")
	}
	go e.dial(ctx, host)
	for deadline := time.Now().Add(5 * time.Minute); !e.there(ctx, true); {
		if time.Now().After(deadline) {
			t.Fatal("the agent is not there")
		}
	}
	r := testRegistry(t)
	c, err := r.reserve("web")
	if err != nil {
		t.Fatal(err)
	}
	x := &Session{reserved: c}
	if err := x.listen(ctx, agentSuffix, e.serve); err != nil {
		t.Fatal(err)
	}
	enter := func(out io.Writer) *session.Shell {
		s, err := r.Agent(ctx, Entry{Name: "web", PID: os.Getpid()})
		if err != nil {
			t.Fatal(err)
		}
		return &session.Shell{Out: out, Err: io.Discard, Client: s}
	}

	leaver := enter(io.Discard)
	going, goes := context.WithCancel(ctx)
	left := make(chan error, 1)
	go func() {
		_, err := leaver.Run(going, []string{"wait"}, nil)
		left <- err
	}()
	<-waits // who leaves before the command has begun leaves none behind
	for _, want := range []string{"one:", "two 2:"} {
		var out bytes.Buffer
		s := enter(&out)
		argv := strings.Fields(strings.TrimSuffix(want, ":"))
		big := strings.Repeat("0123456789abcdef", 300<<10/16) + want
		if status, err := s.Run(ctx, argv, strings.NewReader(big)); err != nil || status != len(argv) || out.String() != want+big {
			t.Errorf("Run(%q) = %d, %v, with %d bytes; want %d, and %d", argv, status, err, out.Len(), len(argv), len(want+big))
		}
		if got := <-ended; got != len(argv) {
			t.Errorf("a command ended with %d; want %d", got, len(argv))
		}
		s.Close()
	}
	goes()
	if err := <-left; err != context.Canceled {
		t.Errorf("who leaves hears %v; want %v", err, context.Canceled)
	}
	leaver.Close()
	if got, want := <-ended, 128+int(syscall.SIGHUP); got != want {
		t.Errorf("the command of who has left ended with %d; want %d", got, want)
	}
	host.Close()
	for deadline := time.Now().Add(5 * time.Minute); e.there(ctx, true); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("an agent is there whose line has ended")
		}
	}
	cancel()
	x.work.Wait()
}
