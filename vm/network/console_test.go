package network

import (
	"strings"
	"sync"
	"testing"
	"time"
)

// screen is what a person would see.
type screen struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func (s *screen) wait(t *testing.T, want string) {
	t.Helper()
	for start := time.Now(); !strings.Contains(s.String(), want); time.Sleep(10 * time.Millisecond) {
		if time.Since(start) > limit {
			t.Fatalf("%q is not shown:\n%s", want, s.String())
		}
	}
}

func TestConsoles(t *testing.T) {
	var s screen
	a := NewConsoles(&s, false, "web", "client")
	a.pause = time.Hour // unfinished lines are shown when the test says so
	web, client := a.Console("web"), a.Console("client")
	web.Write([]byte("one\r\ntwo, "))
	client.Write([]byte("\x1bc\x1b[2J\x1b[1;31mhello\x1b[0m\n\x1b"))
	web.Write([]byte("two\n"))
	client.Write([]byte("[0mlogin: "))
	client.flush()
	client.Write([]byte("root\n# "))
	client.flush()
	web.Write([]byte("three\n"))
	client.Write([]byte("l\x1b[3"))
	client.flush()
	client.Write([]byte("1ms\n"))
	client.Write([]byte("bye"))
	client.Close()
	web.Close()
	want := strings.Join([]string{
		"web    | one", "client | hello", "web    | two, two", "client | login: root", "client | # ", "web    | three", "client | ls", "client | bye", "",
	}, "\n")
	if got := s.String(); got != want {
		t.Errorf("shown:\n%s\nwant:\n%s", got, want)
	}
}

// TestConsolePrompt shows a line that nothing follows.
func TestConsolePrompt(t *testing.T) {
	var s screen
	c := NewConsoles(&s, false, "web").Console("web")
	c.Write([]byte("login: "))
	s.wait(t, "web | login: ")
}

func TestConsolesInColour(t *testing.T) {
	var s screen
	a := NewConsoles(&s, true, "a", "b")
	for _, name := range []string{"a", "b"} {
		c := a.Console(name)
		c.Write([]byte("x\n"))
		c.Close()
	}
	if got, want := s.String(), "\x1b[36ma | \x1b[0mx\n\x1b[32mb | \x1b[0mx\n"; got != want {
		t.Errorf("shown %q; want %q", got, want)
	}
}

// TestEndlessLine has a guest print for ever, and never end the line.
func TestEndlessLine(t *testing.T) {
	var s screen
	a := NewConsoles(&s, false, "web")
	a.pause = time.Hour
	web := a.Console("web")
	for range 100 {
		web.Write([]byte(strings.Repeat("x", 4000)))
		if len(web.line) > longestLine {
			t.Fatalf("%d bytes wait for the line's end", len(web.line))
		}
	}
	web.Close()
	if got, want := s.String(), "web | "+strings.Repeat("x", 400_000)+"\n"; got != want {
		t.Errorf("%d bytes are shown; want %d", len(got), len(want))
	}
}
