package ext4

import (
	"fmt"

	"ingot/image"
)

// sizer finds the geometry for a census. It lays out the census for each size that it tries:
// the number of blocks in extent trees depends on where the groups' metadata splits files, so
// that no estimate is exact. One layout takes about 10 ns per file.
type sizer struct {
	fs         FileSystem
	census     *census
	more       int64 // inodes to add if there is room
	geometry   geometry
	allocation allocation
}

// shortage is what a volume lacks for a census.
type shortage struct {
	blocks             int64 // 0 if only inodes are missing
	trees              int64 // blocks of extent trees, which another geometry may not need
	wantInodes, inodes int64 // the required number, and the largest possible one
}

// exactly lays out the census on a volume of size bytes.
func (s *sizer) exactly(size int64) error {
	lack := s.try(size/blockSize, 0, false)
	if lack == nil {
		s.addInodes(size / blockSize)
		return nil
	}
	if lack.blocks == 0 {
		return &image.TooSmallError{What: "inodes", Need: lack.wantInodes, Have: lack.inodes}
	}
	least := sizer{fs: s.fs, census: s.census}
	if err := least.fit(0); err != nil {
		return err
	}
	return &image.TooSmallError{What: "bytes", Need: least.geometry.blocks * blockSize, Have: size}
}

// addInodes lays out the census once more, with inodes for the free space of a volume of given
// size: as many as an empty volume would have or, if the tables of these would take more than a
// sixteenth of the free space, one for each [bytesPerInode] of it.
func (s *sizer) addInodes(blocks int64) {
	g, used := &s.geometry, s.census.inodesUsed()
	free := g.free - s.allocation.allocated - s.keep(0)
	have := g.groups * g.inodesPerGroup
	want := used + room(g.blocks) - firstInode
	if ceilDiv(want-have, inodesPerBlock) > free/16 {
		want = used + free*blockSize/bytesPerInode
	}
	if want <= have {
		return
	}
	s.more = want
	if s.try(blocks, 0, false) != nil {
		s.more = 0
		s.try(blocks, 0, false) // which succeeded before
	}
}

// fit lays out the census on the smallest volume with so many free bytes. Each failure returns
// a lower bound for the missing blocks, and the next size is larger by no more than that, so
// that fit misses no smaller size.
func (s *sizer) fit(free int64) error {
	for blocks := int64(minVolume / blockSize); blocks <= maxBlocks; {
		lack := s.try(blocks, free, true)
		if lack == nil {
			return nil
		}
		if lack.blocks == 0 { // more groups are necessary, for their inode tables
			lack.blocks = (ceilDiv(lack.wantInodes, maxInodesPerGroup)-1)*blocksPerGroup + 1 - blocks
		}
		blocks = lack.next(blocks)
	}
	return fmt.Errorf("the tree and %d bytes of free space need more than the %d bytes that ext4 allows", free, int64(maxVolume))
}

// next returns the smallest size above blocks that may suffice. A larger volume may need fewer
// blocks: extent trees can be smaller if the groups' metadata splits files elsewhere, and with
// one more group each inode table, which is rounded up, may need one block less.
func (lack *shortage) next(blocks int64) int64 {
	next := blocks + max(lack.blocks-lack.trees, 1)
	if groups := ceilDiv(blocks, blocksPerGroup); next > groups*blocksPerGroup {
		next = max(next-ceilDiv(next, blocksPerGroup), groups*blocksPerGroup+1)
	}
	return next
}

// try lays out the census on a volume of so many blocks. It returns nil on success. If whole is
// set, the file system must use all blocks; otherwise it omits a last group that is too small.
func (s *sizer) try(blocks, free int64, whole bool) *shortage {
	g := newGeometry(blocks, func(blocks int64) int64 { return s.inodes(blocks, free) }, s.fs.descSize())
	if g.blocks == 0 || whole && g.short > 0 {
		return &shortage{blocks: g.short}
	}
	if want, have := s.inodes(g.blocks, free), g.groups*g.inodesPerGroup; have < want {
		return &shortage{wantInodes: want, inodes: have}
	}
	g.journal = s.fs.journal(g.blocks)
	s.geometry = g
	s.allocation.allocate(s.census, &g)
	if lack := s.allocation.allocated + s.keep(free) - g.free; lack > 0 {
		return &shortage{blocks: lack, trees: int64(len(s.allocation.trees))}
	}
	return nil
}

// inodes is the number of inodes for a volume of so many blocks: those of the tree, one for
// each [bytesPerInode] of requested free space, and those of a whole group, for a volume that
// grows into the rest of its last group; the latter only as far as the groups can hold them.
func (s *sizer) inodes(blocks, free int64) int64 {
	need := s.census.inodesUsed() + ceilDiv(free, bytesPerInode)
	most := ceilDiv(blocks, blocksPerGroup) * maxInodesPerGroup
	spare := max(need+min(blocks, roomOfGroup)-firstInode, room(blocks), s.more)
	return max(need, s.fs.Inodes, min(spare, most))
}

// journal is the number of blocks in the journal of a volume of so many blocks.
func (f FileSystem) journal(blocks int64) int64 {
	switch {
	case f.NoJournal:
		return 0
	case f.JournalBlocks != 0:
		return f.JournalBlocks
	}
	return defaultJournal(blocks)
}

// reserved is the number of blocks that only root can fill.
func (s *sizer) reserved() int64 { return s.geometry.blocks * int64(s.fs.ReservedPercent) / 100 }

// keep is the number of blocks that must stay free: those for root and, if any user shall be
// able to write a file of free bytes, those of that file and its extent tree, and those that
// the kernel reserves for itself in a mounted volume (ext4_set_resv_clusters).
func (s *sizer) keep(free int64) int64 {
	if free == 0 {
		return s.reserved()
	}
	blocks := ceilDiv(free, blockSize)
	heldBack := min(s.geometry.blocks/50, 4096)
	return s.reserved() + blocks + treeSlack(blocks) + heldBack
}

// treeSlack is the number of blocks that the extent tree of a file may need when the kernel
// writes it into a nearly full volume. Its extents are short then, but in measurements the 340
// of one block sufficed for more than 1 GiB.
func treeSlack(blocks int64) int64 { return ceilDiv(blocks, 1<<30/blockSize) }
