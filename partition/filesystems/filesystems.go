// Package filesystems lists the kinds of file systems that ingot makes, reads or knows by
// their signatures, and of what else can lie in a partition.
//
//	kind := filesystems.Named("ext4")
//	for _, k := range filesystems.All() {
//		id, ok := k.ID(probe)
//	}
//
// A file system becomes known to recipes and their schema, to empty disks, to package inspect
// and to blkid in a guest by its line in the list.
package filesystems

import (
	"slices"
	"strings"

	"ingot/internal/grammar"
	"ingot/partition/erofs"
	"ingot/partition/ext4"
	"ingot/partition/fat"
	"ingot/partition/foreign"
	"ingot/partition/squashfs"
	"ingot/partition/swap"
	"ingot/partition/volume"
)

// list is in the order in which blkid trusts signatures: first those that lie at the very
// beginning or are long, then those that what was there before can have left. What is likely
// to be met by chance comes last, and so does what is looked for at the end of a volume.
//
// It is also the order in which readers are tried where the signatures of several are there.
var list = []*volume.Kind{
	luks,
	foreign.XFS,
	squashfs.Kind,
	foreign.Btrfs,
	ext4.Kind,
	iso,
	erofs.Kind,
	swap.Kind,
	zfs, bcachefs, foreign.F2FS, ntfs, exfat, udf, apfs, hfsPlus, hfs, jfs, reiserfs, nilfs2, ufs, cramfs, romfs,
	bitlocker, lvm, stratis, vdo, integrity, verity,
	sun, sgi, bsd, amiga,
	raid,
	fat.Kind,
}

// All returns the kinds, in the order in which signatures are looked for.
func All() []*volume.Kind { return slices.Clone(list) }

// Add adds a kind for the time of a test, in front of all others, and returns what takes it
// away again.
func Add(k *volume.Kind) (remove func()) {
	before := list
	list = append([]*volume.Kind{k}, list...)
	return func() { list = before }
}

// Named returns the kind of a name, or nil.
func Named(name string) *volume.Kind {
	for _, k := range list {
		if k.Name == name {
			return k
		}
	}
	return nil
}

// Makeable returns the kinds that a partition of a recipe can have: first those that ingot
// makes itself, then those that their own tools make, each sorted by name.
func Makeable() []*volume.Kind {
	var own, foreign []*volume.Kind
	for _, k := range list {
		switch {
		case k.FileSystem == nil:
		case k.Foreign:
			foreign = append(foreign, k)
		default:
			own = append(own, k)
		}
	}
	for _, kinds := range [][]*volume.Kind{own, foreign} {
		slices.SortFunc(kinds, func(a, b *volume.Kind) int { return strings.Compare(a.Name, b.Name) })
	}
	return append(own, foreign...)
}

// Writable returns the kinds that ingot makes without any files, for a machine to fill.
func Writable() []*volume.Kind {
	return slices.DeleteFunc(Makeable(), func(k *volume.Kind) bool { return k.Foreign || k.ReadOnly })
}

// Readable returns the kinds whose files are read.
func Readable() []*volume.Kind {
	return slices.DeleteFunc(All(), func(k *volume.Kind) bool { return k.Open == nil })
}

// Names returns the names of kinds.
func Names(kinds []*volume.Kind) []string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.Name)
	}
	return names
}

// Or names kinds in a sentence: "ext4, ISO 9660, EROFS or FAT".
func Or(kinds []*volume.Kind) string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.String())
	}
	return grammar.Or(names...)
}
