package image

import (
	"fmt"
	"slices"
	"strings"

	"ingot/internal/printable"
)

// MaxDepth is the greatest depth of a file's directory in an image or archive from outside.
// PATH_MAX of Linux, 4096 bytes, has room for as many names of one byte, each with its slash;
// no bootable system has a path a tenth as long. Without a limit, recursion over a Tree would
// run out of stack.
const MaxDepth = 2048

// A DepthError says that a directory lies deeper than [MaxDepth].
type DepthError struct{ Depth int }

func (e *DepthError) Error() string {
	return fmt.Sprintf("lies %d directories deep; at most %d are read", e.Depth, MaxDepth)
}

// A Place is a path in a tree of files, for readers. It is a chain of names, since strings for
// the paths of nested directories would take their depth times their names of memory. Nil is
// the root.
type Place struct {
	parent *Place
	name   string
	depth  int
}

// In returns the place of a name in a directory.
func (p *Place) In(name string) *Place { return &Place{p, name, p.Depth() + 1} }

// Enter is [Place.In] for a directory. It refuses one deeper than [MaxDepth] with a
// [DepthError], which does not name it.
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

// maxSpelled is the longest result of Place.String before it is escaped, in bytes.
const maxSpelled = 4096

// String returns the absolute path for messages: with escapes for control characters, and cut
// in its middle if it has more than 4096 bytes.
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

// meets says whether p and the path with the given names are equal, or one lies within the
// other.
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

// node returns the node of a tree at the place, or nil.
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
