package partition

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"
)

// The Apple Partition Map, as "Inside Macintosh: Devices", chapter 3, describes it: block 0
// is the driver descriptor map, and from block 1 on each block describes a partition, the map
// itself included. All numbers are big-endian.
const (
	apmDriverMagic = 0x4552 // "ER"
	apmEntryMagic  = 0x504d // "PM"
	apmMaxEntries  = 256    // Linux has no more partitions of one disk
	apmMapType     = "Apple_partition_map"
	apmFreeType    = "Apple_Free"
)

// apmEntry is the start of a block of the map.
type apmEntry struct {
	Signature      uint16
	_              uint16
	MapBlockCount  uint32
	PhysicalStart  uint32
	PhysicalBlocks uint32
	Name           [32]byte
	Type           [32]byte
}

// ReadAPM reads the Apple Partition Map of a disk. Media that also boot PCs can have one
// beside an MBR. The entry for the map itself and those for free space have numbers, as in
// Linux, but are not listed. Types have Apple's names.
func ReadAPM(r io.ReaderAt, size int64) (*Listing, error) {
	sector, err := firstSector(r, size)
	if err != nil {
		return nil, err
	}
	// The boot code in block 0 of an ISO for PCs begins with the bytes of the driver descriptor
	// map, too.
	if binary.BigEndian.Uint16(sector) != apmDriverMagic {
		return nil, ErrNoTable
	}
	block := int64(binary.BigEndian.Uint16(sector[2:]))
	switch block {
	case 512, 1024, 2048, 4096:
	default:
		return nil, fmt.Errorf("apm: blocks of %d bytes; 512, 1024, 2048 or 4096 were expected", block)
	}
	l := &Listing{Kind: APM, Size: size, SectorSize: block}
	b := make([]byte, binary.Size(apmEntry{}))
	count := uint32(1)
	for i := uint32(1); i <= count; i++ {
		if (int64(i)+1)*block > size {
			l.problem("entry %d of the map lies beyond the disk", i)
			break
		}
		if err := readFull(r, b, int64(i)*block); err != nil {
			return nil, err
		}
		var e apmEntry
		if _, err := binary.Decode(b, binary.BigEndian, &e); err != nil {
			return nil, err
		}
		switch {
		case e.Signature != apmEntryMagic && i == 1:
			return nil, ErrNoTable
		case e.Signature != apmEntryMagic:
			l.problem("entry %d of the map begins with %#04x, not with %#04x", i, e.Signature, uint16(apmEntryMagic))
			return l, nil
		case i == 1:
			if count = e.MapBlockCount; count > apmMaxEntries {
				l.problem("the map has %d entries; ingot reads %d", count, apmMaxEntries)
				count = apmMaxEntries
			}
		}
		kind := apmText(e.Type)
		if e.PhysicalBlocks == 0 || kind == apmMapType || kind == apmFreeType {
			continue
		}
		l.add(Placed{
			Partition: Partition{Name: apmText(e.Name), Type: kind}, Number: int(i),
			Start: int64(e.PhysicalStart) * block, Size: int64(e.PhysicalBlocks) * block,
		})
	}
	return l, nil
}

func apmText(b [32]byte) string {
	text, _, _ := strings.Cut(string(b[:]), "\x00")
	return strings.ToValidUTF8(text, "\ufffd")
}
