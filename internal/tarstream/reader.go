// Package tarstream reads tar archives to their very end.
//
// The reader of archive/tar passes over the bytes that fill up the last block of a file
// even where the archive ends before them. So an archive that was cut there looks whole.
// A [Reader] says io.ErrUnexpectedEOF of it, as GNU tar and bsdtar do.
package tarstream

import (
	"archive/tar"
	"io"
)

// blockSize is that of tar in bytes: headers, and contents with what fills them up, are whole
// blocks (POSIX.1-2017, pax, "ustar Interchange Format").
const blockSize = 512

// A Reader is a [tar.Reader] that finds out where an archive ends within a block.
type Reader struct {
	*tar.Reader
	position func() (int64, error) // in the archive, in bytes
}

// NewReader returns a Reader of an archive. What can seek stands at the archive's beginning,
// a multiple of 512 bytes; contents that nobody reads are skipped by seeking then.
func NewReader(r io.Reader) *Reader {
	if s, ok := r.(io.Seeker); ok {
		return &Reader{tar.NewReader(r), func() (int64, error) { return s.Seek(0, io.SeekCurrent) }}
	}
	c := &counter{Reader: r}
	return &Reader{tar.NewReader(c), func() (int64, error) { return c.n, nil }}
}

// Next is that of [tar.Reader], but for an archive that ends within a block:
// io.ErrUnexpectedEOF.
func (r *Reader) Next() (*tar.Header, error) {
	h, err := r.Reader.Next()
	if err != io.EOF {
		return h, err
	}
	at, err := r.position()
	if err != nil {
		return nil, err
	}
	if at%blockSize != 0 {
		return nil, io.ErrUnexpectedEOF
	}
	return nil, io.EOF
}

// counter counts the bytes that are read.
type counter struct {
	io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}
