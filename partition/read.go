package partition

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/google/uuid"

	"ingot/image"
)

// ErrNoTable is the error for a disk without a partition table, such as one that is a single
// file system.
var ErrNoTable = errors.New("no partition table")

// A Listing is the partition table of a disk.
type Listing struct {
	Kind Kind
	// GUID is the disk's GUID in upper case; empty for an MBR.
	GUID string
	// Signature is the disk signature in the MBR; 0 is none.
	Signature uint32
	// Size is the size of the disk, SectorSize that of its sectors, in bytes. An MBR does not
	// contain a sector size: ingot assumes 512.
	Size, SectorSize int64
	// Partitions are in the order of their numbers, with logical partitions and without
	// extended ones.
	Partitions []Placed
	// Protected is true for a GPT behind an MBR with a protective entry. Linux and UEFI ignore
	// a GPT without one.
	Protected bool
	// Problems are defects of a table that can still be read: a damaged backup, or a partition
	// that ends beyond the disk.
	Problems []string
}

func (l *Listing) problem(format string, args ...any) {
	l.Problems = append(l.Problems, fmt.Sprintf(format, args...))
}

func firstSector(r io.ReaderAt, size int64) ([]byte, error) {
	if size < mbrSize {
		return nil, ErrNoTable
	}
	sector := make([]byte, mbrSize)
	return sector, readFull(r, sector, 0)
}

// ReadGPT reads the GPT of a disk, or its backup if the primary one is damaged, and adds the
// entries that the MBR has for the same partitions. If the MBR protects a GPT and there is
// none, the error is not [ErrNoTable].
func ReadGPT(r io.ReaderAt, size int64) (*Listing, error) {
	sector, err := firstSector(r, size)
	if err != nil {
		return nil, err
	}
	mbr, _ := decodeMBR(sector)
	l, err := readGPT(r, size)
	switch {
	case err == nil:
		if l.Protected = mbr.protects(); !l.Protected {
			l.problem("the MBR does not protect the GPT: it has no entry of type 0xee")
		}
		l.addMBR(mbr)
		return l, nil
	case errors.Is(err, ErrNoTable) && mbr.protects():
		return nil, errors.New("gpt: the MBR protects a GPT, but there is neither a primary nor a backup header")
	}
	return nil, err
}

// protects reports whether an MBR has the entry that protects a GPT.
func (r mbrRecord) protects() bool {
	for _, e := range r.Entries {
		if e.Type == typeProtective {
			return true
		}
	}
	return false
}

func readFull(r io.ReaderAt, p []byte, off int64) error {
	if err := image.ReadFull(r, p, off); err != nil {
		return fmt.Errorf("partition table: %d bytes at %d: %w", len(p), off, err)
	}
	return nil
}

// gptCopy is the primary GPT or its backup.
type gptCopy struct {
	header  gptHeader
	entries []gptEntry
	sector  int64
}

// readGPT reads the primary GPT and compares the backup with it, or reads the backup if the
// primary is damaged.
func readGPT(r io.ReaderAt, size int64) (*Listing, error) {
	var primary, backup *gptCopy
	var primaryErr, backupErr error = ErrNoTable, ErrNoTable
	for _, sector := range []int64{512, 4096} {
		if primary == nil && errors.Is(primaryErr, ErrNoTable) {
			primary, primaryErr = readCopy(r, size, sector, 1)
		}
	}
	if primary != nil {
		l := primary.listing(size)
		l.compareBackup(r, primary)
		return l, nil
	}
	for _, sector := range []int64{512, 4096} {
		if backup == nil && errors.Is(backupErr, ErrNoTable) && size >= 2*sector {
			backup, backupErr = readCopy(r, size, sector, uint64(size/sector)-1)
		}
	}
	switch {
	case backup != nil:
		l := backup.listing(size)
		l.problem("the primary GPT cannot be used (%v); ingot uses the backup", primaryErr)
		return l, nil
	case errors.Is(primaryErr, ErrNoTable) && errors.Is(backupErr, ErrNoTable):
		return nil, ErrNoTable
	}
	return nil, fmt.Errorf("gpt: primary: %w; backup: %v", primaryErr, backupErr)
}

