package image

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"sync"

	"ingot/internal/lanes"
)

// PieceSize is the size of the pieces that [HashPieces] hashes on their own.
const PieceSize = 1 << 20

// A Sum is a SHA-256 digest.
type Sum [sha256.Size]byte

// String returns the digest in hexadecimal.
func (s Sum) String() string { return hex.EncodeToString(s[:]) }

// Pieces holds the digests of the pieces of [PieceSize] that some bytes consist of,
// the last of which may be short. Pieces of zeros are not held: their digest is
// known, so that the digest of a disk costs what its data costs, not what its holes
// would, and can be taken by as many processors as there are.
type Pieces struct {
	size int64
	data []pieceSum // pieces that are not all zeros, in order
}

type pieceSum struct {
	index int64
	sum   Sum
}

var zeros = make([]byte, PieceSize)

// HashPieces reads m and returns the digests of its pieces. Only Progress and
// Workers of the options count.
func HashPieces(ctx context.Context, m *Map, o WriteOptions) (*Pieces, error) {
	return hashPieces(ctx, m, m.size, m.occupied, o)
}

// HashPiecesOf is [HashPieces] for bytes that are not described by a Map, such as
// those of an image that was written.
func HashPiecesOf(ctx context.Context, r io.ReaderAt, size int64, o WriteOptions) (*Pieces, error) {
	return hashPieces(ctx, r, size, func(off, n int64) bool { return true }, o)
}

// occupied says whether any leaf touches the n bytes at off.
func (m *Map) occupied(off, n int64) bool {
	for range m.Leaves(off, n) {
		return true
	}
	return false
}

func hashPieces(ctx context.Context, r io.ReaderAt, size int64, occupied func(off, n int64) bool, o WriteOptions) (*Pieces, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex
	next, p := int64(0), &Pieces{size: size}
	take := func() (int64, int64) { // the next piece that may hold data
		mu.Lock()
		defer mu.Unlock()
		for next*PieceSize < size {
			i := next
			n := min(PieceSize, size-i*PieceSize)
			next++
			if occupied(i*PieceSize, n) {
				return i, n
			}
		}
		return 0, 0
	}
	group := lanes.NewGroup()
	work := func() error {
		group.Join()
		defer group.Leave()
		buf, h := make([]byte, PieceSize), group.New()
		for {
			i, n := take()
			if n == 0 || ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if got, err := r.ReadAt(buf[:n], i*PieceSize); int64(got) < n {
				if err == nil || err == io.EOF {
					err = fmt.Errorf("ends after %d bytes of %d: %w", i*PieceSize+int64(got), size, io.ErrUnexpectedEOF)
				}
				return err // it names the file, and what the file is in the Map
			}
			if o.Progress != nil {
				o.Progress(n)
			}
			if bytes.Equal(buf[:n], zeros[:n]) {
				continue
			}
			h.Reset()
			h.Write(buf[:n])
			sum := Sum(h.Sum(nil))
			mu.Lock()
			p.data = append(p.data, pieceSum{i, sum})
			mu.Unlock()
		}
	}
	workers := o.Workers
	if workers == 0 {
		workers = group.Workers()
	}
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			if err := work(); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	slices.SortFunc(p.data, func(a, b pieceSum) int { return int(a.index - b.index) })
	return p, nil
}

// Digest returns the SHA-256 of the pieces' SHA-256 digests, one after the other. It
// is what this prints, for bytes in a file:
//
//	split -b 1M --filter='sha256sum | cut -c1-64' FILE | xxd -r -p | sha256sum
func (p *Pieces) Digest() Sum {
	sum, _ := p.Part(0, p.size)
	return sum
}

// Part returns the Digest that the n bytes at off would have on their own, and
// whether it can be told from the pieces: off must be a multiple of PieceSize, and
// so must n unless the part reaches to the end.
func (p *Pieces) Part(off, n int64) (Sum, bool) {
	if off%PieceSize != 0 || n%PieceSize != 0 && off+n != p.size || off+n > p.size {
		return Sum{}, false
	}
	h := sha256.New()
	empty := sha256.Sum256(zeros)
	i, _ := slices.BinarySearchFunc(p.data, off/PieceSize, func(x pieceSum, at int64) int { return int(x.index - at) })
	for at := off / PieceSize; at*PieceSize < off+n; at++ {
		switch length := min(PieceSize, off+n-at*PieceSize); {
		case i < len(p.data) && p.data[i].index == at:
			h.Write(p.data[i].sum[:])
			i++
		case length < PieceSize:
			sum := sha256.Sum256(zeros[:length])
			h.Write(sum[:])
		default:
			h.Write(empty[:])
		}
	}
	return Sum(h.Sum(nil)), true
}
