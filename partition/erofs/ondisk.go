package erofs

import (
	"encoding/binary"
	"hash/crc32"
	"math"
)

// The structures of EROFS, all little-endian, with the names of the kernel's
// fs/erofs/erofs_fs.h. They are described at
// https://erofs.docs.kernel.org/en/latest/core_ondisk.html.

const (
	blockBits = 12
	blockSize = 1 << blockBits // the one size that every kernel before 6.4 reads
	slotSize  = 32             // inodes begin at multiples of it
	maxBlocks = math.MaxUint32
	maxLabel  = 15 // of 16 bytes: Linux refuses a volume_name without a zero at its end
)

const (
	superOffset = 1024 // EROFS_SUPER_OFFSET
	superMagic  = 0xE0F5E1E2
	superSize   = 128

	featureCompatChecksum = 1 << 0 // EROFS_FEATURE_COMPAT_SB_CHKSUM
	featureCompatMtime    = 1 << 1 // EROFS_FEATURE_COMPAT_MTIME: inodes have the time of modification, not of change

	// The features of FEATURE_INCOMPAT that the Reader knows. Most of them only concern
	// compressed files.
	featureIncompatZeroPadding   = 1 << 0
	featureIncompatCompression   = 1 << 1
	featureIncompatChunks        = 1 << 2
	featureIncompatDevices       = 1 << 3
	featureIncompatTailPacking   = 1 << 4
	featureIncompatFragments     = 1 << 5
	featureIncompatXattrPrefixes = 1 << 6
	featureIncompatRead          = 1<<7 - 1
)

// superblock is erofs_super_block.
type superblock struct {
	Magic           uint32
	Checksum        uint32
	FeatureCompat   uint32
	BlkSzBits       uint8
	SbExtSlots      uint8
	RootNid         uint16
	Inos            uint64
	BuildTime       uint64
	BuildTimeNsec   uint32
	Blocks          uint32
	MetaBlkAddr     uint32
	XattrBlkAddr    uint32
	UUID            [16]byte
	VolumeName      [16]byte
	FeatureIncompat uint32
	Reserved        [44]byte // of compression, devices and name prefixes
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// superChecksum is the checksum of the first block without its first 1024 bytes, with zeros in
// place of the checksum itself. Linux omits the final inversion.
func superChecksum(rest []byte) uint32 { return ^crc32.Checksum(rest, castagnoli) }

// The bits of i_format.
const (
	formatExtended    = 1 << 0 // EROFS_INODE_LAYOUT_EXTENDED
	formatLayoutShift = 1
	formatLayoutMask  = 7
	formatAll         = formatExtended | formatLayoutMask<<formatLayoutShift

	layoutFlatPlain         = 0 // all contents are in blocks
	layoutCompressedFull    = 1
	layoutFlatInline        = 2 // the data of the last, partial block follows the inode
	layoutCompressedCompact = 3
	layoutChunks            = 4
)

// erofs_inode_chunk_info, in the place of the first block, and the data behind the inode: the
// blocks of chunks, or an erofs_inode_chunk_index for each.
const (
	chunkBits    = 0x1f // EROFS_CHUNK_FORMAT_BLKBITS_MASK: the logarithm of a chunk's blocks
	chunkIndexes = 0x20 // EROFS_CHUNK_FORMAT_INDEXES
	chunkAll     = chunkBits | chunkIndexes

	chunkBlock       = 4 // bytes
	chunkIndex       = 8
	chunkIndexDevice = 2
	chunkIndexBlock  = 4

	nullBlock = math.MaxUint32 // of a chunk that is a hole
)

const (
	compactSize  = 32
	extendedSize = 64
)

// inodeCompact is erofs_inode_compact. Its time is the volume's.
type inodeCompact struct {
	Format      uint16
	XattrICount uint16
	Mode        uint16
	Nlink       uint16
	Size        uint32
	Reserved    uint32
	U           uint32 // the first block, or the device number
	Ino         uint32
	UID, GID    uint16
	Reserved2   uint32
}

// inodeExtended is erofs_inode_extended.
type inodeExtended struct {
	Format      uint16
	XattrICount uint16
	Mode        uint16
	Reserved    uint16
	Size        uint64
	U           uint32
	Ino         uint32
	UID, GID    uint32
	Mtime       uint64
	MtimeNsec   uint32
	Nlink       uint32
	Reserved2   [16]byte
}

// direntSize is the length of an erofs_dirent: the nid (64 bits), the offset of the name in
// the block (16), the type (8) and 8 reserved bits.
const direntSize = 12

// appendDirent appends an erofs_dirent.
func appendDirent(b []byte, nid uint64, nameOff int, fileType uint8) []byte {
	b = binary.LittleEndian.AppendUint64(b, nid)
	b = binary.LittleEndian.AppendUint16(b, uint16(nameOff))
	return append(b, fileType, 0)
}

const (
	xattrHeaderSize = 12 // erofs_xattr_ibody_header: 4 reserved bytes, the number of shared attributes, 7 reserved ones
	xattrEntrySize  = 4  // erofs_xattr_entry: the length of the name, its index, the size of the value
	xattrAlign      = 4
	maxXattrNames   = 1 << 16 // XATTR_LIST_MAX: those of a file, each with the zero that ends it
	maxXattrValue   = math.MaxUint16
	maxXattrBody    = xattrHeaderSize + xattrAlign*(math.MaxUint16-1)
)

func alignUp(n, to int64) int64 { return (n + to - 1) / to * to }

// encode appends the bytes of a structure.
func encode(b []byte, s any) []byte {
	b, err := binary.Append(b, binary.LittleEndian, s)
	if err != nil {
		panic(err) // the structures are of fixed size
	}
	return b
}
