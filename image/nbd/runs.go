package nbd

import (
	"iter"

	"ingot/image"
)

// run is a part of the disk that is zero, or that may hold data.
type run struct {
	off, n int64
	zero   bool
}

// runs yields the n bytes of m at off as runs of data and of holes in turn. Holes shorter
// than [hole] count as data.
func runs(m *image.Map, off, n int64) iter.Seq[run] {
	return joined(func(yield func(run) bool) {
		at := off
		for l := range m.Leaves(off, n) {
			if gap := l.Off - at; gap > 0 && !yield(run{at, gap, gap >= hole}) {
				return
			}
			if !yield(run{l.Off, l.Len, false}) {
				return
			}
			at = l.End()
		}
		if rest := off + n - at; rest > 0 {
			yield(run{at, rest, rest >= hole || at == off})
		}
	})
}

// joined makes neighbours of one kind one run.
func joined(all iter.Seq[run]) iter.Seq[run] {
	return func(yield func(run) bool) {
		var last run
		for r := range all {
			if last.n > 0 && last.zero == r.zero {
				last.n += r.n
				continue
			}
			if last.n > 0 && !yield(last) {
				return
			}
			last = r
		}
		if last.n > 0 {
			yield(last)
		}
	}
}
