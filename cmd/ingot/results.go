package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"golang.org/x/term"
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
	if r, ok := w.(*results); ok {
		w = r.Writer
	}
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
