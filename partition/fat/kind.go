package fat

import (
	"encoding/binary"
	"fmt"

	"ingot/image"
	"ingot/partition/volume"
)

// Kind is FAT12, FAT16 and FAT32.
var Kind = &volume.Kind{
	Name: "fat", Type: "vfat", Title: "FAT", Class: volume.Files,
	Identify:      identify,
	Open:          func(b image.Blob) (volume.Reader, error) { return Open(b, b.Size()) },
	FileSystem:    FileSystem{},
	Options:       func() volume.Options { return &Options{} },
	PartitionType: "data",
	ImpliedBy:     []string{"esp", "fat12", "fat16", "fat32"},
}

// identify checks what Linux requires of a FAT's boot sector; the signature at its end is not
// required. The specification gives the names of types no meaning, and they may be missing; but
// a volume that has one is a FAT, perhaps a damaged one.
func identify(p *volume.Probe) (volume.ID, bool) {
	const (
		record16, record32 = bpbSize, bpbSize + bpb32Size
		volID, volLab      = 3, 7
		filSysType         = 18
	)
	b := p.Bytes(0, 512)
	if b == nil {
		return volume.ID{}, p.Has(record16+filSysType, "FAT") || p.Has(record32+filSysType, "FAT")
	}
	s := decode[bpb](b)
	sound := s.BytsPerSec >= minSectorSize && s.BytsPerSec <= maxSectorSize && powerOfTwo(int64(s.BytsPerSec)) && powerOfTwo(int64(s.SecPerClus)) &&
		s.RsvdSecCnt != 0 && s.NumFATs != 0 && (s.Media == mediaRemovable || s.Media >= mediaFixed)
	record := int64(record16)
	if s.FATSz16 == 0 {
		record = record32
	}
	var id volume.ID
	if b[record+2] == extendedBootSig {
		id.Label = p.Text(record+volLab, len(noLabel))
		if serial := binary.LittleEndian.Uint32(b[record+volID:]); serial != 0 {
			id.UUID = formatUUID(serial)
		}
		if id.Label == "NO NAME" {
			id.Label = ""
		}
	}
	return id, sound || p.Has(record16+filSysType, "FAT") || p.Has(record32+filSysType, "FAT")
}

// Options are a recipe's options for a FAT.
type Options struct {
	Bits int `json:"bits,omitempty" jsonschema:"enum=12,enum=16,enum=32" jsonschema_description:"fat: 12, 16 or 32. Default: 32 for an ESP of 36MiB or more; 12, 16 or 32 for a type of fat12, fat16 or fat32; otherwise by the size."`
}

// bitsOf are the types of partitions that imply the type of FAT.
var bitsOf = map[string]int{"fat12": 12, "fat16": 16, "fat32": 32}

// smallestESP32 is a size at which FAT32 is possible for any files.
const smallestESP32 = 36 << 20

// Check implements [volume.Options].
func (o *Options) Check(at volume.Place) (string, error) {
	if bits := bitsOf[at.Type]; bits != 0 && o.Bits != 0 && o.Bits != bits {
		return "bits", fmt.Errorf("%d, but type %s is that of FAT%d; remove one of them", o.Bits, at.Type, bits)
	}
	return "", nil
}

// FileSystem implements [volume.Options].
func (o *Options) FileSystem(at volume.Place) volume.FileSystem {
	return FileSystem{Bits: o.bits(at)}
}

// bits returns the type of FAT, or 0 if the size determines it. The options come first, then
// FAT32 for an ESP, which firmware may require on a fixed disk (UEFI 2.10, section 13.3.1.1),
// then the type of the partition. FAT32 starts at 33 MiB; a smaller ESP has another type.
func (o *Options) bits(at volume.Place) int {
	switch {
	case o.Bits != 0:
		return o.Bits
	case at.Type == "esp" && (at.Size.Fit || at.Size.Bytes >= smallestESP32):
		return 32
	}
	bits := bitsOf[at.Type]
	if !at.Share && (FileSystem{Bits: bits}).Check(image.Volume{Size: at.Size}) != nil {
		return 0 // this type has no such size
	}
	return bits
}

// Canonical implements [volume.Options].
func (o *Options) Canonical(at volume.Place) volume.Options {
	if o.Bits == (&Options{}).bits(at) {
		return &Options{}
	}
	return o
}

var _ volume.FileSystem = FileSystem{}
