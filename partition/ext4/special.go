package ext4

import (
	"encoding/binary"

	"ingot/image"
)

// The journal and the resize inode are files without a name.

const (
	hiddenFileMode = 0o100600
	doubleIndirect = 13 // the place in i_block of the block of blocks of block numbers
	directBlocks   = 12
)

func (p *plan) journalInode() inode {
	n := newInode(hiddenFileMode, p.geometry.journal*blockSize, image.Epoch)
	n.Flags = inodeFlagExtents
	n.setBlocks(p.putExtents(n.Block[:], &p.allocation.journal, journalInode))
	return n
}

// journalSuperblock returns the start of an empty journal, as mke2fs makes it. The kernel turns
// on the journal's checksums when it mounts the volume for writing.
func (p *plan) journalSuperblock() []byte {
	b := make([]byte, superblockSize)
	s := journalSuperblock{
		Magic: journalMagic, Blocktype: journalSuperblockV2,
		Blocksize: blockSize, Maxlen: uint32(p.geometry.journal),
		First: 1, Sequence: 1, NrUsers: 1, UUID: p.journalUUID,
	}
	if _, err := binary.Encode(b, binary.BigEndian, &s); err != nil {
		panic(err) // a structure of the wrong size
	}
	return b
}

// resizeInode owns the blocks that are reserved for descriptors, so that no other file gets
// them: its double indirect block lists those of group 0, each of which lists its copies in the
// other groups.
func (p *plan) resizeInode() inode {
	const size = (addressesPerBlock*addressesPerBlock + addressesPerBlock + directBlocks) * blockSize
	n := newInode(hiddenFileMode, size, image.Epoch)
	binary.LittleEndian.PutUint32(n.Block[doubleIndirect*4:], uint32(p.dindirect))
	n.setBlocks(1 + p.reservedGDT*int64(1+len(p.backupGroups())))
	return n
}

// backupGroups are the groups with a copy of the superblock, except the first one.
func (p *plan) backupGroups() (groups []int64) {
	for g := int64(1); g < p.groups; g++ {
		if hasSuperblock(g) {
			groups = append(groups, g)
		}
	}
	return groups
}

// firstReservedGDT is the first block reserved for descriptors.
func (p *plan) firstReservedGDT() int64 { return 1 + p.descBlocks }

// resizeDoubleIndirect lists the reserved blocks, each at the index that it will have as a
// descriptor block.
func (p *plan) resizeDoubleIndirect() []byte {
	b := make([]byte, blockSize)
	for i := range p.reservedGDT {
		place := (p.descBlocks + i) % addressesPerBlock
		binary.LittleEndian.PutUint32(b[4*place:], uint32(p.firstReservedGDT()+i))
	}
	return b
}

// reservedGDTBlocks are the reserved blocks of group 0.
func (p *plan) reservedGDTBlocks() image.Blob {
	backups := p.backupGroups()
	return blocksBlob(p.reservedGDT, func(b []byte, i int64) {
		for k, g := range backups {
			binary.LittleEndian.PutUint32(b[4*k:], uint32(g*blocksPerGroup+p.firstReservedGDT()+i))
		}
	})
}

// superblock makes the superblock, or the copy of it in a group.
func (p *plan) superblock(group int64) []byte {
	s := superblock{
		InodesCount:   uint32(p.groups * p.inodesPerGroup),
		BlocksCountLo: uint32(p.blocks), BlocksCountHi: uint32(p.blocks >> 32),
		RBlocksCountLo: uint32(p.reserved), RBlocksCountHi: uint32(p.reserved >> 32),
		FreeBlocksCountLo: uint32(p.freeBlocks()), FreeBlocksCountHi: uint32(p.freeBlocks() >> 32),
		FreeInodesCount: uint32(p.groups*p.inodesPerGroup - p.inodesUsed()),
		LogBlockSize:    logBlockSize, LogClusterSize: logBlockSize,
		BlocksPerGroup: blocksPerGroup, ClustersPerGroup: blocksPerGroup, InodesPerGroup: uint32(p.inodesPerGroup),
		Wtime: uint32(image.Epoch.Sec), Lastcheck: uint32(image.Epoch.Sec), MkfsTime: uint32(image.Epoch.Sec),
		MaxMntCount: maxMountCountNever, Magic: superblockMagic, Errors: errorsContinue, RevLevel: revisionDynamic,
		FirstIno: firstInode, InodeSize: inodeSize, BlockGroupNr: uint16(group),
		FeatureCompat:   compatExtAttr | compatResizeInode | compatDirIndex,
		FeatureIncompat: incompatFiletype | incompatExtents | incompatFlexBG,
		FeatureRoCompat: roCompatSparseSuper | roCompatLargeFile | roCompatHugeFile | roCompatDirNlink | roCompatExtraIsize,
		UUID:            p.uuid, HashSeed: p.hashSeedWords(),
		ReservedGdtBlocks: uint16(p.reservedGDT),
		DefHashVersion:    hashHalfMD4, Flags: flagSignedHash,
		DefaultMountOpts: mountUserXattr | mountACL,
		MinExtraIsize:    extraInodeSize, WantExtraIsize: extraInodeSize,
		LogGroupsPerFlex: logGroupsPerFlex,
		OverheadBlocks:   uint32(p.overhead()),
	}
	copy(s.VolumeName[:], p.label)
	if group == 0 {
		s.State = stateClean // copies are never clean, so that a volume is checked before one is used
	}
	if p.geometry.journal > 0 {
		p.putJournal(&s)
	}
	if p.descSize == groupDescriptorSize {
		s.FeatureIncompat |= incompat64Bit
		s.DescSize = groupDescriptorSize
	}
	if !p.checksums.none {
		s.FeatureRoCompat |= roCompatMetadataCsum
		s.ChecksumType = checksumCRC32C
	}
	b := make([]byte, superblockSize)
	encode(b, &s)
	p.checksums.put(b[superblockSize-4:], crc32c(^uint32(0), b[:superblockSize-4]))
	return b
}

// putJournal sets the fields for the journal, including a copy of its position in case its
// inode is lost.
func (p *plan) putJournal(s *superblock) {
	n := p.journalInode()
	s.FeatureCompat |= compatHasJournal
	s.JournalInum, s.JnlBackupType = journalInode, journalBackupInBlock
	for i := range len(n.Block) / 4 {
		s.JnlBlocks[i] = binary.LittleEndian.Uint32(n.Block[4*i:])
	}
	s.JnlBlocks[15], s.JnlBlocks[16] = n.SizeHigh, n.SizeLo
}
