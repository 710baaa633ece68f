package ext4

import (
	"encoding/binary"
	"fmt"
	"math"

	"ingot/image"
	"ingot/partition/volume"
)

// fileInode has the fields of an inode that a reader needs.
type fileInode struct {
	number     uint32
	mode       uint16
	uid, gid   uint32
	links      uint16
	flags      uint32
	generation uint32
	size       int64
	mtime      image.Time
	xattrBlock int64
	block      [60]byte
	body       []byte // behind the extra fields: the attributes
	rest       []byte // of inline data, behind block
	restErr    error  // of reading rest
}

// inline returns the inline data of a file.
func (f *fileInode) inline() []byte {
	p := append(append(make([]byte, 0, inlineDataSize+len(f.rest)), f.block[:]...), f.rest...)
	return p[:min(f.size, int64(len(p)))]
}

// tableCache has pieces of inode tables, each at an index that depends on its number.
type tableCache [64]struct {
	group, piece int64
	data         []byte
}

// tablePiece is the size of the pieces in bytes.
const tablePiece = 64 << 10

// readTable returns n bytes at off of a group's inode table, which are valid until the next
// call. They are within one piece, since all of these sizes are powers of two.
func (w *walk) readTable(group, off, n int64) ([]byte, error) {
	piece := off / tablePiece
	c := &w.table[(group*31+piece)%int64(len(w.table))]
	if c.data == nil || c.group != group || c.piece != piece {
		size := int64(w.sb.InodesPerGroup) * w.inodeSize
		if c.data == nil {
			c.data = make([]byte, min(tablePiece, size))
		}
		c.data = c.data[:min(tablePiece, size-piece*tablePiece)]
		c.group = -1 // in case that reading fails
		if err := w.read(c.data, w.groups[group].inodeTable*w.blockSize+piece*tablePiece); err != nil {
			return nil, err
		}
		c.group, c.piece = group, piece
	}
	return c.data[off-piece*tablePiece:][:n], nil
}

func (w *walk) readInode(number uint32) (fileInode, error) {
	if number == 0 || number > w.sb.InodesCount {
		return fileInode{}, fmt.Errorf("there are inodes 1 to %d", w.sb.InodesCount)
	}
	group, i := int64(number-1)/int64(w.sb.InodesPerGroup), int64(number-1)%int64(w.sb.InodesPerGroup)
	if err := w.groups[group].err; err != nil {
		return fileInode{}, err
	}
	if i >= w.groups[group].inodes {
		return fileInode{}, fmt.Errorf("is in an uninitialized part of the inode table")
	}
	p, err := w.readTable(group, i*w.inodeSize, w.inodeSize)
	if err != nil {
		return fileInode{}, fmt.Errorf("inode table of group %d: %w", group, err)
	}
	return w.parseInode(number, p)
}

func (w *walk) parseInode(number uint32, p []byte) (fileInode, error) {
	extra := int64(0)
	if w.inodeSize > goodOldInodeSize {
		extra = int64(binary.LittleEndian.Uint16(p[goodOldInodeSize:]))
	}
	if goodOldInodeSize+extra > w.inodeSize || extra%4 != 0 {
		return fileInode{}, fmt.Errorf("has %d bytes of extra fields, of %d", extra, w.inodeSize-goodOldInodeSize)
	}
	var known [goodOldInodeSize + extraInodeSize]byte
	copy(known[:], p[:goodOldInodeSize+extra])
	in := decodeInode(known[:])
	if w.checksums {
		if err := w.checkInode(number, p, in, extra); err != nil {
			return fileInode{}, err
		}
	}
	return w.newFile(number, in, p[goodOldInodeSize+extra:])
}

