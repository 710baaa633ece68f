package image

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"ingot/internal/grammar"
	"ingot/internal/printable"
)

// A Flaw is a part of an image that a reader could not take over as recorded: one file, one
// directory, one attribute. The rest of the [Tree] is right.
type Flaw struct {
	Path string // of the file or directory, absolute, as [Place.String] shows it
	Err  error
	// Lost says that the Tree lacks a file, entries of a directory, or contents
	// ([Unreadable]). Otherwise the reader found a substitute, such as another name.
	Lost bool

	place *Place // Path may have escapes, or be cut
}

// Error implements error.
func (f *Flaw) Error() string { return printable.Name(f.Path) + ": " + f.Err.Error() }

// Unwrap returns what is wrong, without the path.
func (f *Flaw) Unwrap() error { return f.Err }

// Node returns the node of a Tree at the flaw's place, or nil.
func (f *Flaw) Node(t *Tree) *Node { return f.place.node(t) }

// maxFlaws is how many flaws of one kind a Tree lists. A damaged image can have millions.
const maxFlaws = 1000

// Flaws are the first flaws of a [Tree], and the number of all.
type Flaws struct {
	list       []*Flaw
	lost, kept int // numbers of all flaws, with and without a loss
}

// Add adds a flaw at a place.
func (f *Flaws) Add(place *Place, err error, lost bool) {
	n := &f.kept
	if lost {
		n = &f.lost
	}
	if *n++; *n <= maxFlaws {
		f.list = append(f.list, &Flaw{place.String(), err, lost, place})
	}
}

// List returns up to a thousand flaws with a loss and as many others, in the order in which
// they were added.
func (f *Flaws) List() []*Flaw { return f.list }

// Count returns the number of all flaws.
func (f *Flaws) Count() int { return f.lost + f.kept }

// Complete returns nil if the Tree has everything of the image at an absolute path and below
// it, else the first [Flaw] with a loss.
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

// Unreadable returns a Blob of the given size whose ReadAt returns an error. It stands for the
// contents of a file that a reader cannot read.
func Unreadable(size int64, err error) Blob { return unreadable{size, err} }

// Unread returns the error of a file whose Data is [Unreadable], or nil.
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

// Allocated returns how many bytes of b are not holes, in whole blocks of the given size. Maps,
// their parts and Blobs with Map's method Allocated have holes; of others it is the size. It
// limits the work for a hostile image: its maker can choose any size, but has to provide these
// bytes.
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

// A ReadError says that a reader's source has failed, which ends all reading. It is no flaw of
// one file.
type ReadError struct{ Err error }

func (e *ReadError) Error() string { return e.Err.Error() }

// Unwrap returns the source's error.
func (e *ReadError) Unwrap() error { return e.Err }

// EndsReading says whether an error ends the reading of a whole tree, and is no [Flaw] of it:
// a [ReadError], or a [DepthError].
func EndsReading(err error) bool {
	if err == nil { // for most files, which saves the allocations of errors.As
		return false
	}
	var source *ReadError
	var depth *DepthError
	return errors.As(err, &source) || errors.As(err, &depth)
}
