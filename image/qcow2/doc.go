// Package qcow2 writes and reads QEMU's disk format.
//
// A qcow2 file is itself an [image.Map]: [Layout] makes the header and the tables,
// which are small or computed when they are read, and extents that take their bytes
// from the disk. So any consumer of a Map writes a qcow2 file, as a sparse file, or in order
// to a pipe, sharing or copying the same files as a raw image would.
//
// The bytes of the file depend on the bytes of the disk alone. So Layout finds clusters of
// zeros by reading, and not by holes of the Map, which follow those of files. Of a disk full
// of data it reads a sixteenth.
//
//	err := qcow2.Write(ctx, disk, "web.qcow2", image.WriteOptions{})
//
// Layout writes version 3 with clusters of 64 KiB and 16-bit reference counts, as qemu-img
// does by default, all metadata in front. Clusters of zeros are not allocated. There are no
// snapshots, and no backing file. A disk has at most 2 PiB; its size is rounded up to whole
// sectors of 512 bytes.
//
// [Compress] makes the same file with compressed clusters, side by side as QEMU packs them.
// It first compresses the disk into a nameless file, since the tables in front need the sizes
// of all clusters, and returns a Map again. It stores clusters that would hardly shrink as
// they are, and clusters of zeros not at all. Each cluster is compressed by itself, so that
// neither the number of processors nor chance changes a byte.
//
// [Open] reads versions 2 and 3 with clusters of any size, compressed by zlib or zstd or
// not at all. It refuses backing files, encryption, external data files and extended L2
// entries; [SelfContained] refuses the first three, for callers that give a file to QEMU. Open
// ignores internal snapshots.
//
// Files may be of any maker. Reading one takes time and memory in proportion to its size,
// whatever the size of its disk: a file whose tables use more bytes than it has, some of them
// several times, is refused. Only compression makes more of a byte, up to 1032 with zlib and
// some 28,000 with zstd.
//
// The specification is https://www.qemu.org/docs/master/interop/qcow2.html.
package qcow2
