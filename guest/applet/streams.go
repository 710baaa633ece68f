package applet

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// output is the standard output of a call, behind a buffer. It is written when the buffer is
// full and when the applet ends, warns, reads or runs another program; to a terminal, line by
// line. After an error nothing is written any more, and [Applet.Within] reports it.
type output struct {
	to       io.Writer // for programs that the applet runs
	buf      *bufio.Writer
	terminal bool
}

const bufferSize = 1 << 16

func newOutput(to io.Writer) *output {
	o := &output{to: to, buf: bufio.NewWriterSize(to, bufferSize)}
	_, o.terminal = o.terminalFile()
	return o
}

// terminalFile returns the terminal that the output is, if it is one.
func (o *output) terminalFile() (*os.File, bool) {
	f, ok := o.to.(*os.File)
	return f, ok && term.IsTerminal(int(f.Fd()))
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.buf.Write(p)
	if err == nil && o.terminal && bytes.IndexByte(p, '\n') >= 0 {
		err = o.buf.Flush()
	}
	return n, writeFailed(err)
}

// flush writes the buffer, and returns the error of any write so far.
func (o *output) flush() error { return writeFailed(o.buf.Flush()) }

// failed returns the error of any write so far.
func (o *output) failed() error {
	_, err := o.buf.Write(nil)
	return writeFailed(err)
}

// outputError is a write to standard output that failed.
type outputError struct{ error }

func (e outputError) Unwrap() error { return e.error }

func writeFailed(err error) error {
	if err == nil {
		return nil
	}
	var path *os.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return outputError{fmt.Errorf("write error: %w", err)}
}

// input is a file or standard input as an applet reads it. Each read, which may have to
// wait, flushes the output first, and fails if that does.
type input struct {
	from io.Reader // for programs that the applet runs
	out  *output
}

func (i *input) Read(p []byte) (int, error) {
	if err := i.out.flush(); err != nil {
		return 0, err
	}
	return i.from.Read(p)
}

func (i *input) Seek(offset int64, whence int) (int64, error) {
	if s, ok := i.from.(io.Seeker); ok {
		return s.Seek(offset, whence)
	}
	return 0, unix.ESPIPE
}

// Close closes a file; standard input stays open, since it may be read again.
func (i *input) Close() error {
	if f, ok := i.from.(*os.File); ok && f != os.Stdin {
		return f.Close()
	}
	return nil
}

// run runs a program whose output is the call's own.
func (c *Call) run(cmd *exec.Cmd) error {
	if err := c.Stdout.flush(); err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = c.Stdout.to, c.Stderr
	return cmd.Run()
}
