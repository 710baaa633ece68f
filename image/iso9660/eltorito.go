package iso9660

import (
	"encoding/binary"
	"fmt"

	"ingot/image"
	"ingot/internal/grammar"
)

// The structures of "El Torito" Bootable CD-ROM Format Specification 1.0
// (https://pdos.csail.mit.edu/6.828/2018/readings/boot-cdrom.pdf); the platform of
// UEFI is that of the UEFI specification 2.10, section 13.3.2.1.

const (
	bootSystem       = "EL TORITO SPECIFICATION"
	headerValidation = 0x01
	headerMore       = 0x90
	headerFinal      = 0x91
	indicatorBoot    = 0x88
	noEmulation      = 0
	bootSector       = 512 // sectors that firmware counts in
	maxLoadSectors   = 1<<16 - 1
	maxBootImages    = blockSize/32 - 1
)

// Platform is the firmware that a boot image is for: the platform ID of the catalog.
type Platform uint8

// The platforms.
const (
	BIOS Platform = 0x00
	UEFI Platform = 0xEF
)

// String returns the platform's name.
func (p Platform) String() string {
	switch p {
	case BIOS:
		return "BIOS"
	case UEFI:
		return "UEFI"
	}
	return fmt.Sprintf("platform %#02x", uint8(p))
}

// Boot is a boot image without emulation: a program for BIOS, a FAT volume for UEFI.
type Boot struct {
	Platform Platform
	// Image is the boot image, which then has no name in the Tree, or
	// Path is that of the file in the Tree which is the image.
	Image image.Blob
	Path  string
	// LoadSectors is how many sectors of 512 bytes the firmware loads. Default: the whole
	// image.
	LoadSectors int
	// InfoTable writes the boot information table to bytes 8 to 63 of the image, by which
	// boot code finds the rest of itself.
	InfoTable bool
	// Patch, if set, may change the bytes of the image before the information table is made.
	// at is their place in the volume, in bytes.
	Patch func(p []byte, at int64)
}

// A Region is where a boot image lies in the volume, in bytes.
type Region struct{ Start, Size int64 }

// validationEntry begins the catalog.
type validationEntry struct {
	HeaderID   uint8
	Platform   Platform
	_          uint16
	IDString   [24]byte
	Checksum   uint16
	Key55, Key uint8
}

// sectionHeader announces the images for another platform.
type sectionHeader struct {
	HeaderID uint8
	Platform Platform
	Entries  uint16
	ID       [28]byte
}

// bootEntry is the initial entry or one of a section.
type bootEntry struct {
	Indicator, Media uint8
	LoadSegment      uint16
	SystemType, _    uint8
	SectorCount      uint16
	LoadRBA          uint32
	_                [20]byte
}

// bootInfoTable is what mkisofs's option -boot-info-table made usual.
type bootInfoTable struct {
	PrimaryDescriptor, File, Length, Checksum uint32
	_                                         [40]byte
}

const (
	infoTableOffset = 8
	infoTableEnd    = 64
)

func (o Options) checkBoot() error {
	if len(o.Boot) > maxBootImages/2 {
		return fmt.Errorf("%d boot images; a catalog of one block holds %d", len(o.Boot), maxBootImages/2)
	}
	for i, b := range o.Boot {
		if err := b.check(); err != nil {
			return fmt.Errorf("boot image %d (%s): %w", i+1, b.Platform, err)
		}
	}
	return nil
}

func (b Boot) check() error {
	switch {
	case b.Image == nil && b.Path == "":
		return fmt.Errorf("is missing: give an image, or the path of one in the tree")
	case b.Image != nil && b.Path != "":
		return fmt.Errorf("there is an image and %s: give one of them", b.Path)
	case b.LoadSectors < 0 || b.LoadSectors > maxLoadSectors:
		return fmt.Errorf("%d sectors to load; El Torito counts 0 to %d", b.LoadSectors, maxLoadSectors)
	case b.Image != nil:
		return b.checkSize(b.Image.Size())
	}
	return nil
}

// checkSize refuses images that firmware cannot load. It reads a FAT volume of any size.
func (b Boot) checkSize(size int64) error {
	least, most := int64(1), int64(maxSection)
	if b.InfoTable {
		least = infoTableEnd
	}
	if b.Platform != UEFI && b.LoadSectors == 0 {
		most = maxLoadSectors * bootSector
	}
	switch {
	case size < least:
		return fmt.Errorf("is %s long; it must have %d at least", grammar.Count(size, "byte"), least)
	case size > most:
		return fmt.Errorf("is %s long; El Torito loads %d at most: set the sectors to load, if it loads the rest itself", grammar.Count(size, "byte"), most)
	}
	return nil
}

// sectors returns the sector count of the image's entry. With 0 and 1, UEFI takes the size
// from the volume's own header.
func (b Boot) sectors(size int64) uint16 {
	n := (size + bootSector - 1) / bootSector
	switch {
	case b.LoadSectors != 0:
		return uint16(b.LoadSectors)
	case n > maxLoadSectors:
		return 0
	}
	return uint16(n)
}

// patched returns the image's bytes after Patch, with the information table.
func (b Boot) patched(p []byte, block uint32) []byte {
	if b.Patch != nil {
		b.Patch(p, int64(block)*blockSize)
	}
	if !b.InfoTable {
		return p
	}
	table := bootInfoTable{PrimaryDescriptor: firstDescriptor, File: block, Length: uint32(len(p))}
	rest := p[infoTableEnd:]
	for len(rest) > 0 {
		var word [4]byte
		rest = rest[copy(word[:], rest):]
		table.Checksum += binary.LittleEndian.Uint32(word[:])
	}
	copy(p[infoTableOffset:], encode(nil, table))
	return p
}

// encode appends fixed-size values, numbers little-endian.
func encode(b []byte, values ...any) []byte {
	for _, v := range values {
		var err error
		if b, err = binary.Append(b, binary.LittleEndian, v); err != nil {
			panic(err) // all types are of this package
		}
	}
	return b
}

// bootRecord is the volume descriptor that leads to the catalog.
func bootRecord(catalog uint32) []byte {
	b := make([]byte, blockSize)
	copy(b, "\x00"+standardID+"\x01"+bootSystem)
	binary.LittleEndian.PutUint32(b[bootCatalogOffset:], catalog)
	return b
}

const bootCatalogOffset = 0x47

// bootCatalog returns the catalog: the initial entry is that of the first image, and each
// other image has a section of its own.
func bootCatalog(boot []Boot, at []Region) []byte {
	v := validationEntry{HeaderID: headerValidation, Platform: boot[0].Platform, Key55: 0x55, Key: 0xAA}
	v.Checksum = -sum16(encode(nil, v))
	b := encode(nil, v)
	for i, image := range boot {
		if i > 0 {
			h := sectionHeader{HeaderID: headerMore, Platform: image.Platform, Entries: 1}
			if i == len(boot)-1 {
				h.HeaderID = headerFinal
			}
			b = encode(b, h)
		}
		b = encode(b, bootEntry{
			Indicator: indicatorBoot, Media: noEmulation,
			SectorCount: image.sectors(at[i].Size), LoadRBA: uint32(at[i].Start / blockSize),
		})
	}
	return b
}

func sum16(b []byte) (sum uint16) {
	for i := 0; i+1 < len(b); i += 2 {
		sum += binary.LittleEndian.Uint16(b[i:])
	}
	return sum
}
