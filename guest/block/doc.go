// Package block says what lies on a block device: the file system with its UUID
// and label, and the partition with its own. It reads superblocks (those of package
// filesystems) and partition tables itself, so that it works before any daemon of a system
// does.
//
//	id, err := block.Identify(device) // of an io.ReaderAt
//	fmt.Println(id.Type, id.UUID, id.Label)
//
//	spec := block.ParseSpec("UUID=5f1c…")
//	device, err := block.Find(spec)   // of the running system
//
// # What it guarantees
//
// UUIDs are spelled as blkid spells them (a FAT serial number as 1234-ABCD, the
// "UUID" of an ISO 9660 as its time of creation), so that what GRUB, /etc/fstab
// and a kernel command line name is found. Nothing is written and no device is
// kept open.
//
// # Limits
//
// The UUIDs and labels of ext2 to ext4, XFS, btrfs, F2FS, FAT, ISO 9660, EROFS, NTFS, swap
// and LUKS are read: what a root or a rescued system lies on. Of other kinds only the type is
// told. Devices come from /sys.
package block
