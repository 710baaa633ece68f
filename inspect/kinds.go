package inspect

import (
	"ingot/partition/filesystems"
	"ingot/partition/volume"
)

// A Kind is what bytes can be read as: a partition table, or a kind of volume by its name in
// package filesystems.
type Kind string

// Kinds that are treated in a way of their own.
const (
	GPT     Kind = "gpt"
	MBR     Kind = "mbr"
	APM     Kind = "apm"
	FAT     Kind = "fat"
	ISO9660 Kind = "iso9660"
)

// Class returns what a kind is for; 0 stands for tables that are read.
func (k Kind) Class() volume.Class {
	if v := filesystems.Named(string(k)); v != nil {
		return v.Class
	}
	return 0
}

// Readable lists the file systems whose files are read, for messages.
func Readable() string { return filesystems.Or(filesystems.Readable()) }
