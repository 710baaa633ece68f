package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ingot/internal/printable"
)

// danglingError is an error of a file that is not there, though its name is: it is that of a
// link, such as ./result after its store path was collected.
type danglingError struct {
	error
	text string
}

func (e *danglingError) Error() string { return e.text }
func (e *danglingError) Unwrap() error { return e.error }

// dangling says in an error where a link to nothing leads.
func dangling(err error) error {
	var missing *fs.PathError
	// The names of what was opened at a folder (openat) begin there.
	if !errors.As(err, &missing) || !errors.Is(missing.Err, fs.ErrNotExist) || strings.HasSuffix(missing.Op, "at") && !strings.HasSuffix(missing.Op, "stat") {
		return err
	}
	target := danglingTarget(missing.Path)
	if target == "" {
		return err
	}
	said := fmt.Sprintf("%s is a link to %s, which is not there", missing.Path, printable.Name(target))
	return &danglingError{err, strings.Replace(err.Error(), missing.Error(), said, 1)}
}

// danglingTarget returns the name of what is not there, of what a link leads to, over others
// perhaps; "" if name is none that leads to nothing.
func danglingTarget(name string) string {
	target := ""
	for at := range 40 { // MAXSYMLINKS of the kernel
		link, err := os.Readlink(name)
		if err != nil {
			if _, err := os.Lstat(name); at == 0 || !errors.Is(err, fs.ErrNotExist) {
				return ""
			}
			return target
		}
		if target = link; !filepath.IsAbs(link) {
			link = filepath.Join(filepath.Dir(name), link)
		}
		name = link
	}
	return ""
}
