package image

import (
	"context"
	"crypto/sha256"
	"hash"
)

// Digest feeds all bytes of m to h, in order, zeros included. Reading runs ahead in
// parallel, so that it takes as long as the hash function needs for m.Size() bytes.
func Digest(ctx context.Context, m *Map, h hash.Hash, o WriteOptions) error {
	return Stream(ctx, m, h, o)
}

// SHA256 returns the SHA-256 of all bytes of m.
func SHA256(ctx context.Context, m *Map, o WriteOptions) (Sum, error) {
	h := sha256.New()
	if err := Digest(ctx, m, h, o); err != nil {
		return Sum{}, err
	}
	return Sum(h.Sum(nil)), nil
}
