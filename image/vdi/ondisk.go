package vdi

// The header with VirtualBox's names (VDIPREHEADER and VDIHEADER1PLUS in
// src/VBox/Storage/VDICore.h). All numbers are little-endian.

// preHeader is the file's start.
type preHeader struct {
	FileInfo  [64]byte
	Signature uint32
	Version   uint32
}

// header1Plus follows it.
type header1Plus struct {
	CbHeader         uint32 // of this header, bytes
	Type             uint32
	Flags            uint32
	Comment          [256]byte
	OffBlocks        uint32 // of the map of blocks, bytes
	OffData          uint32 // of the first block, bytes
	LegacyGeometry   geometry
	Dummy            uint32
	CbDisk           uint64
	CbBlock          uint32
	CbBlockExtra     uint32
	CBlocks          uint32
	CBlocksAllocated uint32
	UUIDCreate       [16]byte
	UUIDModify       [16]byte
	UUIDLinkage      [16]byte // of the parent; zero without one
	UUIDParentModify [16]byte
	LCHSGeometry     geometry
	_                [preHeaderPadding]byte
}

// geometry is what a BIOS is told; zeros leave it to VirtualBox.
type geometry struct{ Cylinders, Heads, Sectors, CbSector uint32 }

const (
	fileInfo         = "<<< Oracle VM VirtualBox Disk Image >>>\n"
	signature        = 0xbeda107f
	version          = 1<<16 | 1
	headerSize       = 400 // of header1Plus, without what fills the sector
	preHeaderPadding = sectorSize - 72 - headerSize
	typeNormal       = 1 // dynamic
	typeFixed        = 2
	typeDifferencing = 4
	blockFree        = 0xffffffff
	blockZero        = 0xfffffffe // reads as zeros, as a free one does
	signatureAt      = 64

	sectorSize = 512
	blockSize  = 1 << 20
	entrySize  = 4 // of the map of blocks
	// maxBlocks is as many as leave the first block an offset of 32 bits behind their map.
	maxBlocks = (1<<32 - blockSize - sectorSize) / entrySize
)
