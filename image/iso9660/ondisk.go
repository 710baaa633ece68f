package iso9660

import (
	"encoding/binary"

	"ingot/image"
)

// The structures of ECMA-119, 4th edition
// (https://ecma-international.org/publications-and-standards/standards/ecma-119/).
// Section numbers are those of that text.

const (
	sectorSize      = 2048
	blockSize       = sectorSize // of the volumes that are written
	systemAreaSize  = 16 * blockSize
	firstDescriptor = 16 // blocks
	maxBlocks       = 1<<32 - 1
)

// Volume descriptor types, 8.1.1.
const (
	typeBootRecord    = 0
	typePrimary       = 1
	typeSupplementary = 2
	typeTerminator    = 255

	standardID = "CD001"
)

// both16 and both32 are numbers recorded twice, little-endian and then big-endian:
// 7.2.3 and 7.3.3.
type (
	both16 [4]byte
	both32 [8]byte
)

func newBoth16(n uint16) (b both16) {
	binary.LittleEndian.PutUint16(b[:], n)
	binary.BigEndian.PutUint16(b[2:], n)
	return b
}

func newBoth32(n uint32) (b both32) {
	binary.LittleEndian.PutUint32(b[:], n)
	binary.BigEndian.PutUint32(b[4:], n)
	return b
}

func appendBoth32(b []byte, n uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.LittleEndian.AppendUint32(b, n), n)
}

// volumeDescriptor is a primary (8.4) or supplementary (8.5) volume descriptor.
type volumeDescriptor struct {
	Type                 uint8
	StandardIdentifier   [5]byte
	Version              uint8
	VolumeFlags          uint8
	SystemIdentifier     [32]byte
	VolumeIdentifier     [32]byte
	_                    [8]byte
	VolumeSpaceSize      both32 // blocks
	EscapeSequences      [32]byte
	VolumeSetSize        both16
	VolumeSequenceNumber both16
	LogicalBlockSize     both16
	PathTableSize        both32 // bytes
	LPathTable           [4]byte
	OptionalLPathTable   [4]byte
	MPathTable           [4]byte
	OptionalMPathTable   [4]byte
	RootDirectoryRecord  [34]byte
	VolumeSetIdentifier  [128]byte
	Publisher            [128]byte
	DataPreparer         [128]byte
	Application          [128]byte
	CopyrightFile        [37]byte
	AbstractFile         [37]byte
	BibliographicFile    [37]byte
	Creation             volumeDate
	Modification         volumeDate
	Expiration           volumeDate
	Effective            volumeDate
	FileStructureVersion uint8
	_                    uint8
	ApplicationUse       [512]byte
	_                    [653]byte
}

// volumeDate is a date and time of 8.4.26.1: sixteen digits, and an offset from GMT.
type volumeDate [17]byte

// jolietEscape announces UCS-2 level 3 in a supplementary volume descriptor:
// Joliet Specification, https://pismotec.com/cfs/jolspec.html.
const jolietEscape = "%/E"

// enhancedVersion is that of the supplementary volume descriptor which ISO 9660:1999 calls
// enhanced, 8.5.2: its hierarchy has neither the limits of names nor those of depth.
const enhancedVersion = 2

// File flags of a directory record, 9.1.6.
const (
	flagDirectory   = 0x02
	flagAssociated  = 0x04
	flagMultiExtent = 0x80
)

const (
	recordHeader  = 33  // of a directory record, before the identifier
	maxRecord     = 254 // lengths are even
	maxIdentifier = 30  // of a file's name and extension, 7.5.1; 31 for directories, but then paths could pass 255
	maxLevel      = 8   // of directories, the root being on the first, 6.8.2.1
	pathHeader    = 8   // of a path table record, before the identifier

	// The most that one record can hold of a file, in whole blocks.
	maxSection = 1<<32 - blockSize
)

// recordDate is a date and time of 9.1.5: years since 1900, month, day, hour, minute,
// second, and an offset from GMT.
type recordDate [7]byte

// What a recordDate can name.
const (
	firstYear = 1900
	firstTime = -2208988800 // 1900-01-01T00:00:00Z
	lastTime  = 5869583999  // 2155-12-31T23:59:59Z
)

func newRecordDate(t image.Time) recordDate {
	if t == image.Epoch { // what all files of a store have
		return recordDate{1970 - firstYear, 1, 1, 0, 0, 1}
	}
	c := t.Civil()
	return recordDate{byte(c.Year - firstYear), byte(c.Month), byte(c.Day), byte(c.Hour), byte(c.Minute), byte(c.Second)}
}

// directoryRecord is the fixed part of a directory record, 9.1.
type directoryRecord struct {
	block, size uint32
	date        recordDate
	flags       byte
}

// appendRecord appends a directory record with its identifier and system use area,
// padded to an even length.
func appendRecord(b []byte, r directoryRecord, id string, systemUse []byte) []byte {
	n := recordSize(len(id), len(systemUse))
	start := len(b)
	b = append(b, byte(n), 0)
	b = appendBoth32(b, r.block)
	b = appendBoth32(b, r.size)
	b = append(b, r.date[:]...)
	b = append(b, r.flags, 0, 0)
	b = append(b, 1, 0, 0, 1) // volume sequence number
	b = append(b, byte(len(id)))
	b = append(b, id...)
	if len(id)%2 == 0 {
		b = append(b, 0)
	}
	b = append(b, systemUse...)
	if len(b)-start < n {
		b = append(b, 0)
	}
	return b
}

// recordSize returns the length of a directory record.
func recordSize(id, systemUse int) int {
	n := recordHeader + id
	n += n % 2
	return n + systemUse + systemUse%2
}
