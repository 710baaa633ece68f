package tarstream

import (
	"archive/tar"
	"bytes"
	"io"
	"testing"
)

// TestCut cuts an archive at each byte of what fills up its last file, and at its end.
func TestCut(t *testing.T) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	const size = 700
	w.WriteHeader(&tar.Header{Name: "f", Size: size, Mode: 0o644})
	w.Write(make([]byte, size))
	w.Flush() // without the two blocks of zeros that end it
	whole := b.Bytes()
	if len(whole) != 3*blockSize {
		t.Fatalf("the archive has %d bytes; want %d", len(whole), 3*blockSize)
	}
	for n := blockSize + size; n <= len(whole); n++ {
		want := io.ErrUnexpectedEOF
		if n == len(whole) {
			want = io.EOF
		}
		for name, r := range map[string]io.Reader{
			"a stream":    io.MultiReader(bytes.NewReader(whole[:n])),
			"a seekable ": bytes.NewReader(whole[:n]),
		} {
			in := NewReader(r)
			if h, err := in.Next(); err != nil || h.Name != "f" {
				t.Fatalf("%s of %d bytes: Next() = %v, %v", name, n, h, err)
			}
			if got, err := io.Copy(io.Discard, in); got != size || err != nil {
				t.Errorf("%s of %d bytes: %d bytes of the file, %v; want %d", name, n, got, err, size)
			}
			if _, err := in.Next(); err != want {
				t.Errorf("%s of %d bytes: Next() = %v; want %v", name, n, err, want)
			}
		}
	}
}
