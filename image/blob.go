package image

import (
	"fmt"
	"io"
)

// A Blob is an immutable run of bytes of known length. ReadAt follows
// [io.ReaderAt] and may be called from several goroutines at once.
//
// The kinds that exist are [Bytes], [*File], the results of [Section] and
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
	if off < 0 {
		return 0, fmt.Errorf("read at negative offset %d", off)
	}
	if off >= int64(len(b)) {
		return 0, io.EOF
	}
	n := copy(p, b[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// section is a part of another Blob. Consumers see through it, so that a part of
// a file is still a range of that file.
type section struct {
	src    Blob
	off, n int64
}

// Section returns the n bytes of b that start at off, or an empty Blob where
// they are none. It panics if they do not lie within b: the caller has just
// computed them.
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
	if off < 0 {
		return 0, fmt.Errorf("read at negative offset %d", off)
	}
	if off >= s.n {
		return 0, io.EOF
	}
	short := int64(len(p)) > s.n-off
	if short {
		p = p[:s.n-off]
	}
	n, err := s.src.ReadAt(p, s.off+off)
	if n == len(p) && (err == nil || err == io.EOF) {
		err = nil
		if short {
			err = io.EOF
		}
	}
	return n, err
}

// computed is a Blob whose bytes are made when they are read.
type computed struct {
	size int64
	fill func(p []byte, off int64) error
}

// Computed returns a Blob of the given size whose bytes fill makes on demand. It
// serves structures that are large and follow from what is in memory anyway, such
// as inode tables. fill gets a zeroed p that lies within the Blob, must be a pure
// function of off, and may run in several goroutines at once.
func Computed(size int64, fill func(p []byte, off int64) error) Blob {
	return computed{size, fill}
}

func (c computed) Size() int64 { return c.size }

func (c computed) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read at negative offset %d", off)
	}
	if off >= c.size {
		return 0, io.EOF
	}
	short := int64(len(p)) > c.size-off
	if short {
		p = p[:c.size-off]
	}
	clear(p)
	if err := c.fill(p, off); err != nil {
		return 0, err
	}
	if short {
		return len(p), io.EOF
	}
	return len(p), nil
}

// Hole returns a Blob of n zero bytes that takes no space where the format allows
// holes.
func Hole(n int64) Blob { return &Map{size: n} }

// ReadAll returns all bytes of b, which must fit into memory.
func ReadAll(b Blob) ([]byte, error) {
	p := make([]byte, b.Size())
	if len(p) == 0 {
		return p, nil
	}
	n, err := b.ReadAt(p, 0)
	if n == len(p) && (err == nil || err == io.EOF) {
		return p, nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return nil, err
}
