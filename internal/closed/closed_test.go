package closed_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	_ "ingot/internal/closed"
)

func TestMain(m *testing.M) {
	if os.Getenv("INGOT_TEST_CHILD") == "" {
		os.Exit(m.Run())
	}
	// The child says what its streams are like on descriptor 3.
	report := os.NewFile(3, "report")
	_, in := os.Stdin.Read(make([]byte, 1))
	_, out := os.Stdout.WriteString("x")
	_, errout := os.Stderr.WriteString("x")
	opened, err := os.Open("/dev/null")
	if err != nil {
		panic(err)
	}
	for _, err := range []error{in, out, errout} {
		fmt.Fprintf(report, "%v ", errors.Is(err, syscall.EBADF))
	}
	fmt.Fprint(report, opened.Fd() > 3)
}

// TestClosed starts a process with some of its streams closed.
func TestClosed(t *testing.T) {
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ redirect, want string }{
		{"", "false false false true"},
		{"<&-", "true false false true"},
		{">&-", "false true false true"},
		{"2>&-", "false false true true"},
		{"<&- >&- 2>&-", "true true true true"},
		{">/dev/null <>/dev/null", "false false false true"}, // as systemd has it
	} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("sh", "-c", `exec "$0" `+x.redirect, own)
		cmd.Env = append(os.Environ(), "INGOT_TEST_CHILD=1")
		cmd.Stdin = strings.NewReader("x")
		cmd.ExtraFiles = []*os.File{w}
		err = cmd.Run()
		w.Close()
		if err != nil {
			t.Fatalf("%s: %v", x.redirect, err)
		}
		said := make([]byte, 100)
		n, _ := r.Read(said)
		r.Close()
		if got := string(said[:n]); got != x.want {
			t.Errorf("%q: EBADF of input, output, errors, and opened above them = %s; want %s", x.redirect, got, x.want)
		}
	}
}
