package ext4

import (
	"encoding/binary"
	"hash/crc32"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// crc32c is the checksum of all metadata. Unlike hash/crc32's it inverts neither
// what it is given nor what it returns, so that one value can seed the next:
// crc32c(crc32c(s, a), b) is that of a and b together.
func crc32c(seed uint32, p []byte) uint32 {
	return ^crc32.Update(^seed, castagnoli, p)
}

// checksums says what the checksums of some metadata start from; with none there are no
// checksums at all, as without metadata_csum.
type checksums struct {
	seed uint32
	none bool
}

// put puts a checksum into p, which is zero, in so many bytes as p has: two or four.
func (c checksums) put(p []byte, sum uint32) {
	switch {
	case c.none:
	case len(p) == 2:
		binary.LittleEndian.PutUint16(p, uint16(sum))
	default:
		binary.LittleEndian.PutUint32(p, sum)
	}
}

// crc32cUint32 and crc32cUint64 are crc32c of a number as it lies on the disk.
func crc32cUint32(seed, v uint32) uint32 {
	return crc32c(seed, binary.LittleEndian.AppendUint32(make([]byte, 0, 4), v))
}

func crc32cUint64(seed uint32, v uint64) uint32 {
	return crc32c(seed, binary.LittleEndian.AppendUint64(make([]byte, 0, 8), v))
}

// inodeSeed is what the checksums of an inode and of its blocks start from, so that
// a block which strays into another file is found out.
func inodeSeed(fsSeed, ino, generation uint32) uint32 {
	return crc32cUint32(crc32cUint32(fsSeed, ino), generation)
}

// inodeChecksum is that of p, a whole inode, as if its checksum fields were zero.
func inodeChecksum(seed uint32, p []byte) uint32 {
	var zero [2]byte
	c := crc32c(seed, p[:inodeChecksumLoOffset])
	c = crc32c(c, zero[:])
	c = crc32c(c, p[inodeChecksumLoOffset+2:inodeChecksumHiOffset])
	c = crc32c(c, zero[:])
	return crc32c(c, p[inodeChecksumHiOffset+2:])
}

// groupChecksum is that of p, a descriptor of group g, as if bg_checksum were zero.
func groupChecksum(fsSeed uint32, g int64, p []byte) uint16 {
	var zero [2]byte
	c := crc32c(crc32cUint32(fsSeed, uint32(g)), p[:groupChecksumOffset])
	c = crc32c(c, zero[:])
	return uint16(crc32c(c, p[groupChecksumOffset+2:]))
}

// xattrBlockChecksum is that of p, a block of attributes at the given block number,
// as if h_checksum were zero.
func xattrBlockChecksum(fsSeed uint32, block uint64, p []byte) uint32 {
	var zero [4]byte
	c := crc32c(crc32cUint64(fsSeed, block), p[:xattrChecksumOffset])
	c = crc32c(c, zero[:])
	return crc32c(c, p[xattrChecksumOffset+4:])
}

// dxChecksum is that of a root or a node of a hash tree: over what precedes its
// entries, the entries in use, and the tail as if its checksum were zero.
func dxChecksum(seed uint32, p []byte, used int) uint32 {
	var zero [dxTailSize]byte
	return crc32c(crc32c(seed, p[:used]), zero[:])
}
