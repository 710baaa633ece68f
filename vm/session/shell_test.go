package session

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
)

// TestBackdoor runs commands by a plain shell, as behind the back door of a guest without
// an agent. What reads does not get the lines that follow it.
func TestBackdoor(t *testing.T) {
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
		s := &Shell{Backdoor: host, Out: &out}
		status, err := s.Script(context.Background(), strings.NewReader(test.script))
		if err != nil || status != test.status || test.want != "" && out.String() != test.want {
			t.Errorf("Script(%q) = %d, %v, and printed %q; want %d, %q", test.script, status, err, &out, test.status, test.want)
		}
	}
	var out bytes.Buffer
	s := &Shell{Backdoor: host, Out: &out}
	if status, err := s.Run(context.Background(), []string{"printf", "%s|", "a b", "'"}, nil); err != nil || status != 0 || out.String() != "a b|'|" {
		t.Errorf("Run = %d, %v, and printed %q", status, err, &out)
	}
}

func TestCutMark(t *testing.T) {
	for text, want := range map[string]string{
		"hello\n":                            `0 "hello\n" "" false`,
		"hello\x1eingot-status 3\n":          `3 "hello" "" true`,
		"hello\x1eingot-st":                  `0 "hello" "\x1eingot-st" false`,
		"a\x1eb\x1eingot-status 0\n":         `0 "a\x1eb" "" true`,
		"\x1eingot-status 12":                `0 "" "\x1eingot-status 12" false`,
		"x\x1eingot-status y\nz":             `0 "x\x1eingot-status y\n" "z" false`,
		"\x1eingot-status 12345678901234567": `0 "\x1eingot-status 12345678901234567" "" false`, // which has no end
		"":                                   `0 "" "" false`,
		"one\ntwo\n\x1eingot-status 127\nz":  `127 "one\ntwo\n" "" true`,
	} {
		status, out, rest, found := cutMark([]byte(text))
		if got := fmt.Sprintf("%d %q %q %v", status, out, rest, found); got != want {
			t.Errorf("cutMark(%q) = %s; want %s", text, got, want)
		}
	}
}
