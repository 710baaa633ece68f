// Package filesystems lists the kinds of file systems, and of other contents of partitions,
// that ingot makes, reads or recognizes by their signatures.
//
//	kind := filesystems.Named("ext4")
//	for _, k := range filesystems.All() {
//		id, ok := k.ID(probe)
//	}
//
// A line in the list makes a file system known to recipes and their schema, to empty disks, to
// package inspect and to the guest's blkid.
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

// list is in the order in which blkid trusts signatures: first those at the very beginning and
// long ones, then those that may remain from an earlier file system. Short signatures, which
// occur by chance, come last, and so do those at the end of a volume.
//
// If a volume has several signatures, ingot tries the readers in the same order.
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

// All returns all kinds, those with the most reliable signatures first.
func All() []*volume.Kind { return slices.Clone(list) }

// Add adds a kind in front of all others, for a test, and returns a function that removes it.
func Add(k *volume.Kind) (remove func()) {
	before := list
	list = append([]*volume.Kind{k}, list...)
	return func() { list = before }
}

// Named returns the kind with a name, or nil.
func Named(name string) *volume.Kind {
	for _, k := range list {
		if k.Name == name {
			return k
		}
	}
	return nil
}

// Makeable returns the kinds that a recipe's partition can have: first those that ingot makes
// itself, then those that their own tools make, each sorted by name.
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

// Writable returns the kinds that ingot makes empty, for a machine to fill.
func Writable() []*volume.Kind {
	return slices.DeleteFunc(Makeable(), func(k *volume.Kind) bool { return k.Foreign || k.ReadOnly })
}

// Readable returns the kinds whose files ingot reads.
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

// Or lists kinds for a message: "ext4, ISO 9660, EROFS or FAT".
func Or(kinds []*volume.Kind) string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.String())
	}
	return grammar.Or(names...)
}