// maxArray limits the size of the array of entries, since the header may be hostile. Linux
// reads all entries; 8192 are 64 times the usual number.
const maxArray = 1 << 20

// checkArray checks the position and size of the array of entries before any arithmetic that
// could overflow.
func (h *gptHeader) checkArray(sector int64, sectors uint64) error {
	n, size := uint64(h.NumberOfPartitionEntries), uint64(h.SizeOfPartitionEntry)
	switch {
	case size < gptEntrySize || size&(size-1) != 0:
		return fmt.Errorf("entries of %d bytes: an entry has %d bytes, or that times a power of two", size, gptEntrySize)
	case size > maxArray || n > maxArray/size:
		return fmt.Errorf("%d entries of %d bytes: ingot reads at most %d bytes in all", n, size, maxArray)
	case h.PartitionEntryLBA >= sectors || (n*size+uint64(sector)-1)/uint64(sector) > sectors-h.PartitionEntryLBA:
		return fmt.Errorf("array of %d entries of %d bytes at sector %d reaches beyond the disk's %d sectors", n, size, h.PartitionEntryLBA, sectors)
	}
	return nil
}

// readCopy reads and checks the GPT whose header is at an LBA.
func readCopy(r io.ReaderAt, size, sector int64, lba uint64) (*gptCopy, error) {
	last := uint64(size/sector) - 1
	if size < 2*sector || lba > last {
		return nil, ErrNoTable
	}
	b := make([]byte, sector)
	if err := readFull(r, b, int64(lba)*sector); err != nil {
		return nil, err
	}
	c := &gptCopy{sector: sector}
	h := &c.header
	if _, err := binary.Decode(b, binary.LittleEndian, h); err != nil {
		return nil, err
	}
	if string(h.Signature[:]) != gptSignature {
		return nil, ErrNoTable
	}
	if h.HeaderSize < gptHeaderSize || int64(h.HeaderSize) > sector {
		return nil, fmt.Errorf("header of %d bytes: a header has from %d to %d", h.HeaderSize, gptHeaderSize, sector)
	}
	clear(b[16:20]) // the header's own CRC counts as zero
	switch sum := crc32.ChecksumIEEE(b[:h.HeaderSize]); {
	case sum != h.HeaderCRC32:
		return nil, fmt.Errorf("header at sector %d has the CRC %08x, but its bytes give %08x", lba, h.HeaderCRC32, sum)
	case h.MyLBA != lba:
		return nil, fmt.Errorf("header at sector %d is the one of sector %d", lba, h.MyLBA)
	}
	if err := h.checkArray(sector, last+1); err != nil {
		return nil, err
	}
	if err := c.readEntries(r); err != nil {
		return nil, err
	}
	return c, nil
}

// readEntries reads the array of entries, which checkArray has checked.
func (c *gptCopy) readEntries(r io.ReaderAt) error {
	h := &c.header
	array := make([]byte, int(h.NumberOfPartitionEntries)*int(h.SizeOfPartitionEntry))
	if err := readFull(r, array, int64(h.PartitionEntryLBA)*c.sector); err != nil {
		return err
	}
	if sum := crc32.ChecksumIEEE(array); sum != h.PartitionEntryArrayCRC32 {
		return fmt.Errorf("array of entries at sector %d has the CRC %08x, but its bytes give %08x", h.PartitionEntryLBA, h.PartitionEntryArrayCRC32, sum)
	}
	c.entries = make([]gptEntry, h.NumberOfPartitionEntries)
	for i := range c.entries {
		at := i * int(h.SizeOfPartitionEntry)
		if _, err := binary.Decode(array[at:], binary.LittleEndian, &c.entries[i]); err != nil {
			return err
		}
	}
	return nil
}

