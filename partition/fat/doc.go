// Package fat writes and reads FAT12, FAT16 and FAT32 file systems with long
// names, as a pure function from an [image.Tree] to an [image.Map].
//
//	esp := image.NewTree()
//	esp.Put("/EFI/BOOT/BOOTX64.EFI", image.NewFile(0o644, grub))
//	m, err := fat.FileSystem{}.Layout(esp, image.Volume{Label: "ESP", Size: image.Exactly(64 << 20)})
//
// # What it guarantees
//
// The number of clusters determines the type, as in Microsoft's specification: FAT12 up to
// 4,084 clusters, FAT16 up to 65,524, FAT32 above. Volumes stay 16 clusters away from these
// borders, as the specification advises, since the limits of some drivers are wrong by a few.
// All sizes from 64 KiB to 2 TiB are possible.
//
// Of the layouts that a size allows, the writer uses the first that holds the tree: FAT32
// with clusters of 4 KiB (8 above 8 GiB, 16 above 16 GiB, 32 above 32 GiB), FAT16 with
// clusters of 4 KiB, then with the nearest larger or smaller ones, FAT12, and last any layout
// that the specification allows. So a volume of 16 to 256 MiB is FAT16 and a larger one
// FAT32. A disk is FAT12 only if nothing else fits, since some firmware refuses FAT12 there.
// With clusters of 4 KiB or more, all contents begin at a multiple of 4 KiB and can be cloned.
//
// [image.Fit] finds the smallest volume of all layouts; one sector less is an
// [image.TooSmallError]. That is usually a FAT12 with small clusters; Bits selects another
// type.
//
// The bytes depend on the tree and the options alone. Directories come first, then the
// contents of all files in the order of their paths, without gaps; free space and slack are
// zero. The tables are computed when they are read, so that a large and nearly empty volume
// needs no memory.
//
// # What FAT cannot hold
//
// The writer ignores owners, modes and extended attributes, and writes a file once for each
// of its names. It refuses symlinks, devices, FIFOs and sockets, files of 4 GiB and more,
// names that are not UTF-8, that contain one of "*:<>?\| or a control character, or that end
// with a dot or a space (Windows and Linux remove those), and two names in a directory that
// differ only in case. All files have the archive bit, none is read-only: a store's 0444
// would prevent firmware and installers from replacing them.
//
// Times are in UTC, in steps of two seconds (creation times: 10 ms), from 1980-01-01 to
// 2107-12-31. Earlier times, such as a store's 1970, become the first of these, later ones the
// last.
//
// A name of the form 8.3 in capitals has no long name. All others have one, also "grub.cfg":
// the case bits of Windows NT would save an entry, but more firmware reads long names.
//
// # Reading
//
// [Open] reads volumes of any writer. The number of clusters and the fields of the boot
// sector determine the type, not the text in it. Damage affects only the file or the
// directory where it is, and is among the Flaws of the Tree, see [Reader.Tree].
package fat
