package image

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"sort"
	"strings"

	"ingot/internal/printable"
)

// A Map is the bytes that an image will hold: a size, and extents that say where
// bytes come from. Bytes that no extent covers are zero. A Map does not change, and may be
// used by several goroutines.
//
// A Map is a [Blob], so an extent of one Map may take its bytes from another: a
// disk is a Map of a few extents, one of which is the Map of a whole file system.
type Map struct {
	size    int64
	extents []Extent        // sorted, not empty, not overlapping
	ctx     context.Context // ends ReadAt, unless it is nil
}

var _ Blob = (*Map)(nil)

// An Extent is a run of Len bytes at Off that are the bytes of Src from SrcOff on.
type Extent struct {
	Off, Len int64
	Src      Blob
	SrcOff   int64
	Owner    *Owner // nil if it is not known
}

// End returns the offset of the first byte after the extent.
func (e Extent) End() int64 { return e.Off + e.Len }

// Owner is the name of an extent's bytes, for messages: "superblock", or the path of a file.
// Paths are chains, since the files of a directory share its path.
type Owner struct {
	Parent *Owner
	Name   string
}

// String returns the names from the outermost on, joined by slashes.
func (o *Owner) String() string {
	if o == nil {
		return ""
	}
	if o.Parent == nil {
		return o.Name
	}
	var names []string
	for p := o; p != nil; p = p.Parent {
		names = append(names, p.Name)
	}
	slices.Reverse(names)
	return strings.Join(names, "/")
}

// A Builder collects the extents of a Map, in any order. The zero value is ready.
type Builder struct{ extents []Extent }

// Grow makes room for n more extents.
func (b *Builder) Grow(n int) { b.extents = slices.Grow(b.extents, n) }

// Add places all of src at off. An empty src adds nothing.
func (b *Builder) Add(off int64, src Blob, owner *Owner) {
	if n := src.Size(); n > 0 {
		b.AddExtent(Extent{Off: off, Len: n, Src: src, Owner: owner})
	}
}

// AddExtent places an extent; Len must be positive and lie within Src.
func (b *Builder) AddExtent(e Extent) {
	if s, ok := e.Src.(section); ok {
		e.Src, e.SrcOff = s.src, e.SrcOff+s.off
	}
	b.extents = append(b.extents, e)
}

// Map returns the Map of all added extents. It refuses extents that overlap, or that reach
// beyond size or beyond their Blob. The Builder must not be used again.
func (b *Builder) Map(size int64) (*Map, error) {
	byOffset := func(x, y Extent) int { return cmp.Compare(x.Off, y.Off) }
	if !slices.IsSortedFunc(b.extents, byOffset) {
		slices.SortFunc(b.extents, byOffset)
	}
	end := int64(0)
	for i, e := range b.extents {
		switch {
		case e.Len <= 0 || e.SrcOff < 0 || e.SrcOff > e.Src.Size()-e.Len:
			return nil, fmt.Errorf("extent %s: %d bytes from %d of a source of %d", e.describe(), e.Len, e.SrcOff, e.Src.Size())
		case e.Off < end && i > 0:
			return nil, fmt.Errorf("extent %s overlaps extent %s", e.describe(), b.extents[i-1].describe())
		case e.Off < 0 || e.Off > size-e.Len:
			return nil, fmt.Errorf("extent %s reaches beyond the %d bytes of the map", e.describe(), size)
		}
		end = e.End()
	}
	return &Map{size: size, extents: b.extents}, nil
}

func (e Extent) describe() string {
	s := fmt.Sprintf("[%d, %d)", e.Off, e.End())
	if e.Owner != nil {
		s += " of " + printable.Name(e.Owner.String())
	}
	return s
}

// MapOf returns a Map of all of b, in one extent.
func MapOf(b Blob, owner *Owner) *Map {
	var whole Builder
	whole.Add(0, b, owner)
	return &Map{size: b.Size(), extents: whole.extents}
}

// Until returns m with a ReadAt that fails once ctx is done. It ends readers that take no
// context.
func (m *Map) Until(ctx context.Context) *Map { return &Map{m.size, m.extents, ctx} }

// Size returns the number of bytes, zeros included.
func (m *Map) Size() int64 { return m.size }

// Extents returns the Map's own extents, without resolving nested Maps. The slice must not be
// changed.
func (m *Map) Extents() []Extent { return m.extents }