// listing converts the entries to partitions.
func (c *gptCopy) listing(size int64) *Listing {
	l := &Listing{Kind: GPT, GUID: guidText(c.header.DiskGUID), Size: size, SectorSize: c.sector}
	for i, e := range c.entries {
		if e.PartitionTypeGUID == [16]byte{} {
			continue
		}
		if e.StartingLBA > e.EndingLBA || e.EndingLBA >= uint64(math.MaxInt64/c.sector) {
			l.problem("partition %d reaches from sector %d to %d: ingot ignores it", i+1, e.StartingLBA, e.EndingLBA)
			continue
		}
		l.add(Placed{
			Partition: Partition{Name: e.name()},
			Number:    i + 1,
			Start:     int64(e.StartingLBA) * c.sector, Size: int64(e.EndingLBA-e.StartingLBA+1) * c.sector,
			GUID: guidText(e.UniquePartitionGUID), TypeGUID: guidText(e.PartitionTypeGUID),
			Attributes: e.Attributes,
			PartUUID:   strings.ToLower(guidText(e.UniquePartitionGUID)),
		})
	}
	return l
}

func (l *Listing) add(p Placed) {
	if l.Kind != APM {
		p.Type = TypeName(p.TypeGUID, p.TypeByte)
	}
	if p.End() > l.Size {
		l.problem("partition %d ends at byte %d, and the disk has %d", p.Number, p.End(), l.Size)
	}
	l.Partitions = append(l.Partitions, p)
}

func guidText(b [16]byte) string {
	return strings.ToUpper(uuid.UUID(swapGUID(b)).String())
}

func (e gptEntry) name() string {
	n := 0
	for n < len(e.PartitionName) && e.PartitionName[n] != 0 {
		n++
	}
	return string(utf16.Decode(e.PartitionName[:n]))
}

// compareBackup compares the backup with the primary GPT.
func (l *Listing) compareBackup(r io.ReaderAt, primary *gptCopy) {
	h := primary.header
	last := uint64(l.Size/l.SectorSize) - 1
	if h.AlternateLBA != last {
		l.problem("the backup GPT should be at sector %d, but the disk's last sector is %d: the disk has grown or was cut", h.AlternateLBA, last)
	}
	backup, err := readCopy(r, l.Size, l.SectorSize, h.AlternateLBA)
	switch {
	case err != nil:
		l.problem("the backup GPT cannot be used (%v)", err)
	case backup.header.DiskGUID != h.DiskGUID || backup.header.PartitionEntryArrayCRC32 != h.PartitionEntryArrayCRC32:
		l.problem("the backup GPT differs from the primary one")
	}
}

// addMBR adds the entries of the MBR before a GPT.
func (l *Listing) addMBR(r mbrRecord) {
	l.Signature = r.Signature
	for _, e := range r.Entries {
		if e.Type == 0 || e.Type == typeProtective || e.Sectors == 0 {
			continue
		}
		l.Kind = Hybrid
		found := false
		for i := range l.Partitions {
			p := &l.Partitions[i]
			if p.Start == int64(e.FirstLBA)*l.SectorSize && p.Size == int64(e.Sectors)*l.SectorSize {
				p.InMBR, p.TypeByte, p.Active, found = true, e.Type, e.Status == mbrActive, true
			}
		}
		if !found {
			l.problem("the MBR has a partition of %d sectors at %d that is not in the GPT", e.Sectors, e.FirstLBA)
		}
	}
}

