package inspect

import (
	"ingot/partition/filesystems"
	"ingot/partition/volume"
)

// A Kind is what bytes can be read as: a partition table, or a kind of volume by its name in
// package filesystems.
type Kind string

// Kinds with special treatment.
const (
	GPT     Kind = "gpt"
	MBR     Kind = "mbr"
	APM     Kind = "apm"
	FAT     Kind = "fat"
	ISO9660 Kind = "iso9660"
)

// Class returns the class of a kind; 0 is for tables that ingot reads.
func (k Kind) Class() volume.Class {
	if v := filesystems.Named(string(k)); v != nil {
		return v.Class
	}
	return 0
}

// Readable lists the file systems that ingot reads, for messages.
func Readable() string { return filesystems.Or(filesystems.Readable()) }
