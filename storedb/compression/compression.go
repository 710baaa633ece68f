// Package compression opens what archives and binary caches are compressed with:
//
//	r, err := compression.Open("xz", f)
//	defer r.Close()
//
// A stream is read strictly: its checksums hold, it is complete, and nothing but
// further streams of its kind follows it, or nothing at all, behind Brotli ("br") and the
// LZMA of the first SDK ("lzma"), which have no checksum; what follows gzip and is none is
// passed over, as gzip(1) does. What it grows to is for the reader to bound.
// Memory is bounded here: a window of zstd, or a dictionary of xz, has at most
// [MaxWindow] bytes, which is what zstd(1) reads without being told to take more.
package compression

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"fmt"
	"io"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/pierrec/lz4/v4"

	"ingot/internal/printable"
)

// methods are the ways to compress, with what their streams begin with. Those that look
// back further than a fixed length are told how many bytes they may keep for it.
var methods = []struct {
	name  string
	magic string
	open  func(r io.Reader, window int64) (io.ReadCloser, error)
}{
	{"none", "", func(r io.Reader, _ int64) (io.ReadCloser, error) { return io.NopCloser(r), nil }},
	{"xz", xzMagic, openXZ},
	{"zstd", zstdMagic, openZstd},
	{"bzip2", "BZh", func(r io.Reader, _ int64) (io.ReadCloser, error) { return io.NopCloser(bzip2.NewReader(r)), nil }},
	{"gzip", "\x1f\x8b", openGzip},
	{"lzip", lzipMagic, openLzip},
	{"lz4", "\x04\x22\x4d\x18", func(r io.Reader, _ int64) (io.ReadCloser, error) { return io.NopCloser(lz4.NewReader(r)), nil }},
	{"br", "", func(r io.Reader, _ int64) (io.ReadCloser, error) { return io.NopCloser(brotli.NewReader(r)), nil }},
	{"lzma", "", openLZMA},
}

// MagicSize is how many bytes [Detect] needs.
const MagicSize = lzmaHeaderSize

// MaxWindow is how many bytes of what it has unpacked a stream can look back to. What looks
// back further is refused with a [LimitError].
const MaxWindow = 128 << 20

// A LimitError says that a stream asks for more memory than it gets.
type LimitError struct {
	What  string // that is too large
	Size  int64  // in bytes; 0 where it is only known to be more than Limit
	Limit int64  // in bytes
	Usual string // what others do with
}

func (e *LimitError) Error() string {
	size := fmt.Sprintf("%d", e.Size)
	if e.Size == 0 {
		size = fmt.Sprintf("more than %d", e.Limit)
	}
	return fmt.Sprintf("asks for %s of %s bytes; at most %d are given: compress it anew with a smaller one (%s)", e.What, size, e.Limit, e.Usual)
}

// Names returns the methods that are known, "none" among them.
func Names() []string {
	var names []string
	for _, m := range methods {
		names = append(names, m.name)
	}
	return names
}

// Detect returns the method whose streams begin as head does, else "none".
func Detect(head []byte) string {
	for _, m := range methods {
		if m.magic != "" && bytes.HasPrefix(head, []byte(m.magic)) {
			return m.name
		}
	}
	if isLZMA(head) {
		return "lzma"
	}
	return "none"
}

// Open returns what r holds, decompressed by the method of that name. The caller
// closes it; r stays open.
func Open(name string, r io.Reader) (io.ReadCloser, error) { return openWithin(name, r, MaxWindow) }

func openWithin(name string, r io.Reader, window int64) (io.ReadCloser, error) {
	for _, m := range methods {
		if m.name != name {
			continue
		}
		if name != "none" { // decoders read byte by byte
			r = bufio.NewReaderSize(r, 64<<10)
		}
		d, err := m.open(r, window)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, tidy(err))
		}
		return &decoder{d, name}, nil
	}
	return nil, fmt.Errorf("compression %s is not supported: %s are", printable.Quote(name), strings.Join(Names(), ", "))
}

// decoder says in its errors what it decodes.
type decoder struct {
	io.ReadCloser
	name string
}

func (d *decoder) Read(p []byte) (int, error) {
	n, err := d.ReadCloser.Read(p)
	if err != nil && err != io.EOF && d.name != "none" {
		err = fmt.Errorf("%s: %w", d.name, tidy(err))
	}
	return n, err
}

// tidy makes an early end one, whatever the decoder calls it.
func tidy(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
