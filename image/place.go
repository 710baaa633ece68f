package image

import (
	"fmt"
	"slices"
	"strings"

	"ingot/internal/printable"
)

// MaxDepth is how many directories deep a file may lie in what is read from outside: an
// image, an archive. PATH_MAX of Linux, 4096 bytes, has room for as many names of one
// byte, each with its slash; no system that boots has a path a tenth as long. Without a
// limit, what recurses over a Tree runs out of its stack.
const MaxDepth = 2048

// A DepthError says that a directory lies deeper than [MaxDepth].
type DepthError struct{ Depth int }

func (e *DepthError) Error() string {
	return fmt.Sprintf("lies %d directories deep; at most %d are read", e.Depth, MaxDepth)
}

// A Place is where a reader is in a tree of files: a path that is kept as a chain, since
// the paths of nested directories, each spelled out, take as much memory as their depth
// times their names. Nil is the root.
type Place struct {
	parent *Place
	name   string
	depth  int
}

// In returns the place of a name in a directory.
func (p *Place) In(name string) *Place { return &Place{p, name, p.Depth() + 1} }

// Enter is [Place.In] for a directory: one that lies deeper than [MaxDepth] is refused
// with a [DepthError], which does not name it.
func (p *Place) Enter(name string) (*Place, error) {
	in := p.In(name)
	if in.depth > MaxDepth {
		return in, &DepthError{in.depth}
	}
	return in, nil
}

// Depth returns how many names the path has; that of the root has none.
func (p *Place) Depth() int {
	if p == nil {
		return 0
	}
	return p.depth
}

// Name returns the last name of the path, "" of the root.
func (p *Place) Name() string {
	if p == nil {
		return ""
	}
	return p.name
}

// maxSpelled is how many bytes of a path Place.String spells.
const maxSpelled = 4096

// String returns the absolute path, for people: on one line, with escapes for what would not
// be seen, and cut in its middle if it has more than 4096 bytes.
func (p *Place) String() string {
	if p == nil {
		return "/"
	}
	var names []string
	for ; p != nil; p = p.parent {
		names = append(names, p.name)
	}
	slices.Reverse(names)
	s := "/" + strings.Join(names, "/")
	if len(s) > maxSpelled {
		s = s[:maxSpelled/2] + "…" + s[len(s)-maxSpelled/2:]
	}
	return printable.Name(s)
}

// meets says whether one of two paths lies within the other, or is it: that of p, and the one
// with the given names.
func (p *Place) meets(names []string) bool {
	for p.Depth() > len(names) {
		p = p.parent
	}
	for ; p != nil; p = p.parent {
		if p.name != names[p.depth-1] {
			return false
		}
	}
	return true
}

// node returns what stands at a place of a tree, or nil.
func (p *Place) node(t *Tree) *Node {
	if p == nil {
		return t.Root
	}
	dir := p.parent.node(t)
	if dir == nil || !dir.IsDir() {
		return nil
	}
	return dir.Child(p.name)
}
