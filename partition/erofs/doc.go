// Package erofs lays a Tree out as an EROFS file system, read-only and uncompressed, and
// reads such file systems back.
//
// EROFS (https://erofs.docs.kernel.org) is to a directory what an archive is: one file that
// holds it, and that Linux mounts. What package squashfs makes is smaller; this is laid out
// from metadata alone, and written at the speed of copying the files.
//
//	m, err := erofs.FileSystem{}.Layout(tree, image.Volume{Label: "nix-store", Size: image.Fit(0), Seed: seed})
//	err = iso.Put("/root.erofs", image.NewFile(0o444, m))
//
// The superblock comes first, then the inodes in the order of their paths, with the ends of
// directories, the targets of symlinks and the data of small files behind them; then the
// blocks of directories, and those of files.
//
// # What it guarantees
//
// The bytes depend on the Tree and the Options alone. Nothing of a file is read. Each file
// is one run of bytes; that of a file of more than 2 KiB begins at a multiple of 4 KiB,
// where it can be cloned, and files follow each other in the order of their paths. Names of
// one file share its inode. Modes, owners, device numbers, times to the nanosecond, the
// extended attributes of user, trusted and security and access control lists are kept.
//
// Linux from 5.10 on reads it: no feature is used that came later, and blocks have 4 KiB.
// The superblock and what shares its block have a checksum.
//
// # Limits
//
// A volume has 16 TiB, a name 255 bytes, a symlink 4095, the value of an extended attribute
// 65,535, and a label 15. A device's major number has 12 bits, its minor one 20.
//
// Nothing is compressed. Holes in files take no space in the image's own file, but the volume
// is as large as if they were data. Extended attributes are written behind each inode and not
// shared between them.
//
// # Reading
//
// A [Reader] reads files in chunks and shared attributes, too, and of a compressed volume the
// files that are not compressed. One odd file, name or attribute is a flaw of the Tree
// ([image.Flaws]), and the rest is read.
package erofs
