// Package iso9660 lays a Tree out as an ISO 9660 file system, and reads such file
// systems back.
//
// A volume follows ECMA-119 at interchange level 3 with the Rock Ridge extensions
// (SUSP 1.12, RRIP 1.12): Linux and GRUB see names, modes, owners, times, symlinks,
// hard links and devices as they stand in the Tree. A Joliet hierarchy for Windows is
// added on request.
//
//	img, err := iso9660.New(tree, iso9660.Options{
//		VolumeID: "RESCUE",
//		Seed:     seed,
//		Boot: []iso9660.Boot{
//			{Platform: iso9660.BIOS, Image: core, LoadSectors: 4, InfoTable: true},
//			{Platform: iso9660.UEFI, Image: esp},
//		},
//		Tail: 33 * 512, // a backup GPT
//	})
//	err = image.WriteRaw(ctx, img.Map, "rescue.iso", image.WriteOptions{})
//
// [Layout] is the same for whoever wants the Map alone. Boot images are entered into
// an El Torito catalog; where each came to lie is in [Image.Boot]. The first 32 KiB
// (the system area) and Options.Tail bytes at the end are left zero: a boot sector
// and a partition table can be laid over them, so that the file boots from a USB
// stick too. Package bootloader does that.
//
// # What it guarantees
//
// The bytes depend on the Tree and the Options alone. Nothing of a file is read but of
// a boot image that has to be patched. Each file is one run of bytes (that of a file
// over 4 GiB is recorded as several sections, one after the other), files follow each
// other in the order of their paths, on a 2 KiB boundary, and those of 64 KiB and more
// on a 4 KiB boundary, where they can be cloned. Names of one file share its data and
// its inode number.
//
// The identifiers of plain ISO 9660, which Rock Ridge hides, have 30 characters of
// A-Z, 0-9 and _; where two would be equal, a number is put at the end. Directories
// deeper than the eight levels of the standard are moved into a directory rr_moved,
// which Linux does not show, and stand in their place all the same.
//
// # Reading
//
// A volume of another maker can have several hierarchies of directories. A [Reader] takes
// Rock Ridge where it is there and names files, then Joliet, then ISO 9660:1999, then what
// plain ISO 9660 says, in lower case unless the volume has lower case itself. [Reader.Reading]
// tells which, and [Reader.As] takes another. One odd record is a flaw of the Tree
// ([image.Flaws]), and the rest is read. Not read are the contents of files that are
// interleaved, compressed by zisofs or on another medium, and UDF.
//
// # Limits
//
// What Linux would cut or misread is refused: names of more than 253 bytes ([LinuxName]),
// files of more than 400 GiB (100 sections), and devices whose major number is 0 and whose
// minor one is above 255. A symlink has 4095 bytes, a time lies in the years 1900 to 2155 and
// is kept to the second, and a volume has 8 TiB. Extended attributes have no place in Rock
// Ridge and are left out. Linux knows no hard links here: it shows their number, and an inode
// for each. Times after 2038 are written, but Linux misreads them (up to 6.1 at least).
//
// The path tables, which Windows alone still uses, name a parent with 16 bits: a
// directory whose parent is beyond the 65,535th is left out of them.
//
// Joliet has names of 64 characters of the Basic Multilingual Plane, and neither
// symlinks nor devices.
package iso9660
