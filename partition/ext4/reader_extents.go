package ext4

import "fmt"

// blockRun are n blocks of a file from its block logical on, which are contiguous on disk from
// block physical on.
type blockRun struct{ logical, physical, n int64 }

// runs returns the runs of a file, in order. Blocks that are missing, or were allocated and
// never written, are holes.
func (w *walk) runs(f *fileInode) ([]blockRun, error) {
	m := blockMap{walk: w, seed: inodeSeed(w.seed, f.number, f.generation)}
	var err error
	if f.flags&inodeFlagExtents != 0 {
		err = m.extents(f.block[:], "i_block", -1)
	} else {
		err = m.indirect(f)
	}
	return m.runs, err
}

// blockMap collects the runs of one file.
type blockMap struct {
	*walk
	seed uint32
	runs []blockRun
	next int64 // the next possible logical block
}

// add appends a run, or extends the last one.
func (m *blockMap) add(r blockRun) error {
	if err := m.within(r.physical, r.n); err != nil {
		return fmt.Errorf("file block %d: %w", r.logical, err)
	}
	m.next = r.logical + r.n
	if n := len(m.runs); n > 0 {
		if l := &m.runs[n-1]; l.logical+l.n == r.logical && l.physical+l.n == r.physical {
			l.n += r.n
			return nil
		}
	}
	m.runs = append(m.runs, r)
	return nil
}

// extents reads a node of an extent tree. depth is its level according to the node above, or -1
// for the root in the inode.
func (m *blockMap) extents(p []byte, where string, depth int) error {
	if magic := half(p, 0); magic != extentMagic {
		return fmt.Errorf("extents in %s: the magic number is %#04x, not %#04x", where, magic, extentMagic)
	}
	entries, most, level := int(half(p, 2)), int(half(p, 4)), int(half(p, 6))
	switch {
	case entries > most || (most+1)*extentEntrySize > len(p):
		return fmt.Errorf("extents in %s: %d entries of %d in %d bytes", where, entries, most, len(p))
	case level > maxExtentDepth:
		return fmt.Errorf("extents in %s: a node of level %d; the highest is %d", where, level, maxExtentDepth)
	case depth >= 0 && level != depth:
		return fmt.Errorf("extents in %s: a node of level %d in place of %d", where, level, depth)
	case level > 0 && entries == 0:
		return fmt.Errorf("extents in %s: an interior node without entries", where)
	}
	if depth >= 0 && m.checksums {
		if err := m.checkExtents(p, where, (most+1)*extentEntrySize); err != nil {
			return err
		}
	}
	for i := range entries {
		e := p[(i+1)*extentEntrySize:][:extentEntrySize]
		logical := int64(word(e, 0))
		if logical < m.next {
			return fmt.Errorf("extents in %s: file block %d comes after %d", where, logical, m.next-1)
		}
		var err error
		if level > 0 {
			err = m.below(e, where, level-1)
		} else {
			err = m.extent(e, logical)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (m *blockMap) extent(e []byte, logical int64) error {
	n := int64(half(e, 4))
	physical := int64(half(e, 6))<<32 | int64(word(e, 8))
	switch {
	case n == 0:
		return fmt.Errorf("file block %d: an extent of no blocks", logical)
	case n > extentMaxLen: // allocated, not written: zeros
		m.next = logical + n - extentMaxLen
		return nil
	}
	return m.add(blockRun{logical, physical, n})
}

// below reads the node of an index entry.
func (m *blockMap) below(e []byte, where string, depth int) error {
	block := int64(half(e, 8))<<32 | int64(word(e, 4))
	p, err := m.metadata(block)
	if err != nil {
		return fmt.Errorf("extents below %s: %w", where, err)
	}
	return m.extents(p, fmt.Sprintf("block %d", block), depth)
}

// metadata reads a block that must belong to this file alone.
func (m *blockMap) metadata(block int64) ([]byte, error) {
	if err := m.take(block, 1); err != nil {
		return nil, err
	}
	p := make([]byte, m.blockSize)
	return p, m.readBlock(p, block)
}

// checkExtents verifies the checksum in the tail, which is behind the space for entries.
func (m *blockMap) checkExtents(p []byte, where string, tail int) error {
	if tail+4 > len(p) {
		return fmt.Errorf("extents in %s: no room for their checksum", where)
	}
	if got, want := crc32c(m.seed, p[:tail]), word(p, tail); got != want && !m.unchecked {
		return fmt.Errorf("extents in %s: checksum is %#08x, but it says %#08x", where, got, want)
	}
	return nil
}

// indirect reads the block map of ext2 and ext3: the numbers of twelve blocks, and three trees
// of one, two and three levels.
func (m *blockMap) indirect(f *fileInode) error {
	end := ceilDiv(f.size, m.blockSize)
	if end == 0 || f.flags&inodeFlagInlineData != 0 {
		return nil
	}
	if err := m.addresses(f.block[:4*directBlocks], 0, end, 0); err != nil {
		return err
	}
	logical, span := int64(directBlocks), int64(1)
	for level := 1; level <= 3; level++ {
		span *= m.blockSize / 4
		if err := m.address(int64(word(f.block[:], 4*(directBlocks+level-1))), logical, end, span, level); err != nil {
			return err
		}
		logical += span
	}
	return nil
}

// addresses reads block numbers, each for the same number of blocks of the file.
func (m *blockMap) addresses(p []byte, logical, end int64, level int) error {
	span := int64(1)
	for range level {
		span *= m.blockSize / 4
	}
	for off := 0; off < len(p); off += 4 {
		if err := m.address(int64(word(p, off)), logical, end, span, level); err != nil {
			return err
		}
		logical += span
	}
	return nil
}

// address follows one block number: at level 0 of a block of the file, above of a block of
// block numbers.
func (m *blockMap) address(block, logical, end, span int64, level int) error {
	if block == 0 || logical >= end {
		return nil
	}
	if level == 0 {
		return m.add(blockRun{logical, block, 1})
	}
	p, err := m.metadata(block)
	if err != nil {
		return fmt.Errorf("block map of file blocks [%d, %d): %w", logical, logical+span, err)
	}
	return m.addresses(p, logical, end, level-1)
}
