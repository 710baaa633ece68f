// Package partition lays out disks: it places file systems side by side, writes the partition
// table, and reads such tables.
//
// A [Table] is data: the kind of the table, and its partitions in the order of their
// numbers. [Table.Layout] places them and returns the whole disk as an [image.Map] in which
// each file system is one extent. It copies nothing, and reads nothing of a file system.
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
// disk; [MBR], in which more than four partitions need logical ones in an extended
// partition; and [Hybrid], a GPT whose MBR also lists up to three partitions, for
// firmware that reads only an MBR.
//
// [ReadGPT], [ReadMBR] and [ReadAPM] read one kind each; Apple's is only read. Package inspect
// decides which of several tables on a disk applies.
//
// A partition whose size is a [Share] takes that part of the space that the others leave on
// a disk of given size. [Raw] bytes, which firmware expects outside of partitions, keep their
// place; no partition overlaps them.
//
// The package also parses and formats sizes ([ParseSize], [FormatBytes]). Package volume
// describes the file systems in partitions.
//
// # What it guarantees
//
// The bytes depend on the Table alone. Layout derives missing GUIDs and a missing disk
// signature from the Seed and the partition's name, so that a partition keeps its GUID when
// another is added before it. Partitions never overlap, and no two have the same name, label,
// UUID or GUID: Layout refuses such a Table, with the names and the bytes.
//
// # Limits
//
// All positions and sizes are in bytes and, except for those of a Raw, multiples of the
// sector size (512 or 4096). A GPT has 128 entries and names of 36 UTF-16 units; an MBR
// reaches 2 TiB with sectors of 512 bytes, and has 59 partitions. Bytes 0 to 439 of the disk
// are free for boot code, which may be a Raw.
package partition
