package cache

import (
	"bufio"
	"compress/flate"
	"compress/zlib"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"ingot/internal/printable"
	"ingot/storedb/compression"
)

// codings are what Content-Encoding may say (RFC 9110, section 8.4.1, and what Nix sends
// and reads beyond it), with the method of package compression.
var codings = map[string]string{
	"gzip": "gzip", "x-gzip": "gzip", "br": "br", "zstd": "zstd", "xz": "xz", "bzip2": "bzip2",
	"deflate": "", // which no cache compresses NARs with
}

const codingNames = "gzip, deflate, br, zstd, xz and bzip2"

// maxCodings is how many a message may have over each other.
const maxCodings = 4

// codingError is a message whose coding is not read.
type codingError struct{ file, coding string }

func (e *codingError) Error() string {
	return fmt.Sprintf("%s: comes with the Content-Encoding %s, which is not read: %s are", e.file, printable.Quote(e.coding), codingNames)
}

// coded returns the codings of a message, the last applied first.
func coded(h http.Header) []string {
	var names []string
	for name := range strings.SplitSeq(strings.Join(h.Values("Content-Encoding"), ","), ",") {
		name, _, _ = strings.Cut(name, ";") // parameters are none of the header's; Nix passes over them
		if name = strings.ToLower(strings.TrimSpace(name)); name != "" && name != "identity" {
			names = append(names, name)
		}
	}
	slices.Reverse(names)
	return names
}

// decoded is what a message holds.
type decoded struct {
	io.Reader
	layers []io.Closer // the outermost last
}

var _ io.ReadCloser = (*decoded)(nil)

// Close closes the message's body as well.
func (d *decoded) Close() error {
	var err error
	for _, c := range slices.Backward(d.layers) {
		err = c.Close()
	}
	return err
}

// decode takes off the codings of the body of file, which Close of what it returns closes;
// after an error it is closed.
func decode(file string, names []string, body io.ReadCloser) (_ io.ReadCloser, err error) {
	d := &decoded{body, []io.Closer{body}}
	defer func() {
		if err != nil {
			d.Close()
		}
	}()
	for _, name := range names {
		if _, ok := codings[name]; !ok {
			return nil, &codingError{file, name}
		}
	}
	if len(names) > maxCodings {
		return nil, &codingError{file, strings.Join(names, ", ")}
	}
	for _, name := range names {
		var layer io.ReadCloser
		if method := codings[name]; method != "" {
			layer, err = compression.Open(method, d.Reader)
		} else {
			layer, err = inflate(d.Reader)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: Content-Encoding: %w", file, err)
		}
		d.Reader, d.layers = layer, append(d.layers, layer)
	}
	return d, nil
}

// inflate reads the coding "deflate": zlib, or without its header and checksum as some servers
// send it (RFC 9110, section 8.4.1.2).
func inflate(r io.Reader) (io.ReadCloser, error) {
	b := bufio.NewReader(r)
	head, err := b.Peek(2)
	if err != nil && err != io.EOF {
		return nil, err
	}
	const deflated = 8 // the method, in the lower half of the first byte; the two are a multiple of 31
	if len(head) == 2 && head[0]&0x0f == deflated && (int(head[0])<<8|int(head[1]))%31 == 0 {
		return zlib.NewReader(b)
	}
	return flate.NewReader(b), nil
}
