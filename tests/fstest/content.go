package fstest

import (
	"encoding/binary"

	"ingot/image"
)

// Content returns a Blob of n bytes that hardly ever are zero, and that differ for
// every seed. It takes no memory.
func Content(seed uint64, n int64) image.Blob {
	if n <= 64 {
		p := make([]byte, n)
		fill(seed, p, 0)
		return image.Bytes(p)
	}
	return image.Computed(n, func(p []byte, off int64) error {
		fill(seed, p, off)
		return nil
	})
}

// fill computes the bytes from off on: each word is a hash of its place.
func fill(seed uint64, p []byte, off int64) {
	var word [8]byte
	for i := 0; i < len(p); {
		at := off + int64(i)
		binary.LittleEndian.PutUint64(word[:], mix(seed^uint64(at/8)<<20))
		i += copy(p[i:], word[at%8:])
	}
}

// mix is the finalizer of splitmix64.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Sparse returns a Blob of n bytes that holds data only in the given runs, each a
// pair of offset and length in bytes.
func Sparse(seed uint64, n int64, runs ...[2]int64) image.Blob {
	var b image.Builder
	b.Grow(len(runs))
	for i, r := range runs {
		b.Add(r[0], Content(seed+uint64(i), r[1]), nil)
	}
	m, err := b.Map(n)
	if err != nil {
		panic(err) // the runs are written down in this package's own tables
	}
	return m
}

// ReadDamaged reads what may be damaged: all metadata, and so many bytes of files, since what
// is damaged may lead to the same data again and again.
func ReadDamaged(r interface{ Tree() (*image.Tree, error) }) error {
	tree, err := r.Tree()
	if err == nil {
		err = tree.Complete("/")
	}
	if err != nil {
		return err
	}
	left := int64(1 << 20)
	return tree.Walk(func(_ string, n *image.Node) error {
		if n.Data == nil || n.Data.Size() > left {
			return nil
		}
		left -= n.Data.Size()
		_, err := image.ReadAll(n.Data)
		return err
	})
}
