package blocks

import (
	"fmt"
	"sort"

	"ingot/image"
)

// Runs are the blocks of a disk that hold data, in order. A file stores them in the same
// order, without gaps.
type Runs struct {
	List  []Run
	Count int64 // blocks in all runs
}

// A Run is Count blocks of the disk from the block Guest on. They are the stored blocks from
// Host on.
type Run struct{ Guest, Host, Count int64 }

// Add appends the blocks from one number up to another. They begin where the last run ends, or
// behind it.
func (r *Runs) Add(from, to int64) {
	if n := len(r.List); n > 0 && from == r.List[n-1].Guest+r.List[n-1].Count {
		r.List[n-1].Count += to - from
	} else {
		r.List = append(r.List, Run{Guest: from, Host: r.Count, Count: to - from})
	}
	r.Count += to - from
}

// Find returns which of the stored blocks a block of the disk is, and false if it is none.
func (r *Runs) Find(block int64) (stored int64, ok bool) {
	at := sort.Search(len(r.List), func(k int) bool { return r.List[k].Guest+r.List[k].Count > block })
	if at == len(r.List) || r.List[at].Guest > block {
		return 0, false
	}
	return r.List[at].Host + block - r.List[at].Guest, true
}

// Place adds the blocks of a disk, which have size bytes each, to a file from the byte at on.
func (r *Runs) Place(file *image.Builder, at int64, disk *image.Map, size int64) {
	file.Grow(len(r.List))
	for _, run := range r.List {
		guest := run.Guest * size
		file.AddExtent(image.Extent{
			Off: at + run.Host*size, Len: min(run.Count*size, disk.Size()-guest), Src: disk, SrcOff: guest,
		})
	}
}

// maxWidth is how many bytes a number of [Numbers] may have.
const maxWidth = 8

// Numbers returns a Blob of n numbers of width bytes each, which put makes when they are read.
func Numbers(n int64, width int, put func(p []byte, i int64)) image.Blob {
	w := int64(width)
	return image.Computed(n*w, func(p []byte, off int64) error {
		var one [maxWidth]byte
		for len(p) > 0 {
			put(one[:width], off/w)
			n := copy(p, one[off%w:width])
			p, off = p[n:], off+int64(n)
		}
		return nil
	})
}

// CheckSize refuses a disk that is larger than a format holds. Sizes are in bytes.
func CheckSize(format string, size, most int64) error {
	if size > most {
		return fmt.Errorf("a disk of %d bytes is too large for %s, which holds %d", size, format, most)
	}
	return nil
}
