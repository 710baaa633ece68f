package volume

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"ingot/image"
)

// A Probe reads the places of a volume where signatures lie.
type Probe struct {
	image.Blob
	head []byte // the first bytes
	err  error  // of reading
}

// probeHead is how many bytes are read at once: most signatures lie there.
const probeHead = 4 << 10

// NewProbe returns one that looks at b.
func NewProbe(b image.Blob) *Probe {
	p := &Probe{Blob: b}
	p.head = p.Bytes(0, int(min(probeHead, b.Size())))
	return p
}

// Err returns what could not be read. From then on nothing is found.
func (p *Probe) Err() error { return p.err }

// Bytes returns n bytes at off, or nil if they are not there.
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

// ReadAt implements [io.ReaderAt] for those who look for a signature by themselves.
func (p *Probe) ReadAt(b []byte, off int64) (int, error) {
	got := p.Bytes(off, len(b))
	if got == nil {
		return 0, io.ErrUnexpectedEOF
	}
	return copy(b, got), nil
}

// Has says whether a text lies at off.
func (p *Probe) Has(off int64, text string) bool { return string(p.Bytes(off, len(text))) == text }

// Text returns a label of at most n bytes: it ends at a zero byte or at the end of its
// field, and spaces that fill the field are no part of it.
func (p *Probe) Text(off int64, n int) string {
	field, _, _ := bytes.Cut(p.Bytes(off, n), []byte{0})
	return strings.TrimRight(string(field), " ")
}

// UUID returns the identifier that lies at off as blkid spells it, or "" for zeros.
func (p *Probe) UUID(off int64) string {
	u := p.Bytes(off, 16)
	if len(bytes.Trim(u, "\x00")) == 0 {
		return ""
	}
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// Magic returns a [Kind.Identify] that looks for one of some texts at a place.
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

// If returns a [Kind.Identify] from a question.
func If(found func(*Probe) bool) func(*Probe) (ID, bool) {
	return func(p *Probe) (ID, bool) { return ID{}, found(p) }
}
