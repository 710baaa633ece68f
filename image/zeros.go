package image

import (
	"bytes"
	"context"
	"os"
)

// DataRuns finds the blocks of m that hold anything but zeros and calls take, in order, with
// each run of them: the blocks from one number up to another. The last block may be cut short
// by the end of m. It is for formats whose bytes depend on which blocks are stored. It reads
// the data, since holes of files and of Maps depend on how these were written. The size of a
// block divides [PieceSize].
//
// Several goroutines read, but of most blocks no more than 4 KiB: if these are not zeros, the
// rest does not matter. Progress and Workers of the options count; progress adds up to
// m.Size().
func DataRuns(ctx context.Context, m *Map, block int64, o WriteOptions, take func(from, to int64)) error {
	fill := func(c *chunk) (err error) {
		c.result, err = m.dataRuns(c, block)
		return err
	}
	emit := func(c *chunk) error {
		o.progress(c.n)
		if runs, ok := c.result.([]blockRun); ok { // nothing has filled what is zero
			for _, r := range runs {
				take(r.from, r.to)
			}
		}
		return nil
	}
	return inOrder(ctx, o, m.chunks(m.nextRead), fill, emit)
}

// blockRun is the blocks from one number up to another.
type blockRun struct{ from, to int64 }

// dataRuns returns the blocks of one chunk that hold data.
func (m *Map) dataRuns(c *chunk, block int64) (runs []blockRun, err error) {
	holds := m.blockHolds
	if !m.cheap(c.off, c.n) {
		if _, err := m.ReadAt(c.buf, c.off); eofIsFine(err) != nil {
			return nil, err
		}
		holds = func(_ int64, p []byte) (bool, error) { return !isZero(p), nil }
	}
	for at := int64(0); at < c.n; at += block {
		held, err := holds(c.off+at, c.buf[at:min(at+block, c.n)])
		if err != nil {
			return nil, err
		}
		i := (c.off + at) / block
		switch {
		case !held:
		case len(runs) > 0 && runs[len(runs)-1].to == i:
			runs[len(runs)-1].to++
		default:
			runs = append(runs, blockRun{i, i + 1})
		}
	}
	return runs, nil
}

// blockHolds says whether the len(p) bytes at off hold anything but zeros. It reads into p.
func (m *Map) blockHolds(off int64, p []byte) (bool, error) {
	for l := range m.Leaves(off, int64(len(p))) {
		for _, n := range []int64{min(l.Len, hostBlock), l.Len} {
			part := l
			part.Len = n
			q := p[:n]
			if err := part.read(q); err != nil {
				return false, err
			}
			if !isZero(q) {
				return true, nil
			}
			if n == l.Len {
				break
			}
		}
	}
	return false, nil
}

// cheap says whether reading the n bytes at off in small parts costs no more than reading
// them at once. With a Blob that decompresses, it does.
func (m *Map) cheap(off, n int64) bool {
	for l := range m.Leaves(off, n) {
		switch src := l.Src.(type) {
		case *File, Bytes, computed:
		case sized:
			if _, ok := src.ReaderAt.(*os.File); !ok {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// isZero says whether p, which is no longer than a piece, is all zeros.
func isZero(p []byte) bool { return bytes.Equal(p, zeros[:len(p)]) }

// nextRead is nextData that also passes over the holes of large files, which saves reading
// terabytes of zeros.
func (m *Map) nextRead(off int64) int64 {
	for l := range m.Leaves(off, m.size-off) {
		f, ok := l.Src.(*File)
		if !ok || l.Len < gather {
			return l.Off
		}
		h, err := f.Open()
		if err != nil {
			return l.Off // the reading will fail
		}
		from, to := dataWithin(int(h.Fd()), l.SrcOff, l.SrcOff+l.Len)
		h.Close()
		if from < to {
			return l.Off + from - l.SrcOff
		}
	}
	return 1<<63 - 1
}
