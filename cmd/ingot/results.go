package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"golang.org/x/term"

	"ingot/image"

	"ingot/internal/printable"
)

// results is standard output as verbs have it. It remembers what could not be written, so
// that no verb ends well whose results have gone nowhere, whether it looks at every write
// or not.
type results struct {
	io.Writer

	mu     sync.Mutex
	failed error
}

func (r *results) Write(p []byte) (int, error) {
	n, err := r.Writer.Write(p)
	if err != nil {
		var path *fs.PathError
		if errors.As(err, &path) {
			err = path.Err // Go calls the stream /dev/stdout
		}
		err = fmt.Errorf("standard output: %w", err)
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.failed == nil {
			r.failed = err
		}
	}
	return n, err
}

// unwritten returns the first error of a write, nil if there was none.
func (r *results) unwritten() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

// onTerminal says whether a writer that a verb has is a terminal.
func onTerminal(w io.Writer) bool {
	_, ok := terminalOf(w)
	return ok
}

// terminalOf returns the terminal that a writer of a verb leads to.
func terminalOf(w io.Writer) (*os.File, bool) {
	w = raw(w)
	if r, ok := w.(*results); ok {
		w = r.Writer
	}
	f, ok := w.(*os.File)
	return f, ok && term.IsTerminal(int(f.Fd()))
}

// raw returns a writer of a verb as it is below the printable.Writer that every verb is
// given: for data, for what draws on a terminal by itself, and for a console that a person
// asked for. Everything else stays above, where nothing of a stranger's reaches a terminal
// but what can be seen.
func raw(w io.Writer) io.Writer {
	if p, ok := w.(*printable.Writer); ok {
		return p.Unwrap()
	}
	return w
}

// isStream says whether a name is that of a pipe, or of a device that is no disk, such as
// /dev/stdout: a text can be written to it as it comes.
func isStream(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&(os.ModeNamedPipe|os.ModeCharDevice) != 0
}

// writeWhole writes a text that is no image: a report, a script. As all outputs, it has its
// name when it is whole, and keeps the permissions of the file that it replaces. Where the
// name is that of a stream, that is written to. What is executable is for its owner alone, as
// far as it replaces nothing.
func writeWhole(path string, executable bool, write func(io.Writer) error) error {
	if isStream(path) {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(write(f), f.Close())
	}
	out, err := image.Create(path)
	if err != nil {
		return err
	}
	defer out.Abort()
	out.NoSync = true
	if err := write(out); err != nil {
		return err
	}
	if executable {
		if err := out.Chmod(0o700); err != nil {
			return err
		}
	}
	return out.Commit()
}
