package fat

import (
	"bytes"
	"encoding/binary"
)

// The structures of Microsoft's "FAT: General Overview of On-Disk Format", version
// 1.03 (fatgen103), with its names less their prefixes (BPB_, BS_, FSI_, DIR_,
// LDIR_). All numbers are little-endian.
//
// https://download.microsoft.com/download/1/6/1/161ba512-40e2-4cc9-843a-923143f3456c/fatgen103.doc

// bpb is the head of the boot sector, of all types.
type bpb struct {
	JmpBoot    [3]byte
	OEMName    [8]byte
	BytsPerSec uint16
	SecPerClus uint8
	RsvdSecCnt uint16
	NumFATs    uint8
	RootEntCnt uint16 // 0 on FAT32
	TotSec16   uint16 // 0 where TotSec32 is used
	Media      uint8
	FATSz16    uint16 // 0 on FAT32
	SecPerTrk  uint16
	NumHeads   uint16
	HiddSec    uint32
	TotSec32   uint32
}

// bpb32 follows on FAT32.
type bpb32 struct {
	FATSz32   uint32
	ExtFlags  uint16
	FSVer     uint16
	RootClus  uint32
	FSInfo    uint16 // sector
	BkBootSec uint16 // sector
	Reserved  [12]byte
}

// bootRecord follows on all types.
type bootRecord struct {
	DrvNum     uint8
	Reserved1  uint8
	BootSig    uint8
	VolID      uint32
	VolLab     [11]byte
	FilSysType [8]byte
}

const (
	bpbSize        = 36
	bpb32Size      = 28
	bootRecordSize = 26

	signatureOffset = 510 // for any sector size
	signature       = 0xAA55
	extendedBootSig = 0x29 // VolID, VolLab and FilSysType are there

	mediaFixed     = 0xF8
	mediaRemovable = 0xF0
	driveFixed     = 0x80
	driveRemovable = 0x00

	// oemName is the specification's recommendation, since some drivers check it.
	oemName = "MSWIN4.1"

	noLabel = "NO NAME    "

	numFATs      = 2
	rootCluster  = 2
	firstCluster = 2

	// Sectors of the reserved area of FAT32.
	fsInfoSector     = 1
	backupBootSector = 6
	reserved32       = 32 // the usual number

	// ExtFlags
	mirroringOff = 1 << 7
	activeFAT    = 0x0F
)

// bootCode runs if a BIOS boots from the volume: it tells the BIOS to try the next disk, and
// stops if the BIOS returns.
var bootCode = []byte{
	0xCD, 0x18, // int 0x18: no boot here
	0xF4,       // hlt
	0xEB, 0xFD, // jmp to the hlt
}

// fsInfo is the FSInfo sector of FAT32 up to its signature.
type fsInfo struct {
	LeadSig   uint32
	Reserved1 [480]byte
	StrucSig  uint32
	FreeCount uint32
	NxtFree   uint32
	Reserved2 [12]byte
	TrailSig  uint32
}

const (
	fsInfoLead    = 0x41615252
	fsInfoStruc   = 0x61417272
	fsInfoTrail   = 0xAA550000
	fsInfoUnknown = 0xFFFFFFFF
)

// dirEntry is an entry of a directory.
type dirEntry struct {
	Name         [11]byte
	Attr         uint8
	NTRes        uint8
	CrtTimeTenth uint8 // 10 ms, 0 to 199
	CrtTime      uint16
	CrtDate      uint16
	LstAccDate   uint16
	FstClusHI    uint16
	WrtTime      uint16
	WrtDate      uint16
	FstClusLO    uint16
	FileSize     uint32
}

// longEntry is an entry with 13 units of a long name. Long entries precede the dirEntry, the
// last part first.
type longEntry struct {
	Ord       uint8
	Name1     [5]uint16
	Attr      uint8
	Type      uint8
	Chksum    uint8
	Name2     [6]uint16
	FstClusLO uint16
	Name3     [2]uint16
}

const (
	dirEntrySize = 32

	attrReadOnly  = 0x01
	attrHidden    = 0x02
	attrSystem    = 0x04
	attrVolumeID  = 0x08
	attrDirectory = 0x10
	attrArchive   = 0x20
	attrLongName  = attrReadOnly | attrHidden | attrSystem | attrVolumeID
	attrMask      = 0x3F

	entryEnd     = 0x00 // Name[0]: this and all following entries are free
	entryFree    = 0xE5 // Name[0]
	entryKanjiE5 = 0x05 // Name[0]: means 0xE5

	// NTRes in Windows NT and Linux.
	lowerBase = 0x08
	lowerExt  = 0x10

	lastLongEntry  = 0x40 // Ord
	longUnits      = 13   // of UTF-16 in a longEntry
	maxLongName    = 255  // units of UTF-16
	maxLongEntries = (maxLongName + longUnits - 1) / longUnits
	longPadding    = 0xFFFF

	// maxDirEntries is 2 MiB of entries: FAT counts them with 16 bits.
	maxDirEntries = 65536
	maxFileSize   = 1<<32 - 1
)

// encode appends fixed-size structures, one after the other.
func encode(b []byte, structs ...any) []byte {
	for _, s := range structs {
		var err error
		if b, err = binary.Append(b, binary.LittleEndian, s); err != nil {
			panic(err) // not a fixed-size structure
		}
	}
	return b
}

// decode returns the fixed-size structure at the beginning of b, which must be long enough.
func decode[T any](b []byte) (s T) {
	if err := binary.Read(bytes.NewReader(b), binary.LittleEndian, &s); err != nil {
		panic(err)
	}
	return s
}

// checksum returns the checksum of a short name, which its long entries contain.
func checksum(short [11]byte) (sum uint8) {
	for _, c := range short {
		sum = sum>>1 | sum<<7
		sum += c
	}
	return sum
}

// units returns the 13 units in their order.
func (l *longEntry) units() [longUnits]uint16 {
	var u [longUnits]uint16
	copy(u[copy(u[copy(u[:], l.Name1[:]):], l.Name2[:])+len(l.Name1):], l.Name3[:])
	return u
}
