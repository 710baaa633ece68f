// Package qcow2 writes and reads QEMU's disk format.
//
// A qcow2 file is itself an [image.Map]: [Layout] makes the header and the tables,
// which are small or computed when they are read, and extents that take their bytes
// from the disk. So whatever consumes a Map writes a qcow2 file, as a sparse file, or
// in order down a pipe, sharing or copying the same files as a raw image would.
//
// The bytes of the file depend on the bytes of the disk alone. So clusters of zeros are
// found by reading, and not by what the extents of the Map leave out: those of an image
// follow the holes that a file system or another program has left. Of a disk full of data a
// sixteenth is read for it.
//
//	err := qcow2.Write(ctx, disk, "web.qcow2", image.WriteOptions{})
//
// What is written is version 3 with clusters of 64 KiB and 16-bit reference counts,
// as qemu-img makes it by default, all metadata in front. Clusters of zeros are
// not allocated. There are no snapshots, and no backing file. A disk is at most 2 PiB
// large; its size is rounded up to whole sectors of 512 bytes.
//
// [Compress] makes the same file with compressed clusters, side by side as QEMU packs
// them. It reads and compresses the disk first, into a file without a name, since tables
// in front can only be made when the sizes of what they name are known; what it returns is
// a Map again. Clusters that would hardly shrink are stored as they are, and those that
// turn out to be zeros not at all. Each is compressed by itself, so that neither the number
// of processors nor chance changes a byte.
//
// [Open] reads versions 2 and 3 with clusters of any size, compressed by zlib or
// zstd or not at all. It refuses what it could only read wrongly: backing files,
// encryption, external data files and extended L2 entries; [SelfContained] refuses the
// first three, for those who give a file to QEMU. Internal snapshots are passed over.
//
// Files may be of anyone's making. The time and the memory that they take are bounded by
// their own size, whatever size their disk has: a file whose tables use more bytes than it
// has, so that some are used several times, is refused. Only compression makes more of a
// byte, up to 1032 with zlib and some 28,000 with zstd.
//
// The specification is https://www.qemu.org/docs/master/interop/qcow2.html.
package qcow2
