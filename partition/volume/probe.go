package volume

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"ingot/image"
)

// A Probe reads the signatures of a volume.
type Probe struct {
	image.Blob
	head []byte // the first bytes
	err  error  // of reading
}

// probeHead is how many bytes NewProbe reads: they contain most signatures.
const probeHead = 4 << 10

// NewProbe returns a Probe of b.
func NewProbe(b image.Blob) *Probe {
	p := &Probe{Blob: b}
	p.head = p.Bytes(0, int(min(probeHead, b.Size())))
	return p
}

// Err returns the first error of reading, after which the Probe finds nothing.
func (p *Probe) Err() error { return p.err }

// Bytes returns n bytes at off, or nil if the volume is shorter.
func (p *Probe) Bytes(off int64, n int) []byte {
	if p.err != nil || off < 0 || off > p.Size()-int64(n) {
		return nil
	}
	if end := off + int64(n); end <= int64(len(p.head)) {
		return p.head[off:end]
	}
	b := make([]byte, n)
	if p.err = image.ReadFull(p.Blob, b, off); p.err != nil {
		return nil
	}
	return b
}

// ReadAt implements [io.ReaderAt], for functions that search signatures themselves.
func (p *Probe) ReadAt(b []byte, off int64) (int, error) {
	got := p.Bytes(off, len(b))
	if got == nil {
		return 0, io.ErrUnexpectedEOF
	}
	return copy(b, got), nil
}

// Has reports whether a text is at off.
func (p *Probe) Has(off int64, text string) bool { return string(p.Bytes(off, len(text))) == text }

// Text returns the label in a field of n bytes. It ends before the first zero byte, and
// without trailing spaces.
func (p *Probe) Text(off int64, n int) string {
	field, _, _ := bytes.Cut(p.Bytes(off, n), []byte{0})
	return strings.TrimRight(string(field), " ")
}

// UUID returns the identifier at off as blkid prints it, or "" for zeros.
func (p *Probe) UUID(off int64) string {
	u := p.Bytes(off, 16)
	if len(bytes.Trim(u, "\x00")) == 0 {
		return ""
	}
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// Magic returns a [Kind.Identify] that accepts one of several texts at off.
func Magic(off int64, texts ...string) func(*Probe) (ID, bool) {
	return func(p *Probe) (ID, bool) {
		for _, t := range texts {
			if p.Has(off, t) {
				return ID{}, true
			}
		}
		return ID{}, false
	}
}

// If returns a [Kind.Identify] from a function that finds no identifiers.
func If(found func(*Probe) bool) func(*Probe) (ID, bool) {
	return func(p *Probe) (ID, bool) { return ID{}, found(p) }
}
