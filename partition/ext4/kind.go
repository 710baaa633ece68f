package ext4

import (
	"bytes"
	"encoding/binary"

	"ingot/image"
	"ingot/partition/volume"
)

// Kind is ext4, and for the reader also ext2 and ext3.
var Kind = &volume.Kind{
	Name: "ext4", Class: volume.Files,
	Identify:   identify,
	Open:       func(b image.Blob) (volume.Reader, error) { return Open(b, b.Size()) },
	FileSystem: FileSystem{},
	Options:    func() volume.Options { return &Options{} },
	Keeps:      volume.AllAttributes,
}

// The features of ext3: a file system without others is an ext3 or ext2.
const (
	incompatOld = incompatFiletype | incompatRecover | incompatMetaBG
	roCompatOld = roCompatSparseSuper | roCompatLargeFile | 0x4 // btree_dir
)

// identify distinguishes ext2, ext3, ext4 and external journals by their features, as blkid
// does.
func identify(p *volume.Probe) (volume.ID, bool) {
	var s superblock
	b := p.Bytes(superblockOffset, superblockSize)
	if b == nil {
		return volume.ID{}, bytes.Equal(p.Bytes(superblockOffset+0x38, 2), []byte{0x53, 0xEF})
	}
	if _, err := binary.Decode(b, binary.LittleEndian, &s); err != nil {
		panic(err) // it has the size of the structure
	}
	id := volume.ID{Type: "ext4", UUID: p.UUID(superblockOffset + 0x68), Label: p.Text(superblockOffset+0x78, maxLabelLength)}
	switch {
	case s.FeatureIncompat&incompatJournalDev != 0:
		id.Type = "jbd"
	case s.FeatureIncompat&^incompatOld != 0 || s.FeatureRoCompat&^roCompatOld != 0:
	case s.FeatureCompat&compatHasJournal != 0:
		id.Type = "ext3"
	default:
		id.Type = "ext2"
	}
	return id, s.Magic == superblockMagic
}

// Options are a recipe's options for an ext4.
type Options struct {
	Inodes   int64    `json:"inodes,omitempty" jsonschema_description:"ext4: the minimum number of inodes, including those of the files. Default, and lower bound: one for each file and one for each 16KiB of free space."`
	Reserved int      `json:"reserved,omitempty" jsonschema_description:"ext4: the percentage of blocks that only root may use. Default: 0."`
	Journal  *bool    `json:"journal,omitempty" jsonschema_description:"ext4: make a journal. Default: true."`
	Features Features `json:"features,omitzero" jsonschema_description:"ext4: features to turn off for boot loaders that do not know them, such as old U-Boots."`
}

// Features are features of ext4 that a recipe can turn off.
type Features struct {
	Wide         *bool `json:"64bit,omitempty" jsonschema_description:"ext4: block numbers of 64 bits. Default: true."`
	MetadataCsum *bool `json:"metadata_csum,omitempty" jsonschema_description:"ext4: checksums of all metadata. Default: true."`
}

// Check implements [volume.Options]. All options suit any partition.
func (o *Options) Check(volume.Place) (string, error) { return "", nil }

// FileSystem implements [volume.Options].
func (o *Options) FileSystem(volume.Place) volume.FileSystem {
	off := func(set *bool) bool { return set != nil && !*set }
	return FileSystem{
		Inodes: o.Inodes, ReservedPercent: o.Reserved,
		NoJournal: off(o.Journal), No64Bit: off(o.Features.Wide), NoMetadataCsum: off(o.Features.MetadataCsum),
	}
}

// Canonical implements [volume.Options].
func (o *Options) Canonical(volume.Place) volume.Options {
	of := *o
	for _, b := range []**bool{&of.Journal, &of.Features.Wide, &of.Features.MetadataCsum} {
		if *b != nil && **b {
			*b = nil
		}
	}
	return &of
}

var _ volume.FileSystem = FileSystem{}
