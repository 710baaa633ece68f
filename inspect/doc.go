// Package inspect reads images of any maker: it opens one as a Map, identifies its contents,
// and returns its files as Trees.
//
//	img, err := inspect.Open(ctx, "disk.qcow2")
//	defer img.Close()
//	err = img.Identify(ctx)
//	v, err := img.Select("name=root")
//	tree, err := v.Tree()
//
// # Identification
//
// Bytes can be read in several ways. A disk with a GPT can begin with an ISO 9660 volume as
// well, an ISO can have the tables of a disk, a FAT can have the magic number of ext4 among
// its own numbers, and earlier contents leave their marks. So the first signature decides
// nothing: each one is a [Reading], with the verdict of the reader for its [Kind]. The image as
// a whole has readings, and so has each [Volume]: a partition, a boot image of El Torito, a
// file of an ISO.
//
// The best reading of a volume is in use: one that its reader could open, else a kind known by
// its signature alone, else one that its reader refused. For the image as a whole, a partition
// table is in use if one of its partitions holds something known. An ISO is in use before the
// tables that make it bootable from a stick, unless it holds no file but its own boot catalog.
// [Volume.InUse] says which volumes follow from that; the others can be named, too.
//
// Damage is no error of [Image.Identify] but a verdict, or a problem of the table.
//
// # What it promises
//
// An image is not trusted: the number of partitions limits the reading of Identify, and the
// size of the disk limits that of all trees, whatever a table says. Reading ends with its
// context.
package inspect
