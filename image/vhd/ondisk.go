package vhd

// The footer, with the specification's names. All numbers are big-endian.
type footer struct {
	Cookie             [8]byte
	Features           uint32
	FileFormatVersion  uint32
	DataOffset         uint64 // of the dynamic kind's header
	TimeStamp          uint32 // seconds since 2000
	CreatorApplication [4]byte
	CreatorVersion     uint32
	CreatorHostOS      [4]byte
	OriginalSize       uint64
	CurrentSize        uint64
	DiskGeometry       struct {
		Cylinders uint16
		Heads     uint8
		Sectors   uint8
	}
	DiskType   uint32
	Checksum   uint32 // the complement of the sum of the other bytes
	UniqueID   [16]byte
	SavedState uint8
	Reserved   [427]byte
}

const (
	cookie               = "conectix"
	featuresReserved     = 2 // always set
	fileFormatVersion    = 1 << 16
	noDataOffset         = 0xffffffffffffffff
	diskTypeFixed        = 2
	diskTypeDynamic      = 3
	diskTypeDifferencing = 4
	// Readers take the size from the geometry, which is less than CurrentSize, unless they
	// know the creator to mean CurrentSize: "win " is Hyper-V, which does.
	creatorApplication = "win "
	creatorVersion     = 6<<16 | 3
	creatorHostOS      = "Wi2k"

	footerSize = 512
	sectorSize = 512
	sizeUnit   = 1 << 20
	maxSize    = 2040 << 30
	checksumAt = 64
)

// The header of the dynamic kind, which the footer leads to.
type dynamicHeader struct {
	Cookie            [8]byte
	DataOffset        uint64
	TableOffset       uint64 // of the block allocation table, bytes
	HeaderVersion     uint32
	MaxTableEntries   uint32
	BlockSize         uint32 // bytes
	Checksum          uint32
	ParentUniqueID    [16]byte
	ParentTimeStamp   uint32
	Reserved1         uint32
	ParentUnicodeName [512]byte
	ParentLocators    [8][24]byte
	Reserved2         [256]byte
}

const (
	dynamicCookie     = "cxsparse"
	dynamicHeaderSize = 1024
	dynamicChecksumAt = 36
	unusedBlock       = 0xffffffff
)