// ReadMBR reads the MBR of a disk and its chains of logical partitions. It ignores an entry
// that protects a GPT, and an MBR with no other entries.
func ReadMBR(r io.ReaderAt, size int64) (*Listing, error) {
	sector, err := firstSector(r, size)
	if err != nil {
		return nil, err
	}
	mbr, ok := decodeMBR(sector)
	if !ok {
		return nil, ErrNoTable
	}
	l := &Listing{Kind: MBR, Signature: mbr.Signature, Size: size, SectorSize: 512}
	used := false
	for _, e := range mbr.Entries {
		if e.Status != 0 && e.Status != mbrActive {
			return nil, ErrNoTable // boot code, or data, with the magic behind it
		}
		used = used || e.Type != 0 && e.Type != typeProtective
	}
	if !used && (mbr.Signature == 0 || mbr.protects()) {
		return nil, ErrNoTable
	}
	for i, e := range mbr.Entries {
		if e.Type != 0 && e.Type != typeProtective && e.Sectors != 0 && !isExtended(e.Type) {
			l.addEntry(i+1, e, 0)
		}
	}
	next := mbrEntries + 1
	for _, e := range mbr.Entries {
		if isExtended(e.Type) && e.Sectors != 0 {
			if next, err = l.readExtended(r, e, next); err != nil {
				return nil, err
			}
		}
	}
	return l, nil
}

func (l *Listing) addEntry(number int, e mbrEntry, base int64) {
	l.add(Placed{
		Number: number,
		Start:  (base + int64(e.FirstLBA)) * l.SectorSize, Size: int64(e.Sectors) * l.SectorSize,
		TypeByte: e.Type, Active: e.Status == mbrActive, Logical: number > mbrEntries,
		PartUUID: fmt.Sprintf("%08x-%02x", l.Signature, number),
	})
}

// Limits of a chain of extended boot records, which are Linux's: partitions of a disk, and
// records in a row without a partition.
const (
	maxPartitions   = 256
	maxEmptyRecords = 100
)

// readExtended follows the chain of extended boot records that begins at an entry of the MBR
// and numbers its partitions from next on. As in Linux, it numbers partitions, not records: a
// record can have none, or several. It returns the number after the last partition.
func (l *Listing) readExtended(r io.ReaderAt, extended mbrEntry, next int) (int, error) {
	first := int64(extended.FirstLBA)
	b := make([]byte, mbrSize)
	seen := map[int64]bool{}
	empty := 0
	record := mbrEntry{FirstLBA: 0, Sectors: extended.Sectors} // relative to first, as links are
	for {
		at := first + int64(record.FirstLBA)
		switch {
		case seen[at]:
			l.problem("the chain of logical partitions is a loop: it returns to sector %d", at)
			return next, nil
		case empty > maxEmptyRecords:
			l.problem("the chain of logical partitions has more than %d records without a partition, up to sector %d", maxEmptyRecords, at)
			return next, nil
		case at*l.SectorSize > l.Size-mbrSize:
			l.problem("logical partition %d has its boot record at sector %d, beyond the disk", next, at)
			return next, nil
		}
		seen[at] = true
		if err := readFull(r, b, at*l.SectorSize); err != nil {
			return next, err
		}
		ebr, ok := decodeMBR(b)
		if !ok {
			l.problem("logical partition %d has no boot record at sector %d", next, at)
			return next, nil
		}
		empty++
		for i, e := range ebr.Entries {
			if e.Type == 0 || e.Sectors == 0 || isExtended(e.Type) || i >= 2 && !within(e, at, record, first, extended) {
				continue
			}
			if next >= maxPartitions {
				l.problem("there are more than %d partitions; ingot ignores the others", maxPartitions-1)
				return next, nil
			}
			l.addEntry(next, e, at)
			next, empty = next+1, 0
		}
		link := slices.IndexFunc(ebr.Entries[:], func(e mbrEntry) bool { return isExtended(e.Type) && e.Sectors != 0 })
		if link < 0 {
			return next, nil
		}
		record = ebr.Entries[link]
	}
}

// within reports whether the third or fourth entry of an extended boot record is a partition.
// OS/2 and DR-DOS store data there; Linux accepts only entries within both the record's part of
// the extended partition and the extended partition itself.
func within(e mbrEntry, at int64, record mbrEntry, first int64, extended mbrEntry) bool {
	from, to := at+int64(e.FirstLBA), at+int64(e.FirstLBA)+int64(e.Sectors)
	return int64(e.FirstLBA)+int64(e.Sectors) <= int64(record.Sectors) && from >= first && to <= first+int64(extended.Sectors)
}
