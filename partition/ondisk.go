package partition

import "encoding/binary"

// The structures below are those of the UEFI specification 2.10, chapter 5
// (https://uefi.org/specs/UEFI/2.10/05_GUID_Partition_Table_Format.html), the MBR in
// section 5.2 and the GPT in 5.3, and of the classic MBR with its extended partitions.

// Master boot record: sector 0 of the disk, and of each logical partition's
// extended boot record.
const (
	mbrSize            = 512
	mbrSignatureOffset = 440 // boot code precedes the signature
	mbrEntries         = 4
	mbrMagic           = 0xaa55
	mbrActive          = 0x80
	mbrMaxLBA          = 1<<32 - 1 // positions and lengths are 32 bits wide
)

// Types of MBR entries that belong to the table.
const (
	typeExtended    = 0x05
	typeExtendedLBA = 0x0f
	typeExtendedLnx = 0x85
	typeProtective  = 0xee
)

func isExtended(b byte) bool {
	return b == typeExtended || b == typeExtendedLBA || b == typeExtendedLnx
}

// mbrEntry is an entry of an MBR's table.
type mbrEntry struct {
	Status   byte // mbrActive or 0
	FirstCHS [3]byte
	Type     byte
	LastCHS  [3]byte
	FirstLBA uint32
	Sectors  uint32
}

// mbrRecord is sector 0.
type mbrRecord struct {
	_         [mbrSignatureOffset]byte // boot code
	Signature uint32
	_         uint16
	Entries   [mbrEntries]mbrEntry
	Magic     uint16
}

// encode returns the sector with zeros for the boot code.
func (r mbrRecord) encode() []byte {
	r.Magic = mbrMagic
	b, err := binary.Append(nil, binary.LittleEndian, r)
	if err != nil {
		panic(err) // r has a fixed size
	}
	return b
}

// decodeMBR returns the record in a sector, and false if the magic is missing.
func decodeMBR(b []byte) (r mbrRecord, ok bool) {
	_, err := binary.Decode(b, binary.LittleEndian, &r)
	return r, err == nil && r.Magic == mbrMagic
}

// chs returns the packed cylinder, head and sector of an LBA under the geometry that
// every BIOS since 1995 and every partitioner assumes for disks, 255 heads of 63
// sectors. It returns the highest address for an LBA beyond cylinder 1023.
func chs(lba int64) [3]byte {
	const heads, sectors = 255, 63
	cylinder := lba / (heads * sectors)
	if cylinder > 1023 {
		return [3]byte{0xfe, 0xff, 0xff}
	}
	head, sector := lba/sectors%heads, lba%sectors+1
	return [3]byte{byte(head), byte(sector) | byte(cylinder>>8<<6), byte(cylinder)}
}

// GUID partition table.
const (
	gptSignature  = "EFI PART"
	gptRevision   = 0x00010000
	gptHeaderSize = 92
	gptEntries    = 128
	gptEntrySize  = 128
	gptNameUnits  = 36 // UTF-16 code units of a partition's name
	gptArraySize  = gptEntries * gptEntrySize
)

// gptHeader is the header of a GPT.
type gptHeader struct {
	Signature                [8]byte
	Revision                 uint32
	HeaderSize               uint32
	HeaderCRC32              uint32
	Reserved                 uint32
	MyLBA                    uint64
	AlternateLBA             uint64
	FirstUsableLBA           uint64
	LastUsableLBA            uint64
	DiskGUID                 [16]byte
	PartitionEntryLBA        uint64
	NumberOfPartitionEntries uint32
	SizeOfPartitionEntry     uint32
	PartitionEntryArrayCRC32 uint32
}

// gptEntry is a partition's entry.
type gptEntry struct {
	PartitionTypeGUID   [16]byte
	UniquePartitionGUID [16]byte
	StartingLBA         uint64
	EndingLBA           uint64 // inclusive
	Attributes          uint64
	PartitionName       [gptNameUnits]uint16
}

// swapGUID converts a GUID between the byte order on disk and that of its text: the first
// three fields are little-endian on disk.
func swapGUID(g [16]byte) [16]byte {
	return [16]byte{
		g[3], g[2], g[1], g[0], g[5], g[4], g[7], g[6],
		g[8], g[9], g[10], g[11], g[12], g[13], g[14], g[15],
	}
}
