package guest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ingot/guest/wire"
	"ingot/guest/wire/files"
	"ingot/tests/testenv"
)

// patient is for a machine that is busy with other tests.
const patient = 5 * time.Minute

// testChildren are all that these tests start: a second reaper would take its statuses.
var testChildren = sync.OnceValue(newChildren)

// session joins a host to an agent in this process: what a machine has beside its port
// plays no part in most of what the agent does.
func session(t *testing.T) *wire.Session {
	t.Helper()
	host, guest := net.Pipe()
	v := &agentServer{fork: testChildren().fork, env: append(agentEnvironment(), "PATH=/usr/bin:/bin", "HOME="+t.TempDir()), scripts: t.TempDir(), ready: make(chan struct{}), off: func() {}}
	v.env = merged(nil, v.env, &wire.Exec{})
	close(v.ready)
	served := make(chan error, 1)
	go func() { served <- v.serve(guest) }()
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	s, err := wire.Dial(ctx, host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		<-served
	})
	return s
}

// outcome is what a command left behind.
type outcome struct {
	stdout, stderr string
	wire.Result
}

// run runs a command with an input, and takes all that it prints.
func run(t *testing.T, s *wire.Session, ask wire.Exec, input io.Reader) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	c, err := s.Open(wire.Request{Exec: &ask})
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	var copies sync.WaitGroup
	copies.Go(func() { io.Copy(&stdout, c.Reader(wire.Stdout)) })
	copies.Go(func() { io.Copy(&stderr, c.Reader(wire.Stderr)) })
	copies.Go(func() {
		in := c.Writer(wire.Stdin)
		if input != nil {
			io.Copy(in, input)
		}
		in.Close()
	})
	result, err := c.Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	copies.Wait()
	return outcome{stdout.String(), stderr.String(), result}
}

func shell(script string) wire.Exec { return wire.Exec{Argv: wire.Raws("/bin/sh", "-c", script)} }

