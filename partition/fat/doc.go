// Package fat writes and reads FAT12, FAT16 and FAT32 file systems with long
// names, as a pure function from an [image.Tree] to an [image.Map].
//
//	esp := image.NewTree()
//	esp.Put("/EFI/BOOT/BOOTX64.EFI", image.NewFile(0o644, grub))
//	m, err := fat.FileSystem{}.Layout(esp, image.Volume{Label: "ESP", Size: image.Exactly(64 << 20)})
//
// # What it guarantees
//
// The type is the one that the number of clusters makes it, as Microsoft's
// specification has it: FAT12 up to 4,084 clusters, FAT16 up to 65,524, FAT32
// above. A volume never lies about it, and stays 16 clusters away from either border,
// as the specification advises, since there are drivers that are off by a few. Every
// size from 64 KiB to 2 TiB can be made.
//
// Of the layouts that a size allows the first that holds the tree is taken, in
// this order: FAT32 with clusters of 4 KiB (8 above 8 GiB, 16 above 16 GiB, 32
// above 32 GiB), FAT16 with clusters of 4 KiB, else the nearest larger or smaller
// ones, FAT12, and last whatever the specification lets pass. So a volume of 16 to
// 256 MiB is FAT16 and a larger one FAT32, and a disk is FAT12 only where nothing
// else fits, since there is firmware that refuses it there. With clusters of 4 KiB
// or more all contents begin at a multiple of 4 KiB and can be cloned.
//
// [image.Fit] finds the smallest volume of all layouts, and one sector less is
// refused with an [image.TooSmallError]. Small volumes of small clusters win that
// contest: who wants a certain type sets Bits.
//
// The bytes follow from the tree and the options. Directories come first, then the
// contents of all files, in the order of their paths and without gaps; whatever is
// free or slack is zero. The tables are made as they are read, so that a large and
// nearly empty volume costs no memory.
//
// # What FAT cannot hold
//
// Owners, modes and extended attributes are left out. A file with several names is
// written once for each. Symlinks, devices, FIFOs and sockets are refused, and so
// are files of 4 GiB and more, names that are not UTF-8, that hold one of
// "*:<>?\| or a control character, or that end with a dot or a space (Windows and
// Linux take those away), and two names in a directory that differ only in case.
// All files are marked for archiving, none is read-only: a store's 0444 would keep
// firmware and installers from replacing them.
//
// Times are in UTC, in steps of two seconds (creation times: 10 ms), from
// 1980-01-01 to 2107-12-31; a time outside, such as a store's 1970, becomes the
// nearest one inside.
//
// A name that is 8.3 in capitals has no long name beside it. All others have, also
// "grub.cfg": the case bits of Windows NT would save an entry, but firmware that
// reads them is rarer than firmware that reads long names.
//
// # Reading
//
// [Open] reads volumes of anyone's making. The type is told by the number of clusters and
// the fields of the boot sector, not by the text in it. What is damaged costs the file or
// the directory that it is about, and is among the Flaws of the Tree, see [Reader.Tree].
package fat
