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

func (r run) end() int64 { return r.off + r.n }

// runs yields the n bytes of m at off as runs of data and holes in turn. Holes that
// are not worth telling count as data.
func runs(m *image.Map, off, n int64) iter.Seq[run] {
	return func(yield func(run) bool) {
		data := run{off: off} // so far
		end := off + n
		for l := range m.Leaves(off, n) {
			if l.Off-data.end() < hole {
				data.n = l.End() - data.off
				continue
			}
			if data.n > 0 && !yield(data) {
				return
			}
			if !yield(run{data.end(), l.Off - data.end(), true}) {
				return
			}
			data = run{off: l.Off, n: l.Len}
		}
		rest := end - data.end()
		if rest > 0 && rest < hole && data.n > 0 {
			data.n, rest = data.n+rest, 0
		}
		if data.n > 0 && !yield(data) {
			return
		}
		if rest > 0 {
			yield(run{data.end(), rest, true})
		}
	}
}
