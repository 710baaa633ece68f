package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"golang.org/x/term"

	"ingot/internal/printable"
)

// results is standard output as verbs have it. It remembers what could not be written, so
// that no verb ends well whose results have gone nowhere: verbs need not look at every write.
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

// printJSON prints a result for programs.
func printJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(v)
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
// given: for data, for progress bars, and for a guest's console. All other output goes through
// the printable.Writer, which escapes control characters.
func raw(w io.Writer) io.Writer {
	if p, ok := w.(*printable.Writer); ok {
		return p.Unwrap()
	}
	return w
}
