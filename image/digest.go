package image

import (
	"context"
	"crypto/sha256"
)

// SHA256 returns the SHA-256 of all bytes of m, zeros included. Reading runs ahead in
// parallel, so that it takes as long as the hash function needs for m.Size() bytes.
func SHA256(ctx context.Context, m *Map, o WriteOptions) (Sum, error) {
	h := sha256.New()
	if err := Stream(ctx, m, h, o); err != nil {
		return Sum{}, err
	}
	return Sum(h.Sum(nil)), nil
}
