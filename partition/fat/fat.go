package fat

import (
	"cmp"
	"fmt"
	"strings"

	"ingot/image"
	"ingot/internal/grammar"
)

// FileSystem makes FAT volumes. The zero value is the good default for a partition of a disk.
type FileSystem struct {
	// Bits is the type: 12, 16 or 32. Default: by the size and the tree.
	Bits int
	// SectorSize is the disk's, in bytes: 512, 1024, 2048 or 4096. Default: 512.
	SectorSize int
	// SectorsPerCluster is a power of two; a cluster has at most 32 KiB. Default: by the size
	// and the tree.
	SectorsPerCluster int
	// HiddenSectors is the position of the volume on the disk, in sectors, for boot code.
	HiddenSectors uint32
	// Removable marks a floppy disk or another removable medium (media byte F0, drive
	// number 0) and prefers FAT12 up to 16 MiB, which firmware accepts there.
	Removable bool
}

const (
	minBytes       = 64 << 10
	maxSectors     = 1<<32 - 1
	minSectorSize  = 512
	maxSectorSize  = 4096
	maxClusterSize = 32 << 10
)

func (f FileSystem) sectorSize() int64 {
	if f.SectorSize == 0 {
		return minSectorSize
	}
	return int64(f.SectorSize)
}

// Check implements [volume.FileSystem].
func (f FileSystem) Check(v image.Volume) error {
	return cmp.Or(f.checkOptions(), checkLabel(v.Label), checkUUID(v.UUID), f.checkSize(v.Size))
}

func (f FileSystem) checkOptions() error {
	switch f.Bits {
	case 0, 12, 16, 32:
	default:
		return fmt.Errorf("FAT%d: there are FAT12, FAT16 and FAT32", f.Bits)
	}
	ss := f.sectorSize()
	if !powerOfTwo(ss) || ss < minSectorSize || ss > maxSectorSize {
		return fmt.Errorf("sectors of %d bytes: a FAT volume has sectors of 512, 1024, 2048 or 4096 bytes", ss)
	}
	spc := int64(f.SectorsPerCluster)
	if spc != 0 && (!powerOfTwo(spc) || spc > maxClusterSize/ss) {
		return fmt.Errorf("clusters of %s: the number must be a power of two, and at most %d with sectors of %d bytes", grammar.Count(f.SectorsPerCluster, "sector"), maxClusterSize/ss, ss)
	}
	return nil
}

func powerOfTwo(n int64) bool { return n > 0 && n&(n-1) == 0 }

// illegalInLabel are the printable ASCII characters that a label cannot have.
const illegalInLabel = "\"*+,./:;<=>?[\\]|"

// checkLabel allows lower case: Linux and GRUB show it as it is, and a menu or an fstab may
// contain it.
func checkLabel(s string) error {
	if len(s) > len(noLabel) {
		return fmt.Errorf("label %q: %d bytes long; FAT holds at most %d", s, len(s), len(noLabel))
	}
	for _, r := range s {
		if r < ' ' || r > '~' || strings.ContainsRune(illegalInLabel, r) {
			return fmt.Errorf("label %q: has %q; FAT holds printable ASCII characters except %s", s, r, illegalInLabel)
		}
	}
	if s != strings.Trim(s, " ") {
		return fmt.Errorf("label %q: begins or ends with a space, which FAT does not keep", s)
	}
	if s == strings.TrimSpace(noLabel) {
		return fmt.Errorf("label %q: means no label on FAT; leave it empty or use another", s)
	}
	return nil
}

func checkUUID(s string) error {
	if s == "" {
		return nil
	}
	id, err := parseUUID(s)
	if err == nil && id == 0 {
		err = fmt.Errorf("UUID %q: means none at all; use another or leave it empty", s)
	}
	return err
}

// parseUUID parses a serial number in blkid's form.
func parseUUID(s string) (uint32, error) {
	var id uint32
	for i := range len(s) {
		digit := strings.IndexByte("0123456789ABCDEF", upper(s[i]))
		switch {
		case len(s) != len("ABCD-1234"), (s[i] == '-') != (i == 4), i != 4 && digit < 0:
			return 0, fmt.Errorf("UUID %q: FAT has a serial number of the form ABCD-1234 (hexadecimal)", s)
		case i != 4:
			id = id<<4 | uint32(digit)
		}
	}
	return id, nil
}

func upper(c byte) byte {
	if 'a' <= c && c <= 'z' {
		return c - 'a' + 'A'
	}
	return c
}

// UUID implements [volume.FileSystem]: the serial number as blkid prints it, "ABCD-1234".
func (f FileSystem) UUID(v image.Volume) string { return formatUUID(serial(v)) }

func formatUUID(id uint32) string { return fmt.Sprintf("%04X-%04X", id>>16, id&0xFFFF) }

func serial(v image.Volume) uint32 {
	if id, err := parseUUID(v.UUID); err == nil && id != 0 {
		return id
	}
	return v.Seed.Uint32("fat volume serial number")
}

// checkSize refuses sizes that no layout has.
func (f FileSystem) checkSize(s image.Size) error {
	if f.checkOptions() != nil {
		return nil // already reported; the sector size may be 0
	}
	ss := f.sectorSize()
	switch most := maxSectors * ss; {
	case s.Fit && s.Bytes < 0:
		return fmt.Errorf("free space of %d bytes: it must not be negative", s.Bytes)
	case s.Bytes > most:
		return fmt.Errorf("a volume of %d bytes; FAT reaches %d with sectors of %d bytes", s.Bytes, most, ss)
	case s.Fit:
		return nil
	case s.Bytes < minBytes:
		return fmt.Errorf("a FAT of %s: %w", grammar.Count(s.Bytes, "byte"), &image.TooSmallError{What: "bytes", Need: minBytes, Have: s.Bytes})
	}
	if f.Bits == 0 && f.SectorsPerCluster == 0 {
		return nil
	}
	return f.checkForced(s.Bytes)
}

// checkForced checks that Bits and SectorsPerCluster allow a layout of so many bytes.
func (f FileSystem) checkForced(bytes int64) error {
	least, most := int64(maxSectors), int64(0)
	for _, k := range f.kinds() {
		least = min(least, k.sectors(k.minClusters(), 0))
		most = max(most, k.sectors(k.maxClusters(), 0)+k.spc-1)
	}
	ss := f.sectorSize()
	least, most = max(least*ss, minBytes), min(most, maxSectors)*ss
	switch {
	case bytes < least:
		return fmt.Errorf("%s: %w", f.forced(), &image.TooSmallError{What: "bytes", Need: least, Have: bytes})
	case bytes/ss*ss > most:
		return fmt.Errorf("%s: a volume of %d bytes; it reaches %d", f.forced(), bytes, most)
	}
	return nil
}

// forced describes the options that limit the choice of layouts.
func (f FileSystem) forced() string {
	var s []string
	if k := (kind{bits: f.Bits}); f.Bits != 0 {
		s = append(s, fmt.Sprintf("FAT%d (%d to %d clusters, %d off the borders to other types)", f.Bits, k.minClusters(), k.maxClusters(), margin))
	}
	if f.SectorsPerCluster != 0 {
		s = append(s, fmt.Sprintf("clusters of %s", grammar.Count(f.SectorsPerCluster, "sector")))
	}
	return strings.Join(s, ", ")
}
