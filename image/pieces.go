package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"ingot/internal/grammar"
	"ingot/internal/lanes"
)

// PieceSize is the size of the pieces that [HashPieces] hashes on their own.
const PieceSize = 1 << 20

// A Sum is a SHA-256 digest.
type Sum [sha256.Size]byte

// String returns the digest in hexadecimal.
func (s Sum) String() string { return hex.EncodeToString(s[:]) }

// Pieces holds the digests of the pieces of [PieceSize] that some bytes consist of,
// the last of which may be short. It leaves out pieces of zeros, whose digest is known. So
// the holes of a disk cost nothing, and all processors can help with its data.
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
	return hashPieces(ctx, m, m.size, m.nextData, o)
}

// HashPiecesOf is [HashPieces] for bytes that no Map describes, such as those of a written
// image.
func HashPiecesOf(ctx context.Context, r io.ReaderAt, size int64, o WriteOptions) (*Pieces, error) {
	return hashPieces(ctx, r, size, func(off int64) int64 { return off }, o)
}

func hashPieces(ctx context.Context, r io.ReaderAt, size int64, nextData func(off int64) int64, o WriteOptions) (*Pieces, error) {
	g, ctx := errgroup.WithContext(ctx)
	var mu sync.Mutex
	next, p := int64(0), &Pieces{size: size}
	take := func() (int64, int64) { // the next piece that may hold data
		mu.Lock()
		defer mu.Unlock()
		at := next * PieceSize
		if at < size {
			at = nextData(at)
		}
		if at < size {
			i := at / PieceSize
			next = i + 1
			return i, min(PieceSize, size-i*PieceSize)
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
					err = fmt.Errorf("ends after %s of %d: %w", grammar.Count(i*PieceSize+int64(got), "byte"), size, io.ErrUnexpectedEOF)
				}
				return err
			}
			o.progress(n)
			if isZero(buf[:n]) {
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
	for range workers {
		g.Go(work)
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	slices.SortFunc(p.data, func(a, b pieceSum) int { return int(a.index - b.index) })
	return p, nil
}

// Digest returns the SHA-256 of the concatenated SHA-256 digests of the pieces. For a file
// this prints it:
//
//	split -b 1M --filter='sha256sum | cut -c1-64' FILE | xxd -r -p | sha256sum
func (p *Pieces) Digest() Sum {
	sum, _, _ := p.part(context.Background(), 0, p.size)
	return sum
}

// DigestWithin is [Pieces.Digest] until ctx is done. For a disk of exabytes, all zeros, that
// takes days.
func (p *Pieces) DigestWithin(ctx context.Context) (Sum, error) {
	sum, _, err := p.part(ctx, 0, p.size)
	return sum, err
}

// Part returns the Digest of the n bytes at off, and false if it does not follow from the
// pieces: off must be a multiple of PieceSize, and so must n unless the part reaches to the
// end.
func (p *Pieces) Part(off, n int64) (Sum, bool) {
	sum, ok, _ := p.part(context.Background(), off, n)
	return sum, ok
}

func (p *Pieces) part(ctx context.Context, off, n int64) (Sum, bool, error) {
	if off%PieceSize != 0 || n%PieceSize != 0 && off+n != p.size || off+n > p.size {
		return Sum{}, false, nil
	}
	h := sha256.New()
	empty := sha256.Sum256(zeros)
	i, _ := slices.BinarySearchFunc(p.data, off/PieceSize, func(x pieceSum, at int64) int { return int(x.index - at) })
	for at := off / PieceSize; at*PieceSize < off+n; at++ {
		if at%(1<<16) == 0 && ctx.Err() != nil {
			return Sum{}, false, context.Cause(ctx)
		}
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
	return Sum(h.Sum(nil)), true, nil
}
