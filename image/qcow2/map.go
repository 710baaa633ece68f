package qcow2

import (
	"context"
	"encoding/binary"

	"ingot/image"
)

// Map returns the disk in a qcow2 file as a Map, so that whatever takes one takes an
// image, too: clusters are parts of the file, those that are compressed are decompressed
// when they are read, and what the file does not hold is no extent. The L2 tables are
// read for it, no data; that takes time and memory in proportion to the file, whatever size
// its disk has, and ends when ctx does.
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
	last image.Extent // not added yet; nothing at first
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
		// What is compressed, lies where nothing can lie, or is cut off by the end of the
		// file: the Reader knows what to make of it.
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
