package compression

import (
	"bufio"
	"errors"
	"io"

	"github.com/klauspost/compress/zstd"
)

const zstdMagic = "\x28\xb5\x2f\xfd"

// openZstd decodes in one goroutine: many streams are read at once where it matters.
func openZstd(r io.Reader, window int64) (io.ReadCloser, error) {
	in := bufio.NewReaderSize(r, 4096)
	var first zstd.Header // tells the number where the first frame is too large, as it is nearly always
	if head, _ := in.Peek(zstd.HeaderMaxSize); first.Decode(head) != nil {
		first = zstd.Header{}
	}
	z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(uint64(window)))
	if err != nil {
		return nil, err
	}
	return &zstdReader{z.IOReadCloser(), int64(first.WindowSize), window}, nil
}

type zstdReader struct {
	io.ReadCloser
	first, limit int64 // bytes of a window
}

// Read implements [io.Reader].
func (z *zstdReader) Read(p []byte) (int, error) {
	n, err := z.ReadCloser.Read(p)
	if errors.Is(err, zstd.ErrWindowSizeExceeded) || errors.Is(err, zstd.ErrDecoderSizeExceeded) {
		too := &LimitError{What: "a window", Limit: z.limit, Usual: "zstd -19 takes one of 8388608"}
		if z.first > z.limit {
			too.Size = z.first
		}
		err = too
	}
	return n, err
}
