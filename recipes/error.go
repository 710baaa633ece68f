package recipes

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"ingot/internal/printable"
)

// An Error is something wrong with a recipe, at a place of its file.
type Error struct {
	File         string
	Line, Column int    // from 1; 0 where the whole file is meant
	Key          string // the key's path: "disk.partitions[1].label"
	What         string
	Hint         string // what to write instead, or empty
	Set          int    // which of the overrides of [Load] says it, from 1; 0 for the file

	cause error // behind What, for callers that look into it
}

// Unwrap returns the error that was found at the place, if it was one of another package.
func (e *Error) Unwrap() error { return e.cause }

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(printable.Name(e.File))
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Column)
	}
	b.WriteString(": ")
	if e.Key != "" {
		b.WriteString(printable.Name(printable.Cut(e.Key, 300)) + ": ")
	}
	b.WriteString(e.What)
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	return b.String()
}

// source remembers where in its file each key of a recipe stands.
type source struct {
	file string
	dir  string // what relative paths are relative to
	at   map[string]*yaml.Node
	// reads are the paths of the host that the recipe names.
	reads []string
}

// errorf returns an Error at the value of key, or at the nearest key around it. Names and
// values among args make no second line.
func (s *source) errorf(key, format string, args ...any) *Error {
	args = slices.Clone(args)
	for i, a := range args {
		if text, ok := a.(string); ok {
			args[i] = printable.Name(text)
		}
	}
	e := &Error{File: s.file, Key: key, What: fmt.Sprintf(format, args...)}
	for k := key; ; k = k[:max(0, strings.LastIndexAny(k, ".["))] {
		if n := s.at[k]; n != nil {
			if n.Line < 0 { // an override's
				e.Set = -n.Line
			} else {
				e.Line, e.Column = n.Line, n.Column
			}
			return e
		}
		if k == "" {
			return e
		}
	}
}

// wrap is errorf for an error that callers may want to look into.
func (s *source) wrap(key string, err error) *Error {
	e := s.errorf(key, "%s", err)
	e.cause = err
	return e
}
