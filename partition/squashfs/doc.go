// Package squashfs makes compressed, read-only file systems.
//
// The format is Linux's (https://docs.kernel.org/filesystems/squashfs.html), and the
// one who writes it is mksquashfs of squashfs-tools: compressors that match those of the
// kernel, on all processors, are its trade. A Tree becomes a tar archive, which is never
// written but streamed to it. (Its other name sqfstar, made for archives, takes no levels
// of compression in version 4.5.)
//
//	tool, err := squashfs.Find(ctx, path)
//	img, err := tool.Make(ctx, tree, "/var/tmp", squashfs.Options{Level: 19})
//	defer img.Close()
//	err = iso.Put("/root.squashfs", image.NewFile(0o444, img))
//
// # What it guarantees
//
// The bytes depend on the Tree, the Options and the version of mksquashfs ([Tool.Version])
// alone: not on the number of processors, the time or the environment, of which mksquashfs
// gets nothing but a locale. Hard links stay links, extended attributes and device
// numbers are kept, and times to the second.
//
// mksquashfs gives the root directory to whoever runs it. Where not all files are root's,
// an ordinary user's mksquashfs therefore runs in a user namespace in which that is root; a
// host that grants none is an error.
//
// The result lies in a file without a name, so that it is gone with the process however
// that ends. mksquashfs is gone with it, too.
//
// # Limits
//
// Unlike other file systems this one cannot be laid out without reading the files: it
// takes as long as the compression does, and as much temporary space as its result.
// There are no sockets, times lie between 1970 and 2025, and extended attributes are
// those of user, trusted and security: access control lists are refused. The root
// directory is root's, and its time that of the newest file.
package squashfs
