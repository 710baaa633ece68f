package image

import (
	"context"
	"errors"
	"testing"
)

// TestHashPiecesOfNothing: what a disk of 2 EiB does not hold takes no time, and what its
// digest takes ends with the context. It would be days.
func TestHashPiecesOfNothing(t *testing.T) {
	var b Builder
	b.Add(1<<60+5, Bytes("data"), nil)
	m, err := b.Map(1 << 61)
	if err != nil {
		t.Fatal(err)
	}
	read := int64(0)
	p, err := HashPieces(t.Context(), m, WriteOptions{Workers: 1, Progress: func(n int64) { read += n }})
	if err != nil || read != PieceSize {
		t.Fatalf("HashPieces: %v, %d bytes were read; want one piece of %d", err, read, int64(PieceSize))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.DigestWithin(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("DigestWithin = %v; want context.Canceled", err)
	}
}
