// Package tar lays a Tree out as a tar archive.
//
//	archive, err := tar.Layout(tree, tar.Options{})
//	err = image.WriteRaw(ctx, archive, "root.tar", image.WriteOptions{})
//
// The archive is an [image.Map]: headers, which are made when they are read, and the
// files themselves. So it can be sent down a pipe, read by several goroutines, or written
// to a file that shares its blocks with others; and it holds the same bytes every time.
// Names are relative to the root, in bytewise order, a directory before what is in it.
//
// The format is POSIX.1-2017's, with extended headers (pax) where the plain ones have no
// room: long names, large numbers, fractions of seconds, extended attributes. The target
// of a long link is in a header of GNU tar's kind, since mksquashfs reads the other wrongly.
// GNU tar, bsdtar, busybox and Go read both.
//
// Further names of a file are links to the first. The root directory itself is not in the
// archive: what unpacks it has one. Sockets, device numbers beyond 2,097,151 and extended
// attributes with = in their names are refused, or left out ([Options.LeftOut]).
package tar