func TestAgentExec(t *testing.T) {
	s := session(t)
	dir := t.TempDir()
	for name, content := range map[string]string{"plain": "no program\x00at all\n", "script": "echo \"script $1\"\n", "lost": "#!/nonesuch/interpreter\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "closed"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	odd := "a b\n'c' \"d\" $HOME \\ \xff\x01é"
	for _, test := range []struct {
		name           string
		ask            wire.Exec
		input          string
		stdout, stderr string
		result         wire.Result
	}{
		{"status 0", shell("exit 0"), "", "", "", wire.Result{}},
		{"status 1", shell("exit 1"), "", "", "", wire.Result{Status: 1}},
		{"status 42", shell("exit 42"), "", "", "", wire.Result{Status: 42}},
		{"apart", shell("echo out; echo err >&2; printf more"), "", "out\nmore", "err\n", wire.Result{}},
		{"signal", shell("kill -TERM $$"), "", "", "", wire.Result{Status: 143, Signal: 15}},
		{"input", wire.Exec{Argv: wire.Raws("cat")}, "one\ntwo", "one\ntwo", "", wire.Result{}},
		{"binary", wire.Exec{Argv: wire.Raws("cat")}, "\x00\x01\xff\r\n\x1b[0m\x04\x03", "\x00\x01\xff\r\n\x1b[0m\x04\x03", "", wire.Result{}},
		{"odd arguments", wire.Exec{Argv: wire.Raws("printf", "%s", odd)}, "", odd, "", wire.Result{}},
		{"environment", wire.Exec{Argv: wire.Raws("sh", "-c", "printf %s \"$ODD\""), Env: wire.Raws("ODD=" + odd)}, "", odd, "", wire.Result{}},
		{"folder", wire.Exec{Argv: wire.Raws("pwd"), Dir: wire.Raw("/usr")}, "", "/usr\n", "", wire.Result{}},
		{"relative to the folder", wire.Exec{Argv: wire.Raws("./script", "x"), Dir: wire.Raw(dir)}, "", "script x\n", "", wire.Result{}},
		{"script", wire.Exec{Argv: wire.Raws("x y", "z"), Script: wire.Raw("echo $# $1; exit 3")}, "", "2 x y\n", "", wire.Result{Status: 3}},
		{"script with an interpreter", wire.Exec{Script: wire.Raw("#!/bin/cat\n")}, "", "#!/bin/cat\n", "", wire.Result{}},
		{"script reads input", wire.Exec{Script: wire.Raw("cat")}, "in", "in", "", wire.Result{}},
		{"no command", wire.Exec{Argv: wire.Raws("nonesuch-command")}, "", "", "", wire.Result{Status: 127, Failed: "nonesuch-command: command not found"}},
		{"no file", wire.Exec{Argv: wire.Raws("/nonesuch")}, "", "", "", wire.Result{Status: 127, Failed: "stat /nonesuch: no such file or directory"}},
		{"no interpreter", wire.Exec{Argv: wire.Raws("./lost"), Dir: wire.Raw(dir)}, "", "", "", wire.Result{Status: 127, Failed: "interpreter"}},
		{"not executable", wire.Exec{Argv: wire.Raws("./closed"), Dir: wire.Raw(dir)}, "", "", "", wire.Result{Status: 126, Failed: "permission denied"}},
		{"no program", wire.Exec{Argv: wire.Raws("./plain"), Dir: wire.Raw(dir)}, "", "", "", wire.Result{Status: 126, Failed: "exec format error"}},
		{"a folder", wire.Exec{Argv: wire.Raws("/usr")}, "", "", "", wire.Result{Status: 126, Failed: "is a directory"}},
		{"no name", wire.Exec{Argv: wire.Raws("")}, "", "", "", wire.Result{Status: 127, Failed: "command not found"}},
		{"no working folder", wire.Exec{Argv: wire.Raws("true"), Dir: wire.Raw("/nonesuch")}, "", "", "", wire.Result{Status: 127, Failed: "folder /nonesuch"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := run(t, s, test.ask, strings.NewReader(test.input))
			if got.stdout != test.stdout || got.stderr != test.stderr {
				t.Errorf("printed %q and %q; want %q and %q", got.stdout, got.stderr, test.stdout, test.stderr)
			}
			if got.Status != test.result.Status || got.Signal != test.result.Signal || !strings.Contains(got.Failed, test.result.Failed) || (got.Failed == "") != (test.result.Failed == "") {
				t.Errorf("ended with %+v; want %+v", got.Result, test.result)
			}
		})
	}
}

// TestAgentMany has commands at work that do not read, beside others that must not
// wait for them.
func TestAgentMany(t *testing.T) {
	s := session(t)
	deaf, err := s.Open(wire.Request{Exec: &wire.Exec{Argv: wire.Raws("sleep", "1000")}})
	if err != nil {
		t.Fatal(err)
	}
	fed := make(chan error, 1)
	go func() {
		_, err := io.Copy(deaf.Writer(wire.Stdin), zeros{})
		fed <- err
	}()
	flood, err := s.Open(wire.Request{Exec: &wire.Exec{Argv: wire.Raws("cat", "/dev/zero")}}) // nobody reads this
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			text := strings.Repeat(fmt.Sprintf("%d ", i), 100_000)
			if got := run(t, s, wire.Exec{Argv: wire.Raws("cat")}, strings.NewReader(text)); got.stdout != text || got.Status != 0 {
				t.Errorf("command %d returned %d bytes and status %d; want %d and 0", i, len(got.stdout), got.Status, len(text))
			}
		})
	}
	all.Wait()
	for _, c := range []*wire.Stream{deaf, flood} {
		if err := c.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	if r, err := deaf.Wait(ctx); r.Signal != int(syscall.SIGKILL) || err != nil {
		t.Errorf("sleep ended with %+v, %v; want SIGKILL", r, err)
	}
	if err := <-fed; err == nil {
		t.Error("sleep read all zeros that there are")
	}
	// A flood that was cut off still has a channel to be emptied.
	flood.Reader(wire.Stdout).Close()
	if r, err := flood.Wait(ctx); r.Signal != int(syscall.SIGKILL) || err != nil {
		t.Errorf("cat ended with %+v, %v; want SIGKILL", r, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestAgentBrokenPipe has a host that stops reading: the command is told as in a pipe.
func TestAgentBrokenPipe(t *testing.T) {
	s := session(t)
	c, err := s.Open(wire.Request{Exec: &wire.Exec{Argv: wire.Raws("yes")}})
	if err != nil {
		t.Fatal(err)
	}
	out := c.Reader(wire.Stdout)
	line := make([]byte, 2)
	if _, err := io.ReadFull(out, line); err != nil || string(line) != "y\n" {
		t.Fatalf("yes printed %q, %v", line, err)
	}
	out.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	if r, err := c.Wait(ctx); r.Signal != int(syscall.SIGPIPE) && r.Status != 1 || err != nil {
		t.Errorf("yes ended with %+v, %v; want SIGPIPE", r, err)
	}
}

// TestAgentLeftBehind has a command leave a process behind that holds its output open.
func TestAgentLeftBehind(t *testing.T) {
	s := session(t)
	got := run(t, s, shell("sleep 100000 & echo $!; head -c 3000000 /dev/zero"), nil)
	if len(got.stdout) < 3_000_000 || got.Status != 0 {
		t.Errorf("%d bytes, status %d; want more than 3000000 and 0", len(got.stdout), got.Status)
	}
	pid := 0
	if fmt.Sscan(got.stdout, &pid); pid <= 1 {
		t.Fatalf("no process was left behind")
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Errorf("the command ended no sooner than what it left behind: %v", err)
	}
}

func TestAgentTerminal(t *testing.T) {
	testenv.HeedSignals()
	s := session(t)
	ask := shell("tty >/dev/null && stty size; echo err >&2; read line; echo got $line; stty -echo; cat; exit 5")
	ask.TTY, ask.Term = &wire.Size{Rows: 33, Columns: 99}, "xterm"
	got := run(t, s, ask, strings.NewReader("hello\n"))
	for _, want := range []string{"33 99\r\n", "err\r\n", "got hello\r\n"} {
		if !strings.Contains(got.stdout, want) {
			t.Errorf("the terminal shows %q; want %q in it", got.stdout, want)
		}
	}
	if got.Status != 5 || got.stderr != "" {
		t.Errorf("status %d and %q apart; want 5 and nothing", got.Status, got.stderr)
	}
	// Ctrl-C is a key like others, and ends what runs in the foreground.
	c, err := s.Open(wire.Request{Exec: &wire.Exec{Argv: wire.Raws("sh", "-c", "echo ready; exec sleep 1000"), TTY: &wire.Size{Rows: 24, Columns: 80}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c.Reader(wire.Stdout), make([]byte, len("ready"))); err != nil {
		t.Fatal(err)
	}
	if err := c.Resize(wire.Size{Rows: 50, Columns: 100}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Writer(wire.Stdin).Write([]byte{3}); err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, c.Reader(wire.Stdout))
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	if r, err := c.Wait(ctx); r.Signal != int(syscall.SIGINT) || err != nil {
		t.Errorf("sleep ended with %+v, %v; want SIGINT", r, err)
	}
}

// TestAgentFiles sends a folder there and back.
func TestAgentFiles(t *testing.T) {
	s := session(t)
	from, there, back := t.TempDir(), filepath.Join(t.TempDir(), "new", "folder"), t.TempDir()
	if err := os.MkdirAll(filepath.Join(from, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	big := bytes.Repeat([]byte("0123456789abcdef"), 200_000)
	if err := os.WriteFile(filepath.Join(from, "sub/big"), big, 0o640); err != nil {
		t.Fatal(err)
	}
	c, err := s.Open(wire.Request{Put: &wire.Put{Dir: wire.Raw(there)}})
	if err != nil {
		t.Fatal(err)
	}
	w := c.Writer(wire.Stdin)
	if err := files.Pack(w, from); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if r, err := c.Wait(t.Context()); r.Failed != "" || err != nil {
		t.Fatalf("put = %+v, %v", r, err)
	}
	if c, err = s.Open(wire.Request{Get: &wire.Get{Path: wire.Raw(there)}}); err != nil {
		t.Fatal(err)
	}
	if _, err := files.Unpack(c.Reader(wire.Stdout), back, files.UnpackOptions{}); err != nil {
		t.Fatal(err)
	}
	if r, err := c.Wait(t.Context()); r.Failed != "" || err != nil {
		t.Fatalf("get = %+v, %v", r, err)
	}
	if got, err := os.ReadFile(filepath.Join(back, "sub/big")); !bytes.Equal(got, big) || err != nil {
		t.Errorf("%d bytes came back, %v; want %d", len(got), err, len(big))
	}
	if c, err = s.Open(wire.Request{Get: &wire.Get{Path: wire.Raw("/nonesuch")}}); err != nil {
		t.Fatal(err)
	}
	if r, err := c.Wait(t.Context()); !strings.Contains(r.Failed, "/nonesuch") || err != nil {
		t.Errorf("get of a file that is not there = %+v, %v", r, err)
	}
}

// TestAgentGone has the host hang up: its commands end.
func TestAgentGone(t *testing.T) {
	s := session(t)
	c, err := s.Open(wire.Request{Exec: &wire.Exec{Argv: wire.Raws("sh", "-c", "echo $$; exec sleep 1000")}})
	if err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 64)
	n, err := c.Reader(wire.Stdout).Read(line)
	if err != nil {
		t.Fatal(err)
	}
	pid := 0
	if _, err := fmt.Sscan(string(line[:n]), &pid); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := c.Wait(t.Context()); !errors.Is(err, wire.ErrClosed) {
		t.Errorf("Wait = %v; want %v", err, wire.ErrClosed)
	}
	testenv.Eventually(t, func() error {
		if syscall.Kill(pid, 0) == nil {
			return fmt.Errorf("process %d still runs", pid)
		}
		return nil
	})
}

func TestMerged(t *testing.T) {
	got := merged([]string{"A=1", "B=2"}, []string{"B=3", "C=", "A=4=5"}, &wire.Exec{TTY: &wire.Size{}, Term: "x"})
	if want := []string{"A=4=5", "B=3", "TERM=x", "C="}; !slices.Equal(got, want) {
		t.Errorf("merged = %q; want %q", got, want)
	}
}
