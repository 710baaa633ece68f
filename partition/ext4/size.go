package ext4

import (
	"fmt"

	"ingot/image"
)

// sizer finds the geometry that a census fits into. It lays the census out for each
// size that it looks at: how many blocks extent trees take depends on where the
// groups' metadata cuts files in two, so that nothing less would be exact. One turn
// costs some 10 ns for each file.
type sizer struct {
	fs         FileSystem
	census     *census
	more       int64 // inodes that the volume is to have where it has room for them
	geometry   geometry
	allocation allocation
}

// shortage is what a volume lacks.
type shortage struct {
	blocks             int64 // so many more; 0 if only inodes are missing
	trees              int64 // of these, so many could be spared if files were cut elsewhere
	wantInodes, inodes int64 // how many are wanted, and the most that there can be
}

// exactly lays the census out on a volume of size bytes.
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

// addInodes lays the census out once more, with inodes for the room that it has left on a
// volume of given size: as many as an empty volume would have or, where the tables of
// these would be more than a sixteenth of the room, one for each [bytesPerInode] of it.
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
		s.try(blocks, 0, false) // which did before
	}
}

// fit lays the census out on the smallest volume that has free bytes left. Each
// size that fails tells how many blocks are missing at least; the next to be tried
// is larger by that at most, so that no smaller one can be missed.
func (s *sizer) fit(free int64) error {
	for blocks := int64(minVolume / blockSize); blocks <= maxBlocks; {
		lack := s.try(blocks, free, true)
		if lack == nil {
			return nil
		}
		if lack.blocks == 0 { // groups are wanted for their inode tables
			lack.blocks = (ceilDiv(lack.wantInodes, maxInodesPerGroup)-1)*blocksPerGroup + 1 - blocks
		}
		blocks = lack.next(blocks)
	}
	return fmt.Errorf("the tree and %d bytes free need more than the %d bytes that ext4 allows", free, int64(maxVolume))
}

// next returns the smallest size above blocks, which is too small, that could do. What
// is missing there may be too much elsewhere: extent trees can be smaller where the
// groups' metadata cut the files in other places, and one group more can take a block
// from the inode table of each, which are rounded up.
func (lack *shortage) next(blocks int64) int64 {
	next := blocks + max(lack.blocks-lack.trees, 1)
	if groups := ceilDiv(blocks, blocksPerGroup); next > groups*blocksPerGroup {
		next = max(next-ceilDiv(next, blocksPerGroup), groups*blocksPerGroup+1)
	}
	return next
}

// try lays the census out on a volume of so many blocks; nil is success. whole
// asks that the file system take all of them: else its last group is left out
// where it would be too small.
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

// inodes is how many inodes a volume of so many blocks is to have: those of the tree, one
// for each [bytesPerInode] that is to stay free, and what a whole group has, for the rest
// of the last one when the volume grows. The last are left out where the groups cannot
// number them. Of the room, the first inodes are those that an empty volume uses, too.
func (s *sizer) inodes(blocks, free int64) int64 {
	need := s.census.inodesUsed() + ceilDiv(free, bytesPerInode)
	most := ceilDiv(blocks, blocksPerGroup) * maxInodesPerGroup
	spare := max(need+min(blocks, roomOfGroup)-firstInode, room(blocks), s.more)
	return max(need, s.fs.Inodes, min(spare, most))
}

// journal is how many blocks of journal a volume of so many blocks gets.
func (f FileSystem) journal(blocks int64) int64 {
	switch {
	case f.NoJournal:
		return 0
	case f.JournalBlocks != 0:
		return f.JournalBlocks
	}
	return defaultJournal(blocks)
}

// reserved is how many blocks only root can fill.
func (s *sizer) reserved() int64 { return s.geometry.blocks * int64(s.fs.ReservedPercent) / 100 }

// keep is how many blocks must stay without use: those for root and, so that a file
// of free bytes can be written by everybody else, that file's and its extent tree's,
// and those that the kernel holds back for its own needs while the volume is mounted
// (ext4_set_resv_clusters).
func (s *sizer) keep(free int64) int64 {
	if free == 0 {
		return s.reserved()
	}
	blocks := ceilDiv(free, blockSize)
	heldBack := min(s.geometry.blocks/50, 4096)
	return s.reserved() + blocks + treeSlack(blocks) + heldBack
}

// treeSlack is how many blocks of extent tree the kernel may need for a file that it
// writes into a volume that is filling up: its extents get short then, but the 340 of
// one block were seen to reach for more than 1 GiB.
func treeSlack(blocks int64) int64 { return ceilDiv(blocks, 1<<30/blockSize) }
