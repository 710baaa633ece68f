package qcow2

// The on-disk structures, with the names and the numbers of
// https://www.qemu.org/docs/master/interop/qcow2.html. All numbers are big-endian.

// magic is "QFI\xfb".
const magic = 0x514649fb

// header is the file's start. Version 2 ends before IncompatibleFeatures.
type header struct {
	Magic                 uint32
	Version               uint32
	BackingFileOffset     uint64
	BackingFileSize       uint32
	ClusterBits           uint32
	Size                  uint64 // of the virtual disk, bytes
	CryptMethod           uint32
	L1Size                uint32 // entries
	L1TableOffset         uint64
	RefcountTableOffset   uint64
	RefcountTableClusters uint32
	NbSnapshots           uint32
	SnapshotsOffset       uint64

	IncompatibleFeatures uint64
	CompatibleFeatures   uint64
	AutoclearFeatures    uint64
	RefcountOrder        uint32
	HeaderLength         uint32
}

const (
	headerLengthV2 = 72
	headerLengthV3 = 104
	// compressionTypeOffset is where the compression type lies, one byte, in headers long
	// enough to have it.
	compressionTypeOffset = 104
	// headerLengthType is that of a header with a compression type, padded to 8 bytes.
	headerLengthType = 112
)

// Bits of IncompatibleFeatures.
const (
	incompatDirty           = 1 << 0 // reference counts may be wrong
	incompatCorrupt         = 1 << 1 // metadata may be wrong
	incompatExternalData    = 1 << 2
	incompatCompressionType = 1 << 3
	incompatExtendedL2      = 1 << 4
)

// Types of header extensions, which lie between the header and the end of the first cluster.
const (
	extensionEnd          = 0
	extensionExternalData = 0x44415441 // its data is the file's name

	extensionHeader = 8 // type and length, 4 bytes each; the data is padded to as many
)

// maxNameLength is that of a backing file's name.
const maxNameLength = 1023

// Values of CryptMethod.
const (
	cryptAES  = 1
	cryptLUKS = 2
)

// Compression types.
const (
	compressionZlib = 0 // raw deflate streams
	compressionZstd = 1
)

// Entries of the L1 and L2 tables.
const (
	// oflagCopied says that the reference count is exactly one.
	oflagCopied = 1 << 63
	// oflagCompressed is for L2 entries only.
	oflagCompressed = 1 << 62
	// oflagZero says that a cluster reads as zeros (L2 entries, version 3).
	oflagZero = 1 << 0
	// offsetMask leaves the host cluster offset (bits 9 to 55).
	offsetMask = 0x00ff_ffff_ffff_fe00
)

// csizeShift is how many bits of the descriptor of a compressed cluster say where it
// begins. Those above, up to oflagCompressed, are the number of sectors beyond its first.
func csizeShift(clusterBits uint) uint { return 62 - (clusterBits - 8) }

// What is written.
const (
	clusterBits     = 16
	clusterSize     = 1 << clusterBits
	entrySize       = 8 // of L1, L2 and refcount tables
	l2Entries       = clusterSize / entrySize
	l2Span          = l2Entries * clusterSize // bytes of the disk that one L2 table maps
	refcountOrder   = 4                       // 16 bits
	refcountSize    = 1 << refcountOrder / 8
	refcountsPerBlk = clusterSize / refcountSize
	sectorSize      = 512
)

// Limits of QEMU (block/qcow2.h): tables larger than these are not opened.
const (
	maxL1Bytes            = 32 << 20
	maxRefcountTableBytes = 8 << 20
	maxSize               = maxL1Bytes / entrySize * l2Span // of a disk, with our clusters
	minClusterBits        = 9
	maxClusterBits        = 21
)
