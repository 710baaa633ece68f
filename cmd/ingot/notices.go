package main

import (
	"fmt"
	"io"

	"ingot/inspect"
)

// leftOut tells which files and attributes of a volume an archive cannot hold: the first
// ones one by one, and the number of the others.
type leftOut struct {
	out    io.Writer
	volume *inspect.Volume
	count  int
}

func (l *leftOut) add(path string, why error) {
	if l.count++; l.count <= mostFlaws {
		sayLines(l.out, "warning: ", fmt.Sprintf("%s: left out: %s: %v", l.volume, path, why))
	}
}

func (l *leftOut) close() {
	if more := l.count - mostFlaws; more > 0 {
		sayLines(l.out, "warning: ", fmt.Sprintf("%s: left out: %d more files or attributes, which an archive cannot hold", l.volume, more))
	}
}

// sayNames says whose names the files of a volume have, where there is a choice.
func sayNames(w io.Writer, v *inspect.Volume) {
	if names := v.Reading().Names; names != "" {
		sayLines(w, "", fmt.Sprintf("%s: read as %s with the names of %s", v, v.Kind(), names))
	}
}
