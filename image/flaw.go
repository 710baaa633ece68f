package image

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"ingot/internal/grammar"
	"ingot/internal/printable"
)

// A Flaw is what a reader could not take over as an image records it: one file, one
// directory, one attribute. What else the [Tree] says is right.
type Flaw struct {
	Path string // of the file or directory, absolute, as [Place.String] shows it
	Err  error
	// Lost says that the Tree lacks something: a file, some entries of a directory, contents
	// ([Unreadable]). Where nothing is lost, the reader helped itself: with another name, say.
	Lost bool

	place *Place // Path may have escapes, or be cut
}

// Error implements error.
func (f *Flaw) Error() string { return printable.Name(f.Path) + ": " + f.Err.Error() }

// Unwrap returns what is wrong, without the path.
func (f *Flaw) Unwrap() error { return f.Err }

// Node returns what stands in a Tree where the flaw is, nil if nothing does.
func (f *Flaw) Node(t *Tree) *Node { return f.place.node(t) }

// maxFlaws is how many flaws of one kind a Tree lists. A damaged image can have millions.
const maxFlaws = 1000

// Flaws are what readers add to a [Tree]: the first ones, and the number of the others.
type Flaws struct {
	list       []*Flaw
	lost, kept int // how many there were in all
}

// Add notes a flaw of what stands at a place.
func (f *Flaws) Add(place *Place, err error, lost bool) {
	n := &f.kept
	if lost {
		n = &f.lost
	}
	if *n++; *n <= maxFlaws {
		f.list = append(f.list, &Flaw{place.String(), err, lost, place})
	}
}

// List returns the flaws in the order in which they were found, up to a thousand with
// something lost and as many others.
func (f *Flaws) List() []*Flaw { return f.list }

// Count returns the number of all flaws.
func (f *Flaws) Count() int { return f.lost + f.kept }

// Complete returns nil where the Tree holds all that the image has at an absolute path and
// below it, and otherwise the first [Flaw] by which something is lost.
func (t *Tree) Complete(name string) error {
	name = path.Clean("/" + name)
	var names []string
	if name != "/" {
		names = strings.Split(name[1:], "/")
	}
	for _, f := range t.Flaws.list {
		if f.Lost && f.place.meets(names) && (f.place.Depth() >= len(names) || t.Lookup(name) == nil) {
			return f
		}
	}
	if more := t.Flaws.lost - maxFlaws; more > 0 {
		return fmt.Errorf("%s: %s of the image are not read, and these are not all known by name", printable.Name(name), grammar.Count(t.Flaws.lost, "file"))
	}
	return nil
}

// Unreadable returns a Blob of the given size whose bytes cannot be had: reading any of
// them is the error. It stands for the contents of a file that a reader knows of and cannot
// read.
func Unreadable(size int64, err error) Blob { return unreadable{size, err} }

// Unread returns why the contents of a file cannot be had, where its Data is [Unreadable].
func (n *Node) Unread() error {
	u, _ := n.Data.(unreadable)
	return u.err
}

type unreadable struct {
	size int64
	err  error
}

func (u unreadable) Size() int64 { return u.size }

// ReadAt implements [io.ReaderAt].
func (u unreadable) ReadAt(p []byte, off int64) (int, error) {
	return readWithin(p, off, u.size, func([]byte) (int, error) { return 0, u.err })
}

// Allocated returns how many bytes of b are no holes, in whole blocks of the given size,
// and the size of a Blob that does not tell: [Map], a part of one, and what has the method
// Allocated of Map do. What an image costs whoever made it is this and not its size.
func Allocated(b Blob, block int64) int64 {
	switch b := b.(type) {
	case interface{ Allocated(block int64) int64 }:
		return b.Allocated(block)
	case section:
		if m, ok := b.src.(*Map); ok {
			return m.allocated(b.off, b.n, block)
		}
	}
	return b.Size()
}

// A ReadError says that what a reader reads from has failed, which ends all reading: it is
// nothing that is wrong with one file.
type ReadError struct{ Err error }

func (e *ReadError) Error() string { return e.Err.Error() }

// Unwrap returns what has failed.
func (e *ReadError) Unwrap() error { return e.Err }

// EndsReading says whether an error ends the reading of a whole tree, and is no [Flaw] of it:
// a [ReadError], or a [DepthError].
func EndsReading(err error) bool {
	if err == nil { // as of most files: what errors.As fills is on the heap
		return false
	}
	var source *ReadError
	var depth *DepthError
	return errors.As(err, &source) || errors.As(err, &depth)
}
