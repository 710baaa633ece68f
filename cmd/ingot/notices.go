package main

import (
	"fmt"
	"io"

	"ingot/inspect"
)

// leftOut prints which files and attributes are not taken over from a place: the first ones
// one by one, and the number of the others.
type leftOut struct {
	out   io.Writer
	from  string // a volume; an archive
	count int
}

func (l *leftOut) add(path string, why error) {
	if l.count++; l.count <= mostFlaws {
		sayLine(l.out, "warning: ", fmt.Sprintf("%s: %s: %v", l.from, path, why))
	}
}

func (l *leftOut) close(what string) {
	if more := l.count - mostFlaws; more > 0 {
		sayLine(l.out, "warning: ", fmt.Sprintf("%s: %d more %s", l.from, more, what))
	}
}

// sayNames says whose names the files of a volume have, where there is a choice.
func sayNames(w io.Writer, v *inspect.Volume) {
	if names := v.Reading().Names; names != "" {
		sayLine(w, "", fmt.Sprintf("%s: read as %s with the names of %s", v, v.Kind(), names))
	}
}
