package ext4

import (
	"encoding/binary"
	"sort"
	"sync"

	"ingot/image"
)

// plan is a completely planned file system. Its bytes are computed block by block when they
// are read.
type plan struct {
	*census
	geometry
	allocation
	identity

	label    string
	reserved int64 // blocks for root

	descriptors func() []byte // of all groups, computed once
}

// identity has the identifiers of a file system, and the seeds of its checksums and hashes.
type identity struct {
	uuid           [16]byte
	journalUUID    [16]byte
	hashSeed       [16]byte
	checksums      checksums
	generationSeed uint32
}

// hashSeedWords is the seed of the hash of names as numbers.
func (id *identity) hashSeedWords() (w [4]uint32) {
	for i := range w {
		w[i] = binary.LittleEndian.Uint32(id.hashSeed[4*i:])
	}
	return w
}

// generation is i_generation, by which a network file system distinguishes a file from a later
// one with the same inode.
func (id *identity) generation(ino uint32) uint32 {
	if ino != rootInode && ino < firstInode {
		return 0
	}
	return crc32cUint32(id.generationSeed, ino)
}

// ofInode returns the checksums of an inode and of its blocks.
func (id *identity) ofInode(ino uint32) checksums {
	return checksums{inodeSeed(id.checksums.seed, ino, id.generation(ino)), id.checksums.none}
}

// freeBlocks is the number of free blocks. It is negative if the census does not fit.
func (p *plan) freeBlocks() int64 { return p.free - p.allocated }

// usedIn calls fn for the used ranges of a group, in order, relative to its start.
func (p *plan) usedIn(group int64, fn func(from, to int64)) {
	s := p.groupSpan(group)
	below := min(max(p.frontier, s.start), s.end)
	if below > s.start {
		fn(0, below-s.start)
	}
	i := sort.Search(len(p.used), func(i int) bool { return p.used[i].end > below })
	for ; i < len(p.used) && p.used[i].start < s.end; i++ {
		u := p.used[i]
		fn(max(u.start, below)-s.start, min(u.end, s.end)-s.start)
	}
}

func (p *plan) usedBlocksIn(group int64) (n int64) {
	p.usedIn(group, func(from, to int64) { n += to - from })
	return n
}

// usedInodesIn is the number of used inodes in a group, which are its first ones.
func (p *plan) usedInodesIn(group int64) int64 {
	return min(max(p.inodesUsed()-group*p.inodesPerGroup, 0), p.inodesPerGroup)
}

// blockBitmapUninit reports whether a group needs no block bitmap on disk, since it contains
// only copies of the superblock and descriptors. As with mke2fs, the last group, which may be
// short, always has one; and without checksums of descriptors all groups have one, since
// readers would not trust the flag.
func (p *plan) blockBitmapUninit(group int64) bool {
	return !p.checksums.none && group != p.groups-1 && p.usedBlocksIn(group) == p.superBlocks(group)
}

// inodeBitmapUninit reports the same for the inode bitmap: no inode of the group is used.
func (p *plan) inodeBitmapUninit(group int64) bool {
	return !p.checksums.none && p.usedInodesIn(group) == 0
}

// fillBlockBitmap computes the block bitmap of a group in b. Blocks beyond the end of the
// volume count as used.
func (p *plan) fillBlockBitmap(b []byte, group int64) {
	p.usedIn(group, func(from, to int64) { setBits(b, from, to) })
	s := p.groupSpan(group)
	setBits(b, s.end-s.start, blocksPerGroup)
}

// fillInodeBitmap computes the inode bitmap of a group, with the same padding.
func (p *plan) fillInodeBitmap(b []byte, group int64) {
	setBits(b, 0, p.usedInodesIn(group))
	setBits(b, p.inodesPerGroup, 8*blockSize)
}

// setBits sets the bits in [from, to), whole bytes at once.
func setBits(b []byte, from, to int64) {
	for ; from < to && from%8 != 0; from++ {
		b[from/8] |= 1 << (from % 8)
	}
	for ; from+8 <= to; from += 8 {
		b[from/8] = 0xFF
	}
	for ; from < to; from++ {
		b[from/8] |= 1 << (from % 8)
	}
}

// makeDescriptors computes the descriptors of all groups, with the checksums of the bitmaps.
// They have at most 64 bytes for each 128 MiB, and all copies of them share the result.
func (p *plan) makeDescriptors() []byte {
	out := make([]byte, p.descBlocks*blockSize)
	dirs := p.directoriesByGroup()
	for g := range p.groups {
		p.descriptor(out[g*p.descSize:][:p.descSize], g, dirs)
	}
	return out
}

