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

	"ingot/tests/testenv"
	"ingot/vm/agent"
)

// patient is for a machine that is busy with other tests.
const patient = 5 * time.Minute

// testChildren are all that these tests start: a second reaper would take its statuses.
var testChildren = sync.OnceValue(newChildren)

// session joins a host to an agent in this process: what a machine has beside its port
// plays no part in most of what the agent does.
func session(t *testing.T) *agent.Session {
	t.Helper()
	host, guest := net.Pipe()
	v := &agentServer{fork: testChildren().fork, env: append(agentEnvironment(), "PATH=/usr/bin:/bin", "HOME="+t.TempDir()), scripts: t.TempDir(), ready: make(chan struct{}), off: func() {}}
	v.env = merged(nil, v.env, &agent.Exec{})
	close(v.ready)
	served := make(chan error, 1)
	go func() { served <- v.serve(guest) }()
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	s, err := agent.Dial(ctx, host, nil)
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
	agent.Result
}

// run runs a command with an input, and takes all that it prints.
func run(t *testing.T, s *agent.Session, ask agent.Exec, input io.Reader) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	c, err := s.Open(agent.Request{Exec: &ask})
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	var copies sync.WaitGroup
	copies.Go(func() { io.Copy(&stdout, c.Reader(agent.Stdout)) })
	copies.Go(func() { io.Copy(&stderr, c.Reader(agent.Stderr)) })
	copies.Go(func() {
		in := c.Writer(agent.Stdin)
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

func shell(script string) agent.Exec { return agent.Exec{Argv: agent.Raws("/bin/sh", "-c", script)} }

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
		ask            agent.Exec
		input          string
		stdout, stderr string
		result         agent.Result
	}{
		{"status 0", shell("exit 0"), "", "", "", agent.Result{}},
		{"status 1", shell("exit 1"), "", "", "", agent.Result{Status: 1}},
		{"status 42", shell("exit 42"), "", "", "", agent.Result{Status: 42}},
		{"apart", shell("echo out; echo err >&2; printf more"), "", "out\nmore", "err\n", agent.Result{}},
		{"signal", shell("kill -TERM $$"), "", "", "", agent.Result{Status: 143, Signal: 15}},
		{"input", agent.Exec{Argv: agent.Raws("cat")}, "one\ntwo", "one\ntwo", "", agent.Result{}},
		{"binary", agent.Exec{Argv: agent.Raws("cat")}, "\x00\x01\xff\r\n\x1b[0m\x04\x03", "\x00\x01\xff\r\n\x1b[0m\x04\x03", "", agent.Result{}},
		{"odd arguments", agent.Exec{Argv: agent.Raws("printf", "%s", odd)}, "", odd, "", agent.Result{}},
		{"environment", agent.Exec{Argv: agent.Raws("sh", "-c", "printf %s \"$ODD\""), Env: agent.Raws("ODD=" + odd)}, "", odd, "", agent.Result{}},
		{"folder", agent.Exec{Argv: agent.Raws("pwd"), Dir: "/usr"}, "", "/usr\n", "", agent.Result{}},
		{"relative to the folder", agent.Exec{Argv: agent.Raws("./script", "x"), Dir: agent.Raw(dir)}, "", "script x\n", "", agent.Result{}},
		{"script", agent.Exec{Argv: agent.Raws("x y", "z"), Script: "echo $# $1; exit 3"}, "", "2 x y\n", "", agent.Result{Status: 3}},
		{"script with an interpreter", agent.Exec{Script: "#!/bin/cat\n"}, "", "#!/bin/cat\n", "", agent.Result{}},
		{"script reads input", agent.Exec{Script: "cat"}, "in", "in", "", agent.Result{}},
		{"no command", agent.Exec{Argv: agent.Raws("nonesuch-command")}, "", "", "", agent.Result{Status: 127, Failed: "nonesuch-command: command not found"}},
		{"no file", agent.Exec{Argv: agent.Raws("/nonesuch")}, "", "", "", agent.Result{Status: 127, Failed: "stat /nonesuch: no such file or directory"}},
		{"no interpreter", agent.Exec{Argv: agent.Raws("./lost"), Dir: agent.Raw(dir)}, "", "", "", agent.Result{Status: 127, Failed: "interpreter"}},
		{"not executable", agent.Exec{Argv: agent.Raws("./closed"), Dir: agent.Raw(dir)}, "", "", "", agent.Result{Status: 126, Failed: "permission denied"}},
		{"no program", agent.Exec{Argv: agent.Raws("./plain"), Dir: agent.Raw(dir)}, "", "", "", agent.Result{Status: 126, Failed: "exec format error"}},
		{"a folder", agent.Exec{Argv: agent.Raws("/usr")}, "", "", "", agent.Result{Status: 126, Failed: "is a directory"}},
		{"no name", agent.Exec{Argv: agent.Raws("")}, "", "", "", agent.Result{Status: 127, Failed: "command not found"}},
		{"no working folder", agent.Exec{Argv: agent.Raws("true"), Dir: "/nonesuch"}, "", "", "", agent.Result{Status: 127, Failed: "folder /nonesuch"}},
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
	deaf, err := s.Open(agent.Request{Exec: &agent.Exec{Argv: agent.Raws("sleep", "1000")}})
	if err != nil {
		t.Fatal(err)
	}
	fed := make(chan error, 1)
	go func() {
		_, err := io.Copy(deaf.Writer(agent.Stdin), zeros{})
		fed <- err
	}()
	flood, err := s.Open(agent.Request{Exec: &agent.Exec{Argv: agent.Raws("cat", "/dev/zero")}}) // nobody reads this
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			text := strings.Repeat(fmt.Sprintf("%d ", i), 100_000)
			if got := run(t, s, agent.Exec{Argv: agent.Raws("cat")}, strings.NewReader(text)); got.stdout != text || got.Status != 0 {
				t.Errorf("command %d returned %d bytes and status %d; want %d and 0", i, len(got.stdout), got.Status, len(text))
			}
		})
	}
	all.Wait()
	for _, c := range []*agent.Stream{deaf, flood} {
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
	flood.Reader(agent.Stdout).Close()
	if r, err := flood.Wait(ctx); r.Signal != int(syscall.SIGKILL) || err != nil {
		t.Errorf("cat ended with %+v, %v; want SIGKILL", r, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestAgentBrokenPipe has a host that stops reading: the command is told as in a pipe.
func TestAgentBrokenPipe(t *testing.T) {
	s := session(t)
	c, err := s.Open(agent.Request{Exec: &agent.Exec{Argv: agent.Raws("yes")}})
	if err != nil {
		t.Fatal(err)
	}
	out := c.Reader(agent.Stdout)
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
	ask.TTY, ask.Term = &agent.Size{Rows: 33, Columns: 99}, "xterm"
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
	c, err := s.Open(agent.Request{Exec: &agent.Exec{Argv: agent.Raws("sh", "-c", "echo ready; exec sleep 1000"), TTY: &agent.Size{Rows: 24, Columns: 80}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c.Reader(agent.Stdout), make([]byte, len("ready"))); err != nil {
		t.Fatal(err)
	}
	if err := c.Resize(agent.Size{Rows: 50, Columns: 100}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Writer(agent.Stdin).Write([]byte{3}); err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, c.Reader(agent.Stdout))
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
	c, err := s.Open(agent.Request{Put: &agent.Put{Dir: agent.Raw(there)}})
	if err != nil {
		t.Fatal(err)
	}
	w := c.Writer(agent.Stdin)
	if err := agent.Pack(w, from); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if r, err := c.Wait(t.Context()); r.Failed != "" || err != nil {
		t.Fatalf("put = %+v, %v", r, err)
	}
	if c, err = s.Open(agent.Request{Get: &agent.Get{Path: agent.Raw(there)}}); err != nil {
		t.Fatal(err)
	}
	if _, err := agent.Unpack(c.Reader(agent.Stdout), back, agent.UnpackOptions{}); err != nil {
		t.Fatal(err)
	}
	if r, err := c.Wait(t.Context()); r.Failed != "" || err != nil {
		t.Fatalf("get = %+v, %v", r, err)
	}
	if got, err := os.ReadFile(filepath.Join(back, "sub/big")); !bytes.Equal(got, big) || err != nil {
		t.Errorf("%d bytes came back, %v; want %d", len(got), err, len(big))
	}
	if c, err = s.Open(agent.Request{Get: &agent.Get{Path: "/nonesuch"}}); err != nil {
		t.Fatal(err)
	}
	if r, err := c.Wait(t.Context()); !strings.Contains(r.Failed, "/nonesuch") || err != nil {
		t.Errorf("get of a file that is not there = %+v, %v", r, err)
	}
}

// TestAgentGone has the host hang up: its commands end.
func TestAgentGone(t *testing.T) {
	s := session(t)
	c, err := s.Open(agent.Request{Exec: &agent.Exec{Argv: agent.Raws("sh", "-c", "echo $$; exec sleep 1000")}})
	if err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 64)
	n, err := c.Reader(agent.Stdout).Read(line)
	if err != nil {
		t.Fatal(err)
	}
	pid := 0
	if _, err := fmt.Sscan(string(line[:n]), &pid); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := c.Wait(t.Context()); !errors.Is(err, agent.ErrClosed) {
		t.Errorf("Wait = %v; want %v", err, agent.ErrClosed)
	}
	for start := time.Now(); syscall.Kill(pid, 0) == nil; time.Sleep(10 * time.Millisecond) {
		if time.Since(start) > patient {
			t.Fatalf("process %d still runs", pid)
		}
	}
}

func TestMerged(t *testing.T) {
	got := merged([]string{"A=1", "B=2"}, []string{"B=3", "C=", "A=4=5"}, &agent.Exec{TTY: &agent.Size{}, Term: "x"})
	if want := []string{"A=4=5", "B=3", "TERM=x", "C="}; !slices.Equal(got, want) {
		t.Errorf("merged = %q; want %q", got, want)
	}
}
