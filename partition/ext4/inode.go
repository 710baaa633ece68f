package ext4

import (
	"encoding/binary"
	"io/fs"

	"ingot/image"
	"ingot/partition/volume"
)

// inodeBlock computes block i of the concatenated inode tables of all groups.
func (p *plan) inodeBlock(b []byte, i int64) {
	for k := range int64(inodesPerBlock) {
		ino := i*inodesPerBlock + k + 1
		if ino > p.inodesUsed() {
			return
		}
		p.putInode(b[k*inodeSize:][:inodeSize], uint32(ino))
	}
}

// putInode computes one inode. Unused reserved ones stay zero.
func (p *plan) putInode(b []byte, ino uint32) {
	var n inode
	var xattrs string
	place, ok := filePlace(ino)
	switch {
	case ok:
		n = p.fileInode(place, ino)
		if set := p.files[place].attrs; set >= 0 {
			xattrs = p.attrs.sets[set].inode
		}
	case ino == resizeInode:
		n = p.resizeInode()
	case ino == journalInode && p.geometry.journal > 0:
		n = p.journalInode()
	default:
		return
	}
	n.encode(b)
	copy(b[inodeXattrOffset:], xattrs)
	c := p.ofInode(ino)
	sum := inodeChecksum(c.seed, b)
	c.put(b[inodeChecksumLoOffset:][:2], sum&0xFFFF)
	c.put(b[inodeChecksumHiOffset:][:2], sum>>16)
}

// newInode returns an inode with the common fields. All times are the modification time, the
// only one of a Tree.
func newInode(mode uint16, size int64, t image.Time) inode {
	sec := uint32(t.Sec)
	extra := uint32((t.Sec-int64(int32(t.Sec)))>>32)&3 | uint32(t.Nsec)<<2
	return inode{
		Mode: mode, LinksCount: 1, SizeLo: uint32(size), SizeHigh: uint32(size >> 32),
		Atime: sec, Ctime: sec, Mtime: sec, Crtime: sec,
		AtimeExtra: extra, CtimeExtra: extra, MtimeExtra: extra, CrtimeExtra: extra,
		ExtraIsize: extraInodeSize,
	}
}

// setBlocks sets i_blocks, in units of 512 bytes.
func (n *inode) setBlocks(blocks int64) {
	sectors := blocks * (blockSize / 512)
	n.BlocksLo, n.BlocksHigh = uint32(sectors), uint16(sectors>>32)
}

func (p *plan) fileInode(place int, ino uint32) inode {
	f := &p.files[place]
	n := newInode(f.node.UnixMode(), f.node.Size(), f.node.Mtime)
	n.UID, n.UIDHigh = uint16(f.node.UID), uint16(f.node.UID>>16)
	n.GID, n.GIDHigh = uint16(f.node.GID), uint16(f.node.GID>>16)
	n.LinksCount, n.Generation = uint16(f.links), p.generation(ino)
	if f.dir >= 0 {
		d := &p.dirs[f.dir]
		size := d.blocks * blockSize
		n.SizeLo, n.SizeHigh = uint32(size), uint32(size>>32)
		if f.links > maxLinks {
			n.LinksCount = 1 // dir_nlink: too many to count
		}
		if d.order != nil {
			n.Flags |= inodeFlagIndex
		}
	}
	blocks := int64(0)
	switch {
	case f.node.Mode.Type() == fs.ModeSymlink && len(f.node.Link) < fastSymlinkLength:
		copy(n.Block[:], f.node.Link)
	case f.node.Mode.Type()&fs.ModeDevice != 0:
		putDevice(n.Block[:], f.node.Dev)
	case f.dir >= 0 || f.node.Mode.IsRegular() || f.node.Mode.Type() == fs.ModeSymlink:
		n.Flags |= inodeFlagExtents
		blocks = p.putExtents(n.Block[:], &p.places[place], ino)
	}
	if f.xattrBlock >= 0 {
		n.FileACLLo = p.xattrs[f.xattrBlock]
		blocks++
	}
	n.setBlocks(blocks)
	return n
}

// putExtents writes the extent tree's root and returns the number of the file's blocks,
// including those of the tree.
func (p *plan) putExtents(root []byte, f *filePlacement, ino uint32) (blocks int64) {
	runs, at := p.runs[f.runs:f.runsEnd], p.trees[f.tree:f.treeEnd]
	putExtentTree(root, make([]byte, len(at)*blockSize), at, runs, p.ofInode(ino))
	for _, r := range runs {
		blocks += int64(r.length)
	}
	return blocks + int64(len(at))
}

// putDevice writes a device number as the kernel does: in the first word if both parts have 8
// bits, otherwise in the second word, in the longer form.
func putDevice(block []byte, d image.Dev) {
	if d.Major < 1<<8 && d.Minor < 1<<8 {
		binary.LittleEndian.PutUint32(block, d.Major<<8|d.Minor)
		return
	}
	binary.LittleEndian.PutUint32(block[4:], volume.EncodeDev(d))
}

// encode does what the function encode does for other structures, in a tenth of the time: there
// are as many inodes as files.
func (n *inode) encode(b []byte) {
	le := binary.LittleEndian
	le.PutUint16(b[0x00:], n.Mode)
	le.PutUint16(b[0x02:], n.UID)
	le.PutUint32(b[0x04:], n.SizeLo)
	le.PutUint32(b[0x08:], n.Atime)
	le.PutUint32(b[0x0C:], n.Ctime)
	le.PutUint32(b[0x10:], n.Mtime)
	le.PutUint32(b[0x14:], n.Dtime)
	le.PutUint16(b[0x18:], n.GID)
	le.PutUint16(b[0x1A:], n.LinksCount)
	le.PutUint32(b[0x1C:], n.BlocksLo)
	le.PutUint32(b[0x20:], n.Flags)
	le.PutUint32(b[0x24:], n.Version)
	copy(b[0x28:0x64], n.Block[:])
	le.PutUint32(b[0x64:], n.Generation)
	le.PutUint32(b[0x68:], n.FileACLLo)
	le.PutUint32(b[0x6C:], n.SizeHigh)
	le.PutUint32(b[0x70:], n.ObsoFaddr)
	le.PutUint16(b[0x74:], n.BlocksHigh)
	le.PutUint16(b[0x76:], n.FileACLHigh)
	le.PutUint16(b[0x78:], n.UIDHigh)
	le.PutUint16(b[0x7A:], n.GIDHigh)
	le.PutUint16(b[inodeChecksumLoOffset:], n.ChecksumLo)
	le.PutUint16(b[0x80:], n.ExtraIsize)
	le.PutUint16(b[inodeChecksumHiOffset:], n.ChecksumHi)
	le.PutUint32(b[0x84:], n.CtimeExtra)
	le.PutUint32(b[0x88:], n.MtimeExtra)
	le.PutUint32(b[0x8C:], n.AtimeExtra)
	le.PutUint32(b[0x90:], n.Crtime)
	le.PutUint32(b[0x94:], n.CrtimeExtra)
	le.PutUint32(b[0x98:], n.VersionHi)
	le.PutUint32(b[0x9C:], n.Projid)
}
