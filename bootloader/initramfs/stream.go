package initramfs

import (
	"bufio"
	"io"

	"ingot/image"
)

// bufferSize is how much is read or unpacked at a time.
const bufferSize = 128 << 10

func newBuffer(r io.Reader) *bufio.Reader { return bufio.NewReaderSize(r, bufferSize) }

// A stream is the bytes of archives.
type stream struct {
	u    *unpacker
	r    *bufio.Reader
	data image.Blob // that r reads from, for what is not compressed; else nil
	end  int64      // of what r has taken from data
}

// seek has the stream of a blob go on at an offset.
func (s *stream) seek(at int64) {
	s.end = at
	s.r.Reset(rawReader{s})
}

// rawReader reads the blob of a stream, and advances its end.
type rawReader struct{ s *stream }

func (r rawReader) Read(p []byte) (int, error) {
	left := r.s.data.Size() - r.s.end
	if left <= 0 {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), left)]
	if err := image.ReadFull(r.s.data, p, r.s.end); err != nil {
		return 0, err
	}
	r.s.end += int64(len(p))
	return len(p), nil
}

// offset returns where the stream stands in its blob.
func (s *stream) offset() int64 { return s.end - int64(s.r.Buffered()) }

// count notes that n bytes are read.
func (s *stream) count(n int64) error {
	if s.u.unpacked += n; s.u.unpacked > maxUnpacked {
		return &LimitError{"bytes", maxUnpacked}
	}
	return nil
}

// read fills p.
func (s *stream) read(p []byte) error {
	if err := s.count(int64(len(p))); err != nil {
		return err
	}
	_, err := io.ReadFull(s.r, p)
	return ended(err, false)
}

// skip passes over n bytes. What is not compressed is not even read.
func (s *stream) skip(n int64) error {
	if s.data != nil && n > int64(s.r.Buffered()) {
		at := s.offset() + n
		if at > s.data.Size() {
			return io.ErrUnexpectedEOF
		}
		s.seek(at)
		return nil
	}
	if err := s.count(n); err != nil {
		return err
	}
	_, err := s.r.Discard(int(n))
	return ended(err, false)
}

// skipZeros passes over zeros, of which any number may stand between archives. At the end of
// the data it is no error.
func (s *stream) skipZeros() error {
	for {
		b, err := s.r.Peek(1)
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		case b[0] != 0:
			return nil
		}
		b, _ = s.r.Peek(s.r.Buffered())
		n := 0
		for n < len(b) && b[n] == 0 {
			n++
		}
		if err := s.count(int64(n)); err != nil {
			return err
		}
		if _, err := s.r.Discard(n); err != nil {
			return err
		}
	}
}

// readerOf reads a stream and counts.
func readerOf(s *stream) io.Reader { return counted{s} }

type counted struct{ s *stream }

func (c counted) Read(p []byte) (int, error) {
	n, err := c.s.r.Read(p)
	if e := c.s.count(int64(n)); e != nil {
		return n, e
	}
	return n, err
}
