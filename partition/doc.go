// Package partition puts file systems side by side on a disk: it places them,
// writes the table that names them, and reads such tables back.
//
// A [Table] is data: what kind of table, and its partitions in the order of their
// numbers. [Table.Layout] gives each a place and returns the whole disk as an
// [image.Map] in which each file system is one extent. Nothing is copied, and
// nothing of a file system is read.
//
//	t := partition.Table{
//		Seed: seed,
//		Partitions: []partition.Partition{
//			{Name: "bios", Type: "bios-boot", Size: 1 << 20},
//			{Name: "esp", Type: "esp", Content: esp},
//			{Name: "root", Type: "linux", Content: root},
//		},
//	}
//	disk, err := t.Layout()
//	err = image.WriteRaw(ctx, disk.Map, "disk.img", image.WriteOptions{})
//
// Three kinds of table exist: [GPT], written with its backup at the end of the
// disk; [MBR], whose fifth and later partitions are logical ones in an extended
// partition; and [Hybrid], a GPT whose MBR also names up to three partitions, for
// firmware that reads nothing else.
//
// [ReadGPT], [ReadMBR] and [ReadAPM] read one kind each; Apple's is only read. Package inspect
// decides which of several tables on a disk applies.
//
// A [Share] is the size of a partition that takes a part of what the others leave of a
// disk of given size. [Raw] is bytes that firmware expects outside of partitions; these
// keep clear of them.
//
// The package also holds what the sizes of a disk have in common: [ParseSize] and
// [FormatBytes] for people. What lies in a partition is described in package volume.
//
// # What it guarantees
//
// The bytes depend on the Table alone. GUIDs and the disk signature that are not
// given are derived from the Seed and the partition's name, so that a partition
// keeps its GUID when another is added before it. Partitions never overlap, and
// no two share a name, a label, a UUID or a GUID: each such Table is refused, with
// the names and the bytes.
//
// # Limits
//
// All positions and sizes are in bytes, and but for those of a Raw multiples of the
// sector size (512 or 4096). A GPT has 128 entries and names of 36 UTF-16 units; an MBR
// reaches 2 TiB with sectors of 512 bytes, and 60 partitions. Bytes 0 to 439 of the disk
// are left to boot code, which may be a Raw.
package partition
