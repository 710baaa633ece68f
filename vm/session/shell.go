package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"

	"ingot/internal/shellwords"
)

// A Shell runs commands in a machine. Where its guest has ingot's agent, that does it.
// Else there is what is behind the back door: a POSIX shell that reads commands and
// prints what they print, without prompts or echo. To know when one has ended, and how,
// it is asked to print a mark.
type Shell struct {
	Out, Err io.Writer // at the back door both outputs are one

	Client   *Client // of the guest's agent, or
	Backdoor net.Conn
}

// Close leaves the machine. What still runs there by the agent is ended.
func (s *Shell) Close() {
	if s.Client != nil {
		s.Client.Close()
	} else {
		s.Backdoor.Close()
	}
}

// Run runs a command and returns its exit status. At the back door there is nothing
// that it could read.
func (s *Shell) Run(ctx context.Context, argv []string, in io.Reader) (status int, err error) {
	if s.Client != nil {
		return s.Exec(ctx, Command{Argv: argv, Stdin: in})
	}
	return s.atBackdoor(ctx, shellwords.Quote(argv))
}

// The mark is a control character that text does not have, a word, the status, and a
// line end.
const (
	markStart = "\x1eingot-status "
	markEnd   = '\n'
	// A status and the line end are no longer: more is not waited for.
	mostStatus = 16
	// The shell writes the character itself, so that an echo of the command is no mark.
	markCommand = `printf '\036ingot-status %d\n' $?`
)

// Script runs what r holds and returns its exit status. A command in it that reads
// finds nothing: the script's next lines are not meant for it.
func (s *Shell) Script(ctx context.Context, r io.Reader) (status int, err error) {
	script, err := io.ReadAll(r)
	switch {
	case err != nil:
		return 0, err
	case len(bytes.TrimSpace(script)) == 0:
		return 0, nil
	case s.Client != nil:
		return s.Exec(ctx, Command{Script: string(script)})
	}
	return s.atBackdoor(ctx, "eval "+shellwords.Quote([]string{string(script)}))
}

// Exec runs a command by the agent, and returns its exit status. It says why a command cannot be
// run.
func (s *Shell) Exec(ctx context.Context, c Command) (int, error) {
	// Who owns the machine hangs up on what runs there when the client has gone.
	defer context.AfterFunc(ctx, func() { s.Client.Close() })()
	c.Stdout, c.Stderr = s.Out, s.Err
	result, err := s.Client.Exec(context.WithoutCancel(ctx), c)
	var refused *CommandError
	switch {
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case errors.As(err, &refused):
		fmt.Fprintf(s.Err, "ingot: in the machine: %s\n", refused.Reason)
	case !errors.As(err, new(*ExitError)) && !errors.As(err, new(*OutOfMemoryError)):
		return 0, err
	}
	return result.Status, nil
}

// atBackdoor types a command at the back door.
func (s *Shell) atBackdoor(ctx context.Context, command string) (int, error) {
	done := s.relay(ctx)
	// A shell of its own, so that `exit` ends that and not what says the status.
	if _, err := fmt.Fprintf(s.Backdoor, "(\n%s\n) </dev/null\n%s\n", command, markCommand); err != nil {
		return 0, ErrHungUp
	}
	select {
	case r := <-done:
		return r.status, r.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// Interact gives a person's terminal a shell on a terminal in the guest.
func (s *Shell) Interact(ctx context.Context, t *Terminal, in *os.File, kind string) (status int, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if s.Client != nil {
		c := Command{Argv: []string{"sh"}}
		defer t.attach(ctx, &c, in, kind, cancel)()
		_, err := s.Exec(ctx, c) // what a person did last is no verdict on the session
		if context.Cause(ctx) == ErrLeft {
			return 0, nil
		}
		return 0, err
	}
	size := t.Size()
	// No command is given to script: the shell that would run it would die of the Ctrl-C
	// that is meant for what the person runs.
	start := fmt.Sprintf("LINES=%d COLUMNS=%d TERM=%s script -q /dev/null; %s\n", size.Rows, size.Columns, shellwords.Quote([]string{kind}), markCommand)
	done := s.relay(ctx)
	if _, err := io.WriteString(s.Backdoor, start); err != nil {
		return 0, ErrHungUp
	}
	left := make(chan bool, 1)
	go func() { left <- t.Pump(ctx, in, s.Backdoor) }()
	select {
	case r := <-done:
		return 0, r.err // what a person did last is no verdict on the session
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-left:
		// What runs there is asked to end, as by a terminal that hangs up: Ctrl-C, an empty
		// line, Ctrl-D.
		_, _ = io.WriteString(s.Backdoor, "\x03\x15\x04")
		return 0, nil
	}
}

// ending is how a command ended.
type ending struct {
	status int
	err    error
}

// relay copies what the shell prints, up to the mark.
func (s *Shell) relay(ctx context.Context) <-chan ending {
	done := make(chan ending, 1)
	context.AfterFunc(ctx, func() { s.Backdoor.Close() })
	go func() {
		var held []byte // that may be the beginning of a mark
		buf := make([]byte, 1<<15)
		for {
			n, err := s.Backdoor.Read(buf)
			held = append(held, buf[:n]...)
			status, text, rest, found := cutMark(held)
			if _, werr := s.Out.Write(text); werr != nil {
				done <- ending{err: werr}
				return
			}
			if held = rest; found {
				done <- ending{status: status}
				return
			}
			if err != nil {
				if string(held) != "" {
					_, _ = s.Out.Write(held)
				}
				done <- ending{err: ErrHungUp}
				return
			}
		}
	}()
	return done
}

// cutMark splits what was printed into what is text for sure, and the rest, which may
// be the beginning of a mark.
func cutMark(p []byte) (status int, text, rest []byte, found bool) {
	i := bytes.IndexByte(p, markStart[0])
	if i < 0 {
		return 0, p, nil, false
	}
	tail := p[i:]
	end := bytes.IndexByte(tail, markEnd)
	n := min(len(tail), len(markStart))
	if string(tail[:n]) != markStart[:n] || end < 0 && len(tail) > n+mostStatus {
		// A character like it, and no mark: the search goes on behind it.
		status, more, rest, found := cutMark(tail[1:])
		return status, p[:i+1+len(more)], rest, found
	}
	if end < 0 {
		return 0, p[:i], tail, false
	}
	status, err := strconv.Atoi(strings.TrimSpace(string(tail[len(markStart):end])))
	if err != nil {
		return 0, p[:i+end+1], tail[end+1:], false
	}
	return status, p[:i], nil, true
}
