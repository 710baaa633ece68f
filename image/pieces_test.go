package image

import (
	"bytes"
	"context"
	"crypto/sha256"
	"testing"
)

// plainDigest is the definition of Pieces.Digest, spelled out.
func plainDigest(b []byte) Sum {
	h := sha256.New()
	for len(b) > 0 {
		n := min(len(b), PieceSize)
		sum := sha256.Sum256(b[:n])
		h.Write(sum[:])
		b = b[n:]
	}
	return Sum(h.Sum(nil))
}

func TestPieces(t *testing.T) {
	for _, size := range []int64{1, PieceSize - 1, PieceSize, PieceSize + 1, 5*PieceSize + 100} {
		var b Builder
		b.Add(0, Bytes("x"), nil)
		if size > 3*PieceSize {
			b.Add(2*PieceSize-3, Bytes("across"), nil)
		}
		m, err := b.Map(size)
		if err != nil {
			t.Fatal(err)
		}
		p, err := HashPieces(context.Background(), m, WriteOptions{Workers: 2})
		if err != nil {
			t.Fatal(err)
		}
		all, _ := ReadAll(m)
		if got, want := p.Digest(), plainDigest(all); got != want {
			t.Errorf("size %d: Digest = %s; want %s", size, got, want)
		}
		of, err := HashPiecesOf(context.Background(), bytes.NewReader(all), size, WriteOptions{})
		if err != nil || of.Digest() != p.Digest() {
			t.Errorf("size %d: HashPiecesOf differs: %v", size, err)
		}
		if size > 3*PieceSize {
			got, ok := p.Part(PieceSize, 2*PieceSize)
			if want := plainDigest(all[PieceSize : 3*PieceSize]); !ok || got != want {
				t.Errorf("Part = %s, %v; want %s", got, ok, want)
			}
			if _, ok := p.Part(5, PieceSize); ok {
				t.Error("Part of a range that no piece begins with is told")
			}
		}
	}
}
