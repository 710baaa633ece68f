package lanes

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
)

const blockSize = sha256.BlockSize

// digest is a stream that a member of a group hashes: FIPS 180-4, section 6.2.
type digest struct {
	group *Group
	state [8]uint32
	rest  [blockSize]byte // of what was written: what is no whole block
	n     int             // of rest
	len   uint64          // of all that was written
	request
}

// New returns a hash for a goroutine that has joined the group.
func (g *Group) New() hash.Hash {
	if !wide {
		return sha256.New()
	}
	d := &digest{group: g}
	d.request.state, d.done = &d.state, make(chan struct{}, 1)
	d.Reset()
	return d
}

func (d *digest) Size() int      { return sha256.Size }
func (d *digest) BlockSize() int { return blockSize }

func (d *digest) Reset() {
	d.state = [8]uint32{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}
	d.n, d.len = 0, 0
}

func (d *digest) Write(p []byte) (int, error) {
	written := len(p)
	d.len += uint64(written)
	if d.n > 0 {
		n := copy(d.rest[d.n:], p)
		if d.n += n; d.n < blockSize {
			return written, nil
		}
		sequential(&d.state, d.rest[:])
		p = p[n:]
	}
	whole := len(p) &^ (blockSize - 1)
	d.p = p[:whole]
	d.group.hash(&d.request)
	d.p = nil
	d.n = copy(d.rest[:], p[whole:])
	return written, nil
}

// Sum appends the digest of what was written so far.
func (d *digest) Sum(b []byte) []byte {
	state, end := d.state, [2 * blockSize]byte{}
	n := copy(end[:], d.rest[:d.n])
	end[n] = 0x80
	size := blockSize
	if n+1+8 > blockSize {
		size *= 2
	}
	binary.BigEndian.PutUint64(end[size-8:], d.len*8)
	sequential(&state, end[:size])
	for _, word := range state {
		b = binary.BigEndian.AppendUint32(b, word)
	}
	return b
}
