package run

import (
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"ingot/guest/wire"
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
	e := newExchange("")
	if e.there(ctx, false) {
		t.Error("an agent is there that has said nothing")
	}
	go e.dial(ctx, host)
	for deadline := time.Now().Add(5 * time.Minute); !e.there(ctx, true); {
		if time.Now().After(deadline) {
			t.Fatal("the agent is not there")
		}
	}
	x := &Session{}
	r := testRegistry(t)
	c, err := r.claim("web")
	if err != nil {
		t.Fatal(err)
	}
	l, err := c.listen(agentSuffix)
	if err != nil {
		t.Fatal(err)
	}
	x.accept(ctx, l, e.serve)
	enter := func(out io.Writer) *Shell {
		s, err := r.Agent(ctx, Entry{Name: "web", PID: os.Getpid()})
		if err != nil {
			t.Fatal(err)
		}
		return &Shell{Out: out, Err: io.Discard, agent: s}
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

// TestDoor runs commands by a plain shell, as behind the back door of a guest without
// an agent. What reads does not get the lines that follow it.
func TestDoor(t *testing.T) {
	host, guest := net.Pipe()
	sh := exec.Command("sh")
	sh.Stdin, sh.Stdout, sh.Stderr = guest, guest, guest
	if err := sh.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		host.Close()
		guest.Close()
		_ = sh.Process.Kill()
		_ = sh.Wait() // it was killed
	}()
	for _, test := range []struct {
		script, want string
		status       int
	}{
		{"cat\nread x\necho \"[$x]\"\nexit 3\n", "[]\n", 3},
		{"echo 'it'\"'s\"; if\n", "", 2}, // a mistake in the syntax ends the script alone
		{"cd /; x=1", "", 0},
		{"printf 'no line end'", "no line end", 0},
	} {
		// Who holds the door does not close it: the next script finds the same shell.
		var out bytes.Buffer
		s := &Shell{Door: host, Out: &out}
		status, err := s.Script(context.Background(), strings.NewReader(test.script))
		if err != nil || status != test.status || test.want != "" && out.String() != test.want {
			t.Errorf("Script(%q) = %d, %v, and printed %q; want %d, %q", test.script, status, err, &out, test.status, test.want)
		}
	}
	var out bytes.Buffer
	s := &Shell{Door: host, Out: &out}
	if status, err := s.Run(context.Background(), []string{"printf", "%s|", "a b", "'"}, nil); err != nil || status != 0 || out.String() != "a b|'|" {
		t.Errorf("Run = %d, %v, and printed %q", status, err, &out)
	}
}
