// Package erofs writes EROFS file systems, which are read-only, without compression, and
// reads them.
//
// EROFS (https://erofs.docs.kernel.org) is an archive of a directory that Linux mounts. Package
// squashfs makes smaller ones; this package lays out an EROFS from metadata alone, and writing
// it is as fast as copying the files.
//
//	m, err := erofs.FileSystem{}.Layout(tree, image.Volume{Label: "nix-store", Size: image.Fit(0), Seed: seed})
//	err = iso.Put("/root.erofs", image.NewFile(0o444, m))
//
// The superblock comes first, then the inodes in the order of their paths, each followed by
// the end of its directory, the target of its symlink or the data of its small file; then the
// blocks of directories, and those of files.
//
// # What it guarantees
//
// The bytes depend on the Tree and the Volume alone. Layout reads no file. Each file is one run
// of bytes; a file of more than 2 KiB begins at a multiple of 4 KiB, so that it can be cloned,
// and files are in the order of their paths. All names of a file share its inode. The volume
// stores modes, owners, device numbers, times to the nanosecond, the extended attributes of
// user, trusted and security, and access control lists.
//
// Linux 5.10 and later reads it: it uses no later feature, and blocks of 4 KiB. The superblock
// and the rest of its block have a checksum.
//
// # Limits
//
// The limits are 16 TiB for a volume, and in bytes 255 for a name, 4095 for a symlink, 65,535
// for the value of an extended attribute, and 15 for a label. A device's major number has 12
// bits, its minor one 20.
//
// There is no compression. Holes in files take no space in the image's own file, but space in
// the volume. Extended attributes follow each inode and are not shared.
//
// # Reading
//
// A [Reader] also reads files in chunks, shared attributes, and the uncompressed files of a
// compressed volume. A damaged file, name or attribute is a flaw of the Tree ([image.Flaws])
// and does not affect the rest.
package erofs
