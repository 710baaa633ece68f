// Package compression opens what archives and binary caches are compressed with:
//
//	r, err := compression.Open("xz", f)
//	defer r.Close()
//
// A stream is read strictly: its checksums hold, it is complete, and nothing but
// further streams of its kind follows it. What it grows to is for the reader to bound.
// Memory is bounded here: a zstd window of 128 MiB is the most, as it is for zstd(1).
package compression

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// methods are the ways to compress, with what their streams begin with.
var methods = []struct {
	name  string
	magic string
	open  func(io.Reader) (io.ReadCloser, error)
}{
	{"none", "", func(r io.Reader) (io.ReadCloser, error) { return io.NopCloser(r), nil }},
	{"xz", "\xfd7zXZ\x00", func(r io.Reader) (io.ReadCloser, error) {
		x, err := xz.NewReader(r)
		return closing(x, err)
	}},
	{"zstd", "\x28\xb5\x2f\xfd", openZstd},
	{"bzip2", "BZh", func(r io.Reader) (io.ReadCloser, error) { return io.NopCloser(bzip2.NewReader(r)), nil }},
	{"gzip", "\x1f\x8b", func(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) }},
}

// MagicSize is how many bytes [Detect] needs.
const MagicSize = 6

const maxWindow = 128 << 20

// openZstd decodes in one goroutine: many streams are read at once where it matters.
func openZstd(r io.Reader) (io.ReadCloser, error) {
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, err
	}
	return z.IOReadCloser(), nil
}

func closing(r io.Reader, err error) (io.ReadCloser, error) {
	if err != nil {
		return nil, err
	}
	return io.NopCloser(r), nil
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
	return "none"
}

// Open returns what r holds, decompressed by the method of that name. The caller
// closes it; r stays open.
func Open(name string, r io.Reader) (io.ReadCloser, error) {
	for _, m := range methods {
		if m.name != name {
			continue
		}
		if name != "none" { // decoders read byte by byte
			r = bufio.NewReaderSize(r, 64<<10)
		}
		d, err := m.open(r)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, tidy(err))
		}
		return &decoder{d, name}, nil
	}
	return nil, fmt.Errorf("compression %q is not supported: %s are", name, strings.Join(Names(), ", "))
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
