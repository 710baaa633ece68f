package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
	"mvdan.cc/sh/v3/syntax"
)

// interact reads lines from a terminal and runs them until the end of input or
// `exit`.
func (s *Shell) interact() int {
	defer s.watchInterrupts()()
	in := newEditor(s)
	status := 0
	var pending strings.Builder
	for {
		line, err := in.readLine(s.prompt(pending.Len() > 0))
		switch {
		case errors.Is(err, errInterrupted):
			pending.Reset()
			status = s.interrupted()
			continue
		case err != nil:
			fmt.Fprintln(s.Stdout, "exit")
			return status
		}
		pending.WriteString(line + "\n")
		program, err := syntax.NewParser().Parse(strings.NewReader(pending.String()), "")
		if syntax.IsIncomplete(err) {
			continue
		}
		pending.Reset()
		if err != nil {
			fmt.Fprintln(s.Stderr, "sh:", err)
			status = statusUsage
			continue
		}
		if len(program.Stmts) > 0 {
			status = s.runLine(program.Stmts)
		}
		if s.exited {
			return status
		}
	}
}

// runLine runs the statements of a line, of which Ctrl-C ends all: also where it comes
// between two of them.
func (s *Shell) runLine(line []*syntax.Stmt) (status int) {
	ctx, done := s.interruptible()
	defer done()
	for _, st := range line {
		if status = s.run(ctx, st); s.exited || status == statusSignal+int(interrupt) {
			break
		}
	}
	return status
}

// interrupted sets $? to the status after Ctrl-C, and returns that.
func (s *Shell) interrupted() int {
	program, err := syntax.NewParser().Parse(strings.NewReader(fmt.Sprintf("(exit %d)", statusSignal+int(interrupt))), "")
	if err != nil {
		panic(err) // it is always the same
	}
	return s.run(context.Background(), program.Stmts[0])
}

// prompt returns user, host and folder, or the sign for a line that goes on.
func (s *Shell) prompt(continued bool) string {
	if continued {
		return "> "
	}
	host, err := os.Hostname()
	if err != nil || host == "" || host == "(none)" {
		host = "localhost"
	}
	user, sign := os.Getenv("USER"), "$"
	if os.Geteuid() == 0 {
		user, sign = "root", "#"
	}
	return fmt.Sprintf("%s@%s:%s%s ", user, host, s.runner.Dir, sign)
}

// errInterrupted is a line that Ctrl-C ended.
var errInterrupted = errors.New("interrupted")

// editor reads lines. On a terminal they can be edited, and come back with the
// arrow keys.
type editor struct {
	shell    *Shell
	terminal bool
	history  term.History
	input    *keys
}

func newEditor(s *Shell) *editor {
	e := &editor{shell: s, terminal: term.IsTerminal(int(s.Stdin.Fd())), input: &keys{r: s.Stdin, w: s.Stdout}}
	if e.terminal {
		noSuspend(int(s.Stdin.Fd()))
	}
	return e
}

// readLine shows a prompt and returns the next line. The terminal is raw only in
// between: commands find it as they expect it.
func (e *editor) readLine(prompt string) (string, error) {
	if !e.terminal {
		return e.plain(prompt)
	}
	fd := int(e.shell.Stdin.Fd())
	cooked, err := raw(fd)
	if err != nil {
		return "", err
	}
	defer term.Restore(fd, cooked)
	t := term.NewTerminal(e.input, prompt)
	if e.history != nil {
		t.History = e.history
	}
	e.history = t.History
	if width, height, err := term.GetSize(fd); err == nil && width > 0 && height > 0 {
		t.SetSize(width, height) // a serial line has no size: 80 by 24 stay
	}
	t.AutoCompleteCallback = e.shell.complete
	e.input.interrupted = false
	line, err := t.ReadLine()
	if e.input.interrupted {
		fmt.Fprint(e.shell.Stdout, "^C\r\n")
		return "", errInterrupted
	}
	if errors.Is(err, term.ErrPasteIndicator) {
		err = nil
	}
	return line, err
}

// raw makes a terminal raw, but for one thing: Enter stays a line feed, so that a
// line typed ahead for a command is one when the terminal is cooked again.
func raw(fd int) (cooked *term.State, err error) {
	if cooked, err = term.MakeRaw(fd); err != nil {
		return nil, err
	}
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, err
	}
	t.Iflag |= unix.ICRNL
	return cooked, unix.IoctlSetTermios(fd, unix.TCSETS, t)
}

func (e *editor) plain(prompt string) (string, error) {
	fmt.Fprint(e.shell.Stdout, prompt)
	var line strings.Builder
	for {
		var b [1]byte
		if _, err := e.shell.Stdin.Read(b[:]); err != nil {
			if line.Len() > 0 {
				return line.String(), nil
			}
			return "", err
		}
		if b[0] == '\n' {
			return line.String(), nil
		}
		line.WriteByte(b[0])
	}
}

// keys is the terminal as the line editor sees it. It reads a byte at a time, so
// that what was typed ahead for a command is still there for it, and notices
// Ctrl-C, which the editor takes for the end of input.
type keys struct {
	r           io.Reader
	w           io.Writer
	interrupted bool
}

const ctrlC = 3

func (k *keys) Read(p []byte) (int, error) {
	n, err := bytewise{k.r}.Read(p)
	if n == 1 && p[0] == ctrlC {
		k.interrupted = true
	}
	return n, err
}

func (k *keys) Write(p []byte) (int, error) { return k.w.Write(p) }

// noSuspend takes Ctrl-Z from a terminal: a command that it stopped could not be
// continued without job control, and the shell would wait for it for ever.
func noSuspend(fd int) {
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return
	}
	t.Cc[unix.VSUSP] = 0
	_ = unix.IoctlSetTermios(fd, unix.TCSETS, t) // as it was, if it cannot be
}
