package qcow2

import (
	"context"
	"encoding/binary"

	"ingot/image"
)

// Map returns the disk in a qcow2 file as a Map: clusters are parts of the file, reading
// decompresses compressed ones, and clusters that the file does not hold are no extents. It
// reads the L2 tables and no data, in time and memory in proportion to the file, whatever the
// size of its disk, until ctx ends.
func Map(ctx context.Context, file image.Blob) (*image.Map, error) {
	r, err := Open(file)
	if err != nil {
		return nil, err
	}
	m := mapper{Reader: r, file: file}
	for i := range r.l1 {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		if err := m.table(int64(i) * r.l2Span()); err != nil {
			return nil, err
		}
	}
	m.flush()
	return m.b.Map(r.size)
}

// mapper joins clusters that follow one another.
type mapper struct {
	*Reader
	file image.Blob
	b    image.Builder
	last image.Extent // not added yet; of no bytes at first
	read bool         // its source is the Reader
}

// table adds the clusters of one L2 table, whose part of the disk begins at guest.
func (m *mapper) table(guest int64) error {
	table, err := m.l2Table(guest)
	if err != nil {
		return err
	}
	for i := 0; i < len(table) && guest < m.size; i += entrySize {
		m.cluster(guest, binary.BigEndian.Uint64(table[i:]))
		guest += m.clusterSize()
	}
	return nil
}

func (m *mapper) cluster(guest int64, entry uint64) {
	n := min(m.clusterSize(), m.size-guest)
	host := int64(entry & offsetMask)
	switch {
	case entry&oflagCompressed == 0 && (host == 0 || m.version >= 3 && entry&oflagZero != 0):
		return
	case entry&oflagCompressed != 0, host%m.clusterSize() != 0, host > m.file.Size()-n:
		// The Reader handles clusters that are compressed, misplaced, or cut off by the end of
		// the file.
		m.extent(image.Extent{Off: guest, Len: n, Src: m.Reader, SrcOff: guest}, true)
	default:
		m.extent(image.Extent{Off: guest, Len: n, Src: m.file, SrcOff: host}, false)
	}
}

func (m *mapper) extent(e image.Extent, read bool) {
	if m.last.Len > 0 && m.read == read && m.last.End() == e.Off && m.last.SrcOff+m.last.Len == e.SrcOff {
		m.last.Len += e.Len
		return
	}
	m.flush()
	m.last, m.read = e, read
}

func (m *mapper) flush() {
	if m.last.Len > 0 {
		m.b.AddExtent(m.last)
	}
}
