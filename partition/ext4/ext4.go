package ext4

import (
	"cmp"
	"fmt"

	"ingot/image"
	"ingot/partition/volume"
)

// FileSystem makes ext4 volumes. The zero value makes those of mke2fs's defaults, but reserves
// no blocks for root.
type FileSystem struct {
	// Inodes is the minimum number of inodes, including those of the Tree. It can only raise
	// the default: the Tree's, and one for each 16 KiB of free space. The package comment has
	// the details.
	Inodes int64
	// ReservedPercent is the part of the volume that only root can fill, 0 to 50. mke2fs
	// reserves 5. Default: 0, so that all users can fill the free space of Fit.
	ReservedPercent int
	// NoJournal omits the journal. Volumes below 8 MiB have one only if JournalBlocks is set.
	NoJournal bool
	// No64Bit turns off the feature 64bit, and NoMetadataCsum metadata_csum: older boot
	// loaders, such as old U-Boots, cannot read file systems with them.
	No64Bit, NoMetadataCsum bool
	// JournalBlocks is the size of the journal in blocks of 4 KiB, 1024 to 10,240,000.
	// Default: that of mke2fs for the size of the volume.
	JournalBlocks int64
}

const (
	minVolume      = 1 << 20
	maxVolume      = maxBlocks * blockSize
	maxLabelLength = 16
	maxInodes      = 4_000_000_000 // numbers have 32 bits, and each group may round up by 15
	maxReserved    = 50            // percent: e2fsck takes more for damage
)

var limits = volume.Limits{Name: "ext4", Seed: "ext4", Label: maxLabelLength, Least: minVolume, Most: maxVolume}

// UUID implements [volume.FileSystem].
func (FileSystem) UUID(v image.Volume) string { return limits.UUID(v) }

// Check implements [volume.FileSystem].
func (f FileSystem) Check(v image.Volume) error {
	if err := cmp.Or(limits.Check(v), image.CheckLabel(v.Label)); err != nil {
		return err
	}
	switch {
	case f.Inodes < 0:
		return fmt.Errorf("inodes: %d is less than 0", f.Inodes)
	case f.Inodes > maxInodes:
		return fmt.Errorf("inodes: %d is more than the %d that ext4 can number", f.Inodes, int64(maxInodes))
	case f.ReservedPercent < 0 || f.ReservedPercent > maxReserved:
		return fmt.Errorf("reserved blocks: %d%% is not between 0%% and %d%%", f.ReservedPercent, maxReserved)
	case f.NoJournal && f.JournalBlocks != 0:
		return fmt.Errorf("journal: has a size of %d blocks, but is turned off", f.JournalBlocks)
	case f.JournalBlocks != 0 && (f.JournalBlocks < minJournalBlocks || f.JournalBlocks > maxJournalBlocks):
		return fmt.Errorf("journal: %d blocks of 4 KiB are not between %d and %d", f.JournalBlocks, minJournalBlocks, maxJournalBlocks)
	}
	return nil
}

// Layout implements [volume.FileSystem]. An error has the path in t, the number and the limit,
// or is an [*image.TooSmallError].
func (f FileSystem) Layout(t *image.Tree, v image.Volume) (*image.Map, error) {
	if err := f.Check(v); err != nil {
		return nil, err
	}
	id := newIdentity(v)
	id.checksums.none = f.NoMetadataCsum
	c, err := takeCensus(t, id.hashSeedWords())
	if err != nil {
		return nil, err
	}
	s := sizer{fs: f, census: c}
	if v.Size.Fit {
		if err := s.fit(v.Size.Bytes); err != nil {
			return nil, err
		}
		return newPlan(&s, id, v.Label).assemble(s.geometry.blocks * blockSize)
	}
	if err := s.exactly(v.Size.Bytes); err != nil {
		return nil, err
	}
	return newPlan(&s, id, v.Label).assemble(v.Size.Bytes)
}

// descSize is the size of a group descriptor in bytes.
func (f FileSystem) descSize() int64 {
	if f.No64Bit {
		return oldDescSize
	}
	return groupDescriptorSize
}

func newIdentity(v image.Volume) identity {
	id, _ := limits.ID(v) // has been checked
	return identity{
		uuid:           id,
		journalUUID:    v.Seed.UUID("ext4 journal"),
		hashSeed:       v.Seed.UUID("ext4 directory hash"),
		checksums:      checksums{seed: crc32c(^uint32(0), id[:])},
		generationSeed: v.Seed.Uint32("ext4 inode generations"),
	}
}
