// Package squashfs makes compressed, read-only file systems.
//
// The format is Linux's (https://docs.kernel.org/filesystems/squashfs.html). mksquashfs of
// squashfs-tools writes it, since it compresses on all processors as the kernel expects. This
// package streams the Tree to it as a tar archive. (sqfstar, made for archives, accepts no
// level of compression in version 4.5.)
//
//	tool, err := squashfs.Find(ctx, path)
//	img, err := tool.Make(ctx, tree, "/var/tmp", squashfs.Options{Level: 19})
//	defer img.Close()
//	err = iso.Put("/root.squashfs", image.NewFile(0o444, img))
//
// # What it guarantees
//
// The bytes depend on the Tree, the Options and the version of mksquashfs ([Tool.Version])
// alone: not on the number of processors, the time or the environment; mksquashfs gets only a
// locale. The image keeps hard links, extended attributes, device numbers, and times to the
// second.
//
// mksquashfs makes the user that runs it the owner of the root directory. For an ordinary
// user, unless all files are root's, it therefore runs in a user namespace as root. A host
// that does not allow that is an error.
//
// The result is a file without a name, which disappears with the process. mksquashfs ends
// with the process, too.
//
// # Limits
//
// Unlike for other file systems, the layout requires the contents of files: it takes as long
// as the compression, and as much temporary space as the result. There are no sockets, times
// are between 1970 and 2025, and extended attributes are those of user, trusted and security;
// access control lists are refused. The root directory belongs to root and has the time of
// the newest file.
package squashfs
