package image

import (
	"fmt"
	"io"
)

// A Blob is an immutable run of bytes of known length. ReadAt follows
// [io.ReaderAt] and may be called from several goroutines at once.
//
// The kinds that exist are [Bytes], [*File], the results of [Section], [BlobOf] and
// [Computed], and [*Map] itself. Consumers may look for *File and *Map to do
// better than ReadAt; they must treat any other kind as opaque.
type Blob interface {
	io.ReaderAt
	Size() int64
}

// Bytes is a Blob in memory.
type Bytes []byte

var _ Blob = Bytes(nil)

// Size returns the number of bytes.
func (b Bytes) Size() int64 { return int64(len(b)) }

// ReadAt implements [io.ReaderAt].
func (b Bytes) ReadAt(p []byte, off int64) (int, error) {
	return readWithin(p, off, b.Size(), func(p []byte) (int, error) { return copy(p, b[off:]), nil })
}

// readWithin implements ReadAt for a Blob of the given size: read fills the part of p that
// lies within the Blob. The error is [io.EOF] if that is not all of p.
func readWithin(p []byte, off, size int64, read func(p []byte) (int, error)) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read at negative offset %d", off)
	}
	if off >= size {
		return 0, io.EOF
	}
	within := p[:min(int64(len(p)), size-off)]
	n, err := read(within)
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

// section is a part of another Blob. Consumers resolve it, so that a part of a file is still
// a range of that file.
type section struct {
	src    Blob
	off, n int64
}

// Section returns the n bytes of b that start at off. It panics if they do not lie within b,
// which is an error of the caller.
func Section(b Blob, off, n int64) Blob {
	if off < 0 || n < 0 || off > b.Size()-n {
		panic(fmt.Sprintf("section of %d bytes at %d from a blob of %d", n, off, b.Size()))
	}
	if off == 0 && n == b.Size() {
		return b
	}
	switch b := b.(type) {
	case section:
		return section{b.src, b.off + off, n}
	case Bytes:
		return b[off : off+n : off+n]
	}
	return section{b, off, n}
}

func (s section) Size() int64 { return s.n }

func (s section) ReadAt(p []byte, off int64) (int, error) {
	return readWithin(p, off, s.n, func(p []byte) (int, error) {
		n, err := s.src.ReadAt(p, s.off+off)
		if n == len(p) && err == io.EOF {
			err = nil // the source ends where the section does
		}
		return n, err
	})
}

// sized is a Blob of a reader without a size.
type sized struct {
	io.ReaderAt
	size int64
}

func (s sized) Size() int64 { return s.size }

// BlobOf returns the first size bytes of r as a Blob. If r is a Blob itself, the result is a
// [Section] of it, which consumers resolve.
func BlobOf(r io.ReaderAt, size int64) Blob {
	if b, ok := r.(Blob); ok && size >= 0 && size <= b.Size() {
		return Section(b, 0, size)
	}
	return sized{r, size}
}

// computed is a Blob that makes its bytes on each read.
type computed struct {
	size int64
	fill func(p []byte, off int64) error
}

// Computed returns a Blob of the given size whose bytes fill makes on demand. It is for large
// structures that follow from values in memory, such as inode tables. fill gets a zeroed p
// that lies within the Blob, must be a pure function of off, and may run in several
// goroutines at once.
func Computed(size int64, fill func(p []byte, off int64) error) Blob {
	return computed{size, fill}
}

func (c computed) Size() int64 { return c.size }

func (c computed) ReadAt(p []byte, off int64) (int, error) {
	return readWithin(p, off, c.size, func(p []byte) (int, error) {
		clear(p)
		if err := c.fill(p, off); err != nil {
			return 0, err
		}
		return len(p), nil
	})
}

// Hole returns a Map of n zero bytes. It takes no space in formats with holes, also as part of
// another Map.
func Hole(n int64) *Map { return &Map{size: n} }

// ReadFull fills p with the bytes of r from off on. The error is [io.ErrUnexpectedEOF] where
// r ends before.
func ReadFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	switch {
	case err != nil && err != io.EOF:
		return err
	case n < len(p):
		return io.ErrUnexpectedEOF
	}
	return nil
}

// ReadAll returns all bytes of b, which must fit into memory.
func ReadAll(b Blob) ([]byte, error) {
	p := make([]byte, b.Size())
	return p, ReadFull(b, p, 0)
}
