package ext4

import (
	"encoding/binary"
	"hash/crc32"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// crc32c is the checksum of all metadata. Unlike hash/crc32's, it inverts neither the seed nor
// the result, so that one value can seed the next: crc32c(crc32c(s, a), b) is that of a and b
// together.
func crc32c(seed uint32, p []byte) uint32 {
	return ^crc32.Update(^seed, castagnoli, p)
}

// checksums has the seed of some checksums. If none is set, there are no checksums, as without
// metadata_csum.
type checksums struct {
	seed uint32
	none bool
}

// put writes a checksum into p, which has two or four bytes.
func (c checksums) put(p []byte, sum uint32) {
	switch {
	case c.none:
	case len(p) == 2:
		binary.LittleEndian.PutUint16(p, uint16(sum))
	default:
		binary.LittleEndian.PutUint32(p, sum)
	}
}

// crc32cUint32 and crc32cUint64 are crc32c of a number on disk.
func crc32cUint32(seed, v uint32) uint32 {
	return crc32c(seed, binary.LittleEndian.AppendUint32(make([]byte, 0, 4), v))
}

func crc32cUint64(seed uint32, v uint64) uint32 {
	return crc32c(seed, binary.LittleEndian.AppendUint64(make([]byte, 0, 8), v))
}

// inodeSeed is the seed for checksums of an inode and of its blocks, so that a block of another
// file has a wrong checksum.
func inodeSeed(fsSeed, ino, generation uint32) uint32 {
	return crc32cUint32(crc32cUint32(fsSeed, ino), generation)
}

// inodeChecksum is the checksum of a whole inode, with zeros for its checksum fields.
func inodeChecksum(seed uint32, p []byte) uint32 {
	var zero [2]byte
	c := crc32c(seed, p[:inodeChecksumLoOffset])
	c = crc32c(c, zero[:])
	c = crc32c(c, p[inodeChecksumLoOffset+2:inodeChecksumHiOffset])
	c = crc32c(c, zero[:])
	return crc32c(c, p[inodeChecksumHiOffset+2:])
}

// groupChecksum is the checksum of the descriptor of group g, with zeros for bg_checksum.
func groupChecksum(fsSeed uint32, g int64, p []byte) uint16 {
	var zero [2]byte
	c := crc32c(crc32cUint32(fsSeed, uint32(g)), p[:groupChecksumOffset])
	c = crc32c(c, zero[:])
	return uint16(crc32c(c, p[groupChecksumOffset+2:]))
}

// xattrBlockChecksum is the checksum of a block of attributes, with zeros for h_checksum.
func xattrBlockChecksum(fsSeed uint32, block uint64, p []byte) uint32 {
	var zero [4]byte
	c := crc32c(crc32cUint64(fsSeed, block), p[:xattrChecksumOffset])
	c = crc32c(c, zero[:])
	return crc32c(c, p[xattrChecksumOffset+4:])
}

// dxChecksum is the checksum of a root or a node of a hash tree: over all bytes up to the end
// of the used entries, and the tail with zeros for its checksum.
func dxChecksum(seed uint32, p []byte, used int) uint32 {
	var zero [dxTailSize]byte
	return crc32c(crc32c(seed, p[:used]), zero[:])
}