// decodeInode decodes the fields that a reader needs. binary.Decode, for all of them, would
// take a fifth of the time for a whole tree.
func decodeInode(p []byte) *inode {
	return &inode{
		Mode:        half(p, 0x00),
		UID:         half(p, 0x02),
		SizeLo:      word(p, 0x04),
		Mtime:       word(p, 0x10),
		GID:         half(p, 0x18),
		LinksCount:  half(p, 0x1A),
		Flags:       word(p, 0x20),
		Block:       [60]byte(p[0x28:]),
		Generation:  word(p, 0x64),
		FileACLLo:   word(p, 0x68),
		SizeHigh:    word(p, 0x6C),
		FileACLHigh: half(p, 0x76),
		UIDHigh:     half(p, 0x78),
		GIDHigh:     half(p, 0x7A),
		ChecksumLo:  half(p, inodeChecksumLoOffset),
		ExtraIsize:  half(p, 0x80),
		ChecksumHi:  half(p, inodeChecksumHiOffset),
		MtimeExtra:  word(p, 0x88),
	}
}

// checkInode verifies the checksum, which has a second half only if the extra fields include
// it.
func (w *walk) checkInode(number uint32, p []byte, in *inode, extra int64) error {
	seed := inodeSeed(w.seed, number, in.Generation)
	var zero [2]byte
	got := crc32c(crc32c(seed, p[:inodeChecksumLoOffset]), zero[:])
	rest, want, mask := p[inodeChecksumLoOffset+2:], uint32(in.ChecksumLo), uint32(math.MaxUint16)
	if goodOldInodeSize+extra >= inodeChecksumHiOffset+2 {
		got = crc32c(crc32c(got, p[inodeChecksumLoOffset+2:inodeChecksumHiOffset]), zero[:])
		rest, want, mask = p[inodeChecksumHiOffset+2:], want|uint32(in.ChecksumHi)<<16, math.MaxUint32
	}
	if got = crc32c(got, rest) & mask; got != want && !w.unchecked {
		return fmt.Errorf("checksum is %#x, but it says %#x", got, want)
	}
	return nil
}

// device decodes a device number: the first word of i_block in the old form of 8 and 8 bits
// or, if that is zero, the second one in the new form.
func device(block []byte) image.Dev {
	if old := word(block, 0); old != 0 {
		return image.Dev{Major: old >> 8 & 0xFF, Minor: old & 0xFF}
	}
	return volume.DecodeDev(word(block, 4))
}

func (w *walk) newFile(number uint32, in *inode, body []byte) (fileInode, error) {
	f := fileInode{
		number: number, mode: in.Mode, links: in.LinksCount, flags: in.Flags, generation: in.Generation, block: in.Block,
		uid:        uint32(in.UIDHigh)<<16 | uint32(in.UID),
		gid:        uint32(in.GIDHigh)<<16 | uint32(in.GID),
		mtime:      image.Time{Sec: int64(int32(in.Mtime)) + int64(in.MtimeExtra&3)<<32, Nsec: int32(in.MtimeExtra >> 2)},
		xattrBlock: int64(in.FileACLLo),
		size:       int64(in.SizeLo),
		body:       body,
	}
	if w.sb.FeatureIncompat&incompat64Bit != 0 {
		f.xattrBlock |= int64(in.FileACLHigh) << 32
	}
	if in.Mode&0o170000 == 0o100000 || w.sb.FeatureIncompat&incompatLargeDir != 0 {
		f.size = wide(in.SizeLo, in.SizeHigh)
	}
	switch {
	case in.LinksCount == 0:
		return f, fmt.Errorf("is free, but has a name")
	case f.size < 0 || f.size > (maxLogicalBlocks+1)*w.blockSize:
		return f, fmt.Errorf("has a size of %d bytes, more than 2^32 blocks", uint64(f.size))
	}
	if f.mtime.Nsec >= 1e9 {
		w.note(false, "has a time with %d nanoseconds, which ingot ignores", f.mtime.Nsec)
		f.mtime.Nsec = 0
	}
	return f, nil
}

// word is a little-endian number of 32 bits.
func word(p []byte, off int) uint32 { return binary.LittleEndian.Uint32(p[off:]) }

// half is one of 16.
func half(p []byte, off int) uint16 { return binary.LittleEndian.Uint16(p[off:]) }
