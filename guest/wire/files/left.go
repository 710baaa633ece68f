package files

import (
	"fmt"
	"strings"
)

// leftOut is what was not kept of files, by kinds, in the order in which they came up.
type leftOut struct{ kinds []leftKind }

type leftKind struct {
	what  string
	count int
	names []string // the first few
}

const (
	maxKinds    = 20 // there are fewer
	namesOfKind = 3
	nameOfKind  = 100  // characters of each
	maxLine     = 2000 // bytes, for one kind
)

// add counts one file of a kind, which is told in the plural.
func (l *leftOut) add(what, name string) {
	at := 0
	for at < len(l.kinds) && l.kinds[at].what != what {
		at++
	}
	if at == maxKinds {
		return
	}
	if at == len(l.kinds) {
		l.kinds = append(l.kinds, leftKind{what: what})
	}
	k := &l.kinds[at]
	k.count++
	if len(k.names) < namesOfKind {
		k.names = append(k.names, fmt.Sprintf("%.*q", nameOfKind, name))
	}
}

// lines tells each kind in one line: `3 device nodes: "a", "b", "c"`.
func (l *leftOut) lines() (lines []string) {
	for _, k := range l.kinds {
		more := ""
		if k.count > len(k.names) {
			more = ", …"
		}
		lines = append(lines, fmt.Sprintf("%d %s: %s%s", k.count, k.what, strings.Join(k.names, ", "), more))
	}
	return lines
}
