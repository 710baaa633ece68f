package partition

import (
	"fmt"
	"strings"

	"ingot/image"
)

// Kind is the kind of a partition table; the zero value is [GPT].
type Kind uint8

// The kinds of table.
const (
	GPT    Kind = iota // GUID Partition Table, UEFI specification chapter 5
	MBR                // the classic table of PCs; sfdisk calls it "dos", parted "msdos"
	Hybrid             // GPT, with some partitions in its MBR too
	APM                // Apple Partition Map, only read
)

var kindNames = [...]string{GPT: "gpt", MBR: "mbr", Hybrid: "hybrid", APM: "apm"}

// String returns the name that [ParseKind] reads.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// ParseKind parses "gpt", "mbr" (also "msdos" or "dos") and "hybrid". Default: GPT.
func ParseKind(s string) (Kind, error) {
	switch strings.ToLower(s) {
	case "", "gpt":
		return GPT, nil
	case "mbr", "msdos", "dos":
		return MBR, nil
	case "hybrid":
		return Hybrid, nil
	}
	return 0, fmt.Errorf("unknown partition table %q: known are gpt, mbr (or msdos) and hybrid", s)
}

// A Table describes a disk for [Table.Layout].
type Table struct {
	Kind Kind
	// GUID is the disk's GUID in a GPT. Default: derived from Seed.
	GUID string
	// Signature is the disk signature (bytes 440 to 443). Default: derived from Seed; none in
	// a plain GPT.
	Signature uint32
	// Seed is the source of derived GUIDs and of the derived signature.
	Seed image.Seed
	// Arch is the architecture, as Linux names it, of the types "root" and "usr" and of those
	// for their hash trees and signatures. Default: x86_64.
	Arch string
	// Size is the size of the disk in bytes. Default: the smallest that fits, rounded up to
	// Align.
	Size int64
	// Align is a number of bytes: partitions begin at multiples of it. Default: 1 MiB.
	Align int64
	// SectorSize is 512 or 4096 bytes. Default: 512.
	SectorSize int64
	// Partitions are in the order of their numbers.
	Partitions []Partition
	// Raw are bytes outside of partitions.
	Raw []Raw
}

// A Partition describes one partition of a [Table].
type Partition struct {
	// Name is the partition's name in a GPT and in messages. It may be empty.
	Name string
	// Type is one of [Types], a GUID, or the byte of an MBR entry such as "0x83". Default: the
	// type that a flag sets, or "linux".
	Type string
	// MBRType is the type in the MBR of a hybrid table. Default: the byte of Type.
	MBRType string
	// GUID is the partition's own GUID in a GPT. Default: derived from Seed and Name.
	GUID string
	// Flags are names from [Flags].
	Flags []string
	// Start is the position in bytes. Default: the next free place.
	Start int64
	// Size is the size in bytes. Default: the size of Content.
	Size int64
	// Share, if Size is 0, is the partition's share of the space that the others leave.
	Share Share
	// Align overrides the alignment of the table.
	Align int64
	// Content are the bytes of the partition. Default: zeros; they also follow a Content that
	// is smaller than the partition.
	Content *image.Map
	// Label and UUID are those of the file system in Content. They are not written, only
	// compared: no two partitions of a disk may have the same.
	Label, UUID string
	// InMBR adds the partition to the MBR of a hybrid table.
	InMBR bool
}

// A Disk is a table that has been laid out.
type Disk struct {
	// Map has the bytes of the whole disk.
	Map  *image.Map
	Kind Kind
	// GUID is the disk's GUID in upper case; empty for an MBR.
	GUID string
	// Signature is the disk signature; 0 is none.
	Signature uint32
	// SectorSize is in bytes.
	SectorSize int64
	// Partitions are in the order of their numbers.
	Partitions []Placed
	// Raw are bytes outside of partitions.
	Raw []Raw
	// Embedding is the place for a boot loader's core image for BIOS.
	Embedding Region
}

// Placed is a partition of a disk, with all defaults resolved.
type Placed struct {
	Partition
	// Number is the partition's number as the kernel counts: sda1 is 1. Logical
	// partitions of an MBR count from 5.
	Number int
	// Start and Size are in bytes, multiples of the sector size.
	Start, Size int64
	// GUID is the partition's own, in upper case; empty in an MBR.
	GUID string
	// TypeGUID is the type in a GPT, TypeByte the one in an MBR. Without them they are empty
	// and 0.
	TypeGUID string
	TypeByte byte
	// Attributes are the attribute bits of a GPT entry.
	Attributes uint64
	// Active is the boot flag of the MBR's entry.
	Active bool
	// Logical is true for a partition in the extended partition of an MBR.
	Logical bool
	// PartUUID is Linux's name for the partition (root=PARTUUID=…).
	PartUUID string
}

// End returns the offset of the first byte after the partition.
func (p Placed) End() int64 { return p.Start + p.Size }

// Region is a run of bytes of a disk.
type Region struct {
	Start, Size int64
	// What is the region's name in messages: "the gap before the first partition".
	What string
}
