// Package inspect reads images back, of anyone's making: it opens one as a Map, finds out
// what lies in it, and hands out its files as Trees.
//
//	img, err := inspect.Open(ctx, "disk.qcow2")
//	defer img.Close()
//	err = img.Identify(ctx)
//	v, err := img.Select("name=root")
//	tree, err := v.Tree()
//
// # What an image is taken for
//
// Bytes can be read in several ways. A disk with a GPT can begin with an ISO 9660 volume as
// well, an ISO can have the tables of a disk, a FAT can have the magic number of ext4 among
// its own numbers, and what was there before leaves its marks. So nothing is decided by the
// first signature: each one that is found is a [Reading], with the verdict of the reader for
// its [Kind]. The image as a whole has readings, and so has each [Volume] of it: a partition,
// a boot image of El Torito, a file of an ISO.
//
// The readings of a volume are sorted, and the first one is used: those that their reader
// could open come first, then kinds that are known by their signature alone, then those that
// their reader refused. Of the image as a whole, a partition table is used where a partition
// of it holds something known; an ISO is used before the tables that make a stick of it,
// unless it holds no file but its own boot catalog. [Volume.InUse] says which volumes follow
// from that. The others can be named, too.
//
// What is damaged is no error of [Image.Identify] but a verdict, or a problem of the table.
//
// # What it promises
//
// An image is not trusted: what is read to identify it is bounded by the number of its
// partitions, and all trees together by the size of the disk, whatever a table says. Reading
// ends with its context.
package inspect
