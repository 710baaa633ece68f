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
// [Layout] returns the Map alone. Boot images are listed in an El Torito catalog, and
// [Image.Boot] has their places. The first 32 KiB (the system area) and Options.Tail bytes at
// the end are zero. Package bootloader lays a boot sector and a partition table over them, so
// that the file boots from a USB stick too.
//
// # What it guarantees
//
// The bytes depend on the Tree and the Options alone. The layout reads no files but boot
// images that it patches. Each file is one run of bytes; one over 4 GiB has several sections,
// one after the other. Files follow each other in the order of their paths, on a 2 KiB
// boundary, and from 64 KiB on a 4 KiB boundary, where they can be cloned. Names of one file
// share its data and its inode number.
//
// The identifiers of plain ISO 9660, which Rock Ridge hides, have 30 characters of
// A-Z, 0-9 and _; equal ones get a number at the end. Directories deeper than the eight levels
// of the standard lie in a directory rr_moved, which Linux does not show; it shows them in
// their place.
//
// # Reading
//
// A volume of another maker can have several hierarchies of directories. A [Reader] takes
// Rock Ridge if it names files, else Joliet, else ISO 9660:1999, else plain ISO 9660, in lower
// case unless the volume has lower case itself. [Reader.Reading] returns which. An invalid
// record is a flaw of the Tree ([image.Flaws]), and the Reader goes on behind it. It does not
// read UDF, nor the contents of files that are interleaved, compressed by zisofs or on another
// medium.
//
// # Limits
//
// New refuses files that Linux would cut or misread: names of more than 253 bytes
// ([LinuxName]), files of more than 400 GiB (100 sections), and devices whose major number is 0
// and whose minor one is above 255. A symlink has up to 4095 bytes, a time lies in the years
// 1900 to 2155, in whole seconds, and a volume has up to 8 TiB. Rock Ridge has no extended
// attributes, which are left out. Linux shows the number of hard links, but an inode for each
// name. Linux (up to 6.1 at least) misreads times after 2038.
//
// The path tables, which only Windows still uses, have 16 bits for the number of a parent.
// They leave out directories whose parent is beyond the 65,535th.
//
// Joliet has names of 64 characters of the Basic Multilingual Plane, and neither
// symlinks nor devices.
package iso9660
