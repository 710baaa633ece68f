package compression

import (
	"errors"
	"io"

	"github.com/mikelolasagasti/xz"
)

// Package xz is XZ Embedded in Go: it compares all checks and sizes with what it reads, and its
// dictionary, of bounded size, serves all blocks. That of ulikunitz/xz, with one for each block,
// took 1.7 GB for 468 KB.

const xzMagic = "\xfd7zXZ\x00"

var errDamaged = errors.New("is damaged")

// openXZ reads any number of streams, whose blocks share one dictionary.
func openXZ(r io.Reader, limit int64) (io.ReadCloser, error) {
	x, err := xz.NewReader(r, uint32(limit))
	if err != nil {
		return nil, xzError(err, limit)
	}
	return io.NopCloser(&xzReader{x, limit}), nil
}

type xzReader struct {
	*xz.Reader
	limit int64 // of a dictionary's bytes
}

// Read implements [io.Reader].
func (x *xzReader) Read(p []byte) (int, error) {
	n, err := x.Reader.Read(p)
	return n, xzError(err, x.limit)
}

func xzError(err error, limit int64) error {
	switch err {
	case xz.ErrMemlimit:
		return &LimitError{What: "a dictionary", Limit: limit, Usual: "xz -9 takes one of 67108864"}
	case xz.ErrBuf:
		return io.ErrUnexpectedEOF
	case xz.ErrData:
		return errDamaged
	case xz.ErrOptions:
		return errors.New("has a filter or an option that is not read: LZMA2 and the filters delta, x86, powerpc, ia64, arm, armthumb and sparc are")
	case xz.ErrUnsupportedCheck:
		return errors.New("has checks of an unknown kind")
	case xz.ErrFormat:
		return errors.New("what follows is no stream of xz")
	}
	return err
}