// directoriesByGroup counts the directories among the inodes of each group.
func (p *plan) directoriesByGroup() map[int64]uint32 {
	n := map[int64]uint32{}
	for i := range p.dirs {
		n[int64(inodeNumber(p.dirs[i].file)-1)/p.inodesPerGroup]++
	}
	return n
}

func (p *plan) descriptor(out []byte, g int64, dirs map[int64]uint32) {
	place, size := p.groupAt[g], p.groupSpan(g)
	inodes := p.usedInodesIn(g)
	freeBlocks, freeInodes := uint32(size.end-size.start-p.usedBlocksIn(g)), uint32(p.inodesPerGroup-inodes)
	d := groupDescriptor{
		BlockBitmapLo: uint32(place.blockBitmap), BlockBitmapHi: uint32(place.blockBitmap >> 32),
		InodeBitmapLo: uint32(place.inodeBitmap), InodeBitmapHi: uint32(place.inodeBitmap >> 32),
		InodeTableLo: uint32(place.inodeTable), InodeTableHi: uint32(place.inodeTable >> 32),
		FreeBlocksCountLo: uint16(freeBlocks), FreeBlocksCountHi: uint16(freeBlocks >> 16),
		FreeInodesCountLo: uint16(freeInodes), FreeInodesCountHi: uint16(freeInodes >> 16),
		UsedDirsCountLo: uint16(dirs[g]), UsedDirsCountHi: uint16(dirs[g] >> 16),
	}
	if !p.checksums.none {
		p.sealDescriptor(&d, g, freeInodes)
	}
	var whole [groupDescriptorSize]byte
	encode(whole[:], &d)
	copy(out, whole[:]) // without 64bit only the first half, which suffices
	p.checksums.put(out[groupChecksumOffset:][:2], uint32(groupChecksum(p.checksums.seed, g, out)))
}

// sealDescriptor sets the fields of a descriptor with a checksum: the checksums of the bitmaps,
// and which parts of the group's metadata are unused.
func (p *plan) sealDescriptor(d *groupDescriptor, g int64, freeInodes uint32) {
	d.Flags = groupItableZeroed
	d.ItableUnusedLo, d.ItableUnusedHi = uint16(freeInodes), uint16(freeInodes>>16)
	b := make([]byte, blockSize)
	if p.blockBitmapUninit(g) {
		d.Flags |= groupBlockUninit
	} else {
		p.fillBlockBitmap(b, g)
		sum := crc32c(p.checksums.seed, b)
		d.BlockBitmapCsumLo, d.BlockBitmapCsumHi = uint16(sum), uint16(sum>>16)
	}
	clear(b)
	if p.inodeBitmapUninit(g) {
		d.Flags |= groupInodeUninit
	} else {
		p.fillInodeBitmap(b, g)
		sum := crc32c(p.checksums.seed, b[:p.inodesPerGroup/8])
		d.InodeBitmapCsumLo, d.InodeBitmapCsumHi = uint16(sum), uint16(sum>>16)
	}
}

// newPlan returns the plan for the geometry and the allocation of s.
func newPlan(s *sizer, id identity, label string) *plan {
	p := &plan{
		census: s.census, geometry: s.geometry, allocation: s.allocation, identity: id,
		label: label, reserved: s.reserved(),
	}
	p.descriptors = sync.OnceValue(p.makeDescriptors)
	return p
}

// encode writes a structure of ondisk.go into p, which has its size.
func encode(p []byte, v any) {
	if _, err := binary.Encode(p, binary.LittleEndian, v); err != nil {
		panic(err) // a structure of the wrong size
	}
}

// blocksBlob returns n blocks, which fill computes one by one.
func blocksBlob(n int64, fill func(p []byte, block int64)) image.Blob {
	return image.Computed(n*blockSize, func(p []byte, off int64) error {
		for len(p) > 0 {
			block, skip := off/blockSize, off%blockSize
			n := min(int64(len(p)), blockSize-skip)
			if n == blockSize {
				fill(p[:n], block)
			} else {
				whole := make([]byte, blockSize)
				fill(whole, block)
				copy(p[:n], whole[skip:])
			}
			p, off = p[n:], off+n
		}
		return nil
	})
}
