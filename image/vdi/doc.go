// Package vdi writes VirtualBox's disk format, and reads it.
//
//	file, err := vdi.Layout(ctx, disk, seed, image.WriteOptions{})
//	err = image.WriteRaw(ctx, file, "web.vdi", image.WriteOptions{})
//
// As with qcow2, a VDI file is itself an [image.Map]: a header, a map of blocks, and
// extents that take their bytes from the disk, so that any consumer of a Map writes one. It is
// a dynamic image of version 1.1, with blocks of 1 MiB, each at a multiple of 1 MiB in the
// file. Blocks of zeros are not allocated. Layout finds them by reading, so that the bytes of
// the file depend on those of the disk alone.
//
// VirtualBox refuses two disks with one UUID: it is derived from the seed.
//
// A disk is at most 1023 TiB large, as the header has 32 bits for where the first block
// lies, behind the map; its size is rounded up to whole sectors of 512 bytes.
//
// [Map] returns the disk in a file of any maker, dynamic or fixed. It does not trust the file,
// and refuses differencing files, which need another one.
//
// There is no specification but the code: VDICore.h of VirtualBox, and block/vdi.c of
// QEMU, which names the fields.
package vdi
