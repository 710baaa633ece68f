package compression

import (
	"bufio"
	"compress/gzip"
	"io"
)

// gzipMagic begins a member, whose method is always the same (RFC 1952, section 2.3.1).
const gzipMagic = "\x1f\x8b\x08"

// gzipReader reads members until something else comes, which it passes over as gzip(1) and
// Nix do: signatures and padding are put there.
type gzipReader struct {
	in     *bufio.Reader
	member *gzip.Reader
}

var _ io.ReadCloser = (*gzipReader)(nil)

func openGzip(r io.Reader, _ int64) (io.ReadCloser, error) {
	g := &gzipReader{in: bufio.NewReader(r)}
	var err error
	if g.member, err = gzip.NewReader(g.in); err != nil {
		return nil, err
	}
	g.member.Multistream(false)
	return g, nil
}

func (g *gzipReader) Read(p []byte) (int, error) {
	for {
		n, err := g.member.Read(p)
		if err != io.EOF || n > 0 {
			if err == io.EOF {
				err = nil
			}
			return n, err
		}
		switch next, err := g.in.Peek(len(gzipMagic)); {
		case err != nil && err != io.EOF:
			return 0, err
		case string(next) != gzipMagic:
			if _, err := io.Copy(io.Discard, g.in); err != nil { // so that the sender comes to its end
				return 0, err
			}
			return 0, io.EOF
		}
		if err := g.member.Reset(g.in); err != nil {
			return 0, err
		}
		g.member.Multistream(false)
	}
}

// Close implements [io.Closer].
func (g *gzipReader) Close() error { return g.member.Close() }
