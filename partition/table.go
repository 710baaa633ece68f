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
	MBR                // the PC's classic table; sfdisk calls it "dos", parted "msdos"
	Hybrid             // GPT, with some partitions named in its MBR too
	APM                // Apple Partition Map, which is read and not written
)

var kindNames = [...]string{GPT: "gpt", MBR: "mbr", Hybrid: "hybrid", APM: "apm"}

// String returns the name that [ParseKind] reads.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// ParseKind reads "gpt", "mbr" (also as "msdos" and "dos") and "hybrid"; the empty
// string is a GPT.
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

// A Table is what is asked of a disk.
type Table struct {
	Kind Kind
	// GUID is the disk's GUID in a GPT; derived from Seed where it is empty.
	GUID string
	// Signature is the disk signature (bytes 440 to 443) of an MBR or hybrid table;
	// derived from Seed where it is 0. In a plain GPT it stands only where it is given.
	Signature uint32
	// Seed is what GUIDs and the signature are derived from.
	Seed image.Seed
	// Arch is the architecture, as Linux names it, that the types "root" and "usr" are for,
	// and those of their hash trees and signatures; x86_64 where it is empty.
	Arch string
	// Size is the size of the disk in bytes; 0 is as small as fits, rounded up to Align.
	Size int64
	// Align is what the partitions' positions are multiples of, in bytes; 0 is 1 MiB.
	Align int64
	// SectorSize is 512 or 4096 bytes; 0 is 512.
	SectorSize int64
	// Partitions stand in the order of their numbers.
	Partitions []Partition
	// Raw is what lies outside of partitions.
	Raw []Raw
}

// A Partition is what is asked of one partition.
type Partition struct {
	// Name is the partition's name in a GPT, and its name in messages. It may be empty.
	Name string
	// Type is one of [Types], a GUID, or the byte of an MBR entry such as "0x83"; the
	// empty string is "linux", unless a flag says something else.
	Type string
	// MBRType is the byte for the MBR of a hybrid table, where Type does not say it.
	MBRType string
	// GUID is the partition's own GUID in a GPT; derived from Seed and Name if empty.
	GUID string
	// Flags are names out of [Flags].
	Flags []string
	// Start is the position in bytes; 0 is the next free place in order.
	Start int64
	// Size is the size in bytes; 0 is that of Content.
	Size int64
	// Share is, where Size is 0, the partition's share of what the others leave of the
	// disk.
	Share Share
	// Align overrides that of the table.
	Align int64
	// Content is what the partition holds, from its first byte on; nil is zeros.
	Content *image.Map
	// Label and UUID are those of the file system in Content. They are not written
	// here, but no two partitions of a disk may share them.
	Label, UUID string
	// InMBR has the partition named in the MBR of a hybrid table too.
	InMBR bool
}

// A Disk is a table that has been laid out.
type Disk struct {
	// Map is the bytes of the whole disk.
	Map  *image.Map
	Kind Kind
	// GUID is the disk's GUID in upper case; empty for an MBR.
	GUID string
	// Signature is the disk signature; 0 is none.
	Signature uint32
	// SectorSize is in bytes.
	SectorSize int64
	// Partitions stand in the order of their numbers.
	Partitions []Placed
	// Raw is what lies outside of partitions.
	Raw []Raw
	// Embedding is where a boot loader's core image for BIOS can lie.
	Embedding Region
}

// Placed is a partition with what was asked for made definite.
type Placed struct {
	Partition
	// Number is the partition's number as the kernel counts: sda1 is 1. Logical
	// partitions of an MBR count from 5.
	Number int
	// Start and Size are in bytes, multiples of the sector size.
	Start, Size int64
	// GUID is the partition's own, in upper case; empty in an MBR.
	GUID string
	// TypeGUID is the type in a GPT, TypeByte that in an MBR; the other is empty or 0.
	TypeGUID string
	TypeByte byte
	// Attributes are the attribute bits of a GPT entry.
	Attributes uint64
	// Active says that the MBR's entry has the boot flag.
	Active bool
	// Logical says that the partition lies in the extended partition of an MBR.
	Logical bool
	// PartUUID is the name under which Linux finds the partition (root=PARTUUID=…).
	PartUUID string
}

// End returns the offset of the first byte after the partition.
func (p Placed) End() int64 { return p.Start + p.Size }

// Region is a run of bytes of a disk.
type Region struct {
	Start, Size int64
	// What names the region for people: "the gap before the first partition".
	What string
}
