// Package archive reads tarballs and Debian packages as trees of files, so that they
// can join a store without being unpacked first:
//
//	n, err := archive.Read("linux-image-6.1.deb", archive.Options{})
//	item, err := storedb.Nix.AddPath("kernel", n)
//
// Tarballs are of the formats that GNU tar, BSD tar and Go write: long names, pax
// headers, hard links, sparse files. They may be compressed with gzip, xz, zstd, bzip2,
// lzip, lz4 or lzma, recognized by the contents, not by the name. Of a Debian package, the files
// are read, not the scripts.
//
// # What it guarantees
//
// Names and permissions are kept; owners, times and extended attributes are not.
// Nothing depends on the host but the file itself. Contents of an archive that is not
// compressed stay where they are, as sections of its file; others are
// held in memory, and in a file without a name what is more than 64 MiB.
//
// An archive is not trusted: names that are absolute or hold "..", files that would
// lie below a symlink or a file, links to what is not there, and sizes that the file
// cannot have are refused with the entry's name. Where an entry stands twice, the last
// one counts, as for tar; a directory does not become a file, though.
//
// Entries that are no files, such as sockets, the continuations of other volumes and the
// attributes that Solaris keeps in entries of their own, are left out, and files of unknown
// types are taken for regular ones, as POSIX has it; [Options.LeftOut] is called with each. If it
// is set, names that hold ".." are left out and absolute names are taken for relative ones, and
// it is called with those, too.
//
// # Limits
//
// Contents that are unpacked may have 4 GiB ([Options.Unpacked]), and there may be 4 Mi entries,
// [image.MaxDepth] directories deep.
// What is larger can be unpacked to a folder, which ingot takes as well.
package archive
