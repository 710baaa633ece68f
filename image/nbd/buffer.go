package nbd

import "sync"

// maxChunk is how many bytes a chunk of a structured reply holds at most.
const maxChunk = 256 << 10

// buffer holds a reply. Buffers of up to a chunk are used again: collecting the garbage of a
// gigabyte of replies took as long as copying them.
type buffer struct {
	p    []byte
	kept *[pooled]byte
}

const pooled = maxChunk + 64

var buffers = sync.Pool{New: func() any { return new([pooled]byte) }}

// newBuffer returns a buffer of n bytes, not cleared.
func newBuffer(n int) buffer {
	if n > pooled {
		return buffer{p: make([]byte, n)}
	}
	kept := buffers.Get().(*[pooled]byte)
	return buffer{kept[:n], kept}
}

func (b buffer) free() {
	if b.kept != nil {
		buffers.Put(b.kept)
	}
}