// Overlay returns m with its bytes at off replaced by src, which must lie within m.
func (m *Map) Overlay(off int64, src Blob, owner *Owner) (*Map, error) {
	end := off + src.Size()
	b := Builder{extents: make([]Extent, 0, len(m.extents)+2)}
	for _, e := range m.extents {
		if e.Off < off {
			head := e
			head.Len = min(e.End(), off) - e.Off
			b.extents = append(b.extents, head)
		}
		if e.End() > end {
			tail := e
			skip := max(end-e.Off, 0)
			tail.Off, tail.SrcOff, tail.Len = e.Off+skip, e.SrcOff+skip, e.Len-skip
			b.extents = append(b.extents, tail)
		}
	}
	b.Add(off, src, owner)
	return b.Map(m.size)
}

// A Leaf is an extent whose source is not a Map: its bytes lie in memory, in a file of the
// host, or are computed.
type Leaf struct {
	Extent
	// Within are the owners of the Maps around the extent, outermost first, such as the
	// partition of a file on a disk.
	Within []*Owner
}

// Describe returns the names of the leaf's owners, outermost first.
func (l Leaf) Describe() string {
	var s []string
	for _, o := range l.Within {
		if o != nil {
			s = append(s, o.String())
		}
	}
	if l.Owner != nil {
		s = append(s, l.Owner.String())
	}
	return strings.Join(s, ": ")
}

// Leaves yields, in order of their offsets, all leaf extents that touch the n bytes
// at off, cut to them. It resolves nested Maps and their holes: the bytes between two leaves
// are zero.
func (m *Map) Leaves(off, n int64) iter.Seq[Leaf] {
	return func(yield func(Leaf) bool) {
		m.leaves(off, n, 0, nil, yield)
	}
}

// leaves yields the leaves of [off, off+n), with shift added to their offsets.
func (m *Map) leaves(off, n, shift int64, within []*Owner, yield func(Leaf) bool) bool {
	i := m.search(off)
	for ; i < len(m.extents) && m.extents[i].Off < off+n; i++ {
		e := m.extents[i]
		if cut := off - e.Off; cut > 0 {
			e.Off, e.SrcOff, e.Len = e.Off+cut, e.SrcOff+cut, e.Len-cut
		}
		e.Len = min(e.Len, off+n-e.Off)
		src, srcOff := e.Src, e.SrcOff
		if s, ok := src.(section); ok {
			src, srcOff = s.src, srcOff+s.off
		}
		if inner, ok := src.(*Map); ok {
			in := append(within[:len(within):len(within)], e.Owner)
			if !inner.leaves(srcOff, e.Len, shift+e.Off-srcOff, in, yield) {
				return false
			}
			continue
		}
		e.Src, e.SrcOff = src, srcOff
		e.Off += shift
		if !yield(Leaf{e, within}) {
			return false
		}
	}
	return true
}

// read fills p, which is as long as l, with its bytes.
func (l Leaf) read(p []byte) error {
	if err := ReadFull(l.Src, p, l.SrcOff); err != nil {
		return l.wrap(err)
	}
	return nil
}

// wrap adds the part of the Map to an error.
func (l Leaf) wrap(err error) error {
	what := l.Describe()
	if what == "" {
		what = fmt.Sprintf("bytes [%d, %d)", l.Off, l.End())
	}
	return fmt.Errorf("%s: %w", printable.Name(what), err)
}

// search returns the first extent that ends after off.
func (m *Map) search(off int64) int {
	return sort.Search(len(m.extents), func(i int) bool { return m.extents[i].End() > off })
}

// ReadAt implements [io.ReaderAt].
func (m *Map) ReadAt(p []byte, off int64) (int, error) {
	if m.ctx != nil && m.ctx.Err() != nil {
		return 0, m.ctx.Err()
	}
	return readWithin(p, off, m.size, func(p []byte) (int, error) {
		at := off
		for l := range m.Leaves(off, int64(len(p))) {
			clear(p[at-off : l.Off-off])
			if err := l.read(p[l.Off-off : l.End()-off]); err != nil {
				return int(l.Off - off), err
			}
			at = l.End()
		}
		clear(p[at-off:])
		return len(p), nil
	})
}

// Allocated returns how many bytes the extents of m cover, each rounded to whole blocks of the
// given size: the space of a sparse copy on a disk with such blocks.
func (m *Map) Allocated(block int64) int64 { return m.allocated(0, m.size, block) }

// allocated is [Map.Allocated] of the n bytes at off alone.
func (m *Map) allocated(off, n, block int64) int64 {
	total, end := int64(0), off
	for l := range m.Leaves(off, n) {
		from, to := max(off+(l.Off-off)/block*block, end), off+(l.End()-off+block-1)/block*block
		if to > from {
			total += to - from
			end = to
		}
	}
	return total
}
