package block

import "encoding/binary"

// Where file systems keep what tells them apart. Offsets are from the start of
// the device; names are those of the specifications:
//
//	ext4      https://www.kernel.org/doc/html/latest/filesystems/ext4/globals.html
//	XFS       https://mirrors.edge.kernel.org/pub/linux/utils/fs/xfs/docs/xfs_filesystem_structure.pdf
//	btrfs     https://btrfs.readthedocs.io/en/latest/dev/On-disk-format.html
//	FAT       Microsoft Extensible Firmware Initiative FAT32 File System Specification, 1.03
//	ISO 9660  ECMA-119, 8.4
//	squashfs  https://www.kernel.org/doc/html/latest/filesystems/squashfs.html
//	EROFS     https://www.kernel.org/doc/html/latest/filesystems/erofs.html
//	swap      include/linux/swap.h, union swap_header
//	LUKS      https://gitlab.com/cryptsetup/LUKS2-docs
const (
	extSuperblock      = 1024
	extMagicAt         = extSuperblock + 0x38 // s_magic
	extMagic           = 0xEF53
	extCompatAt        = extSuperblock + 0x5C // s_feature_compat
	extIncompatAt      = extSuperblock + 0x60 // s_feature_incompat
	extROCompatAt      = extSuperblock + 0x64 // s_feature_ro_compat
	extUUIDAt          = extSuperblock + 0x68 // s_uuid
	extLabelAt         = extSuperblock + 0x78 // s_volume_name
	extCompatJournal   = 0x4                  // COMPAT_HAS_JOURNAL
	extIncompatJournal = 0x8                  // INCOMPAT_JOURNAL_DEV: not a file system
	extIncompatOld     = 0x2 | 0x4 | 0x10     // filetype, recover, meta_bg: known to ext3
	extROCompatOld     = 0x1 | 0x2 | 0x4      // sparse_super, large_file, btree_dir: known to ext3

	xfsMagic   = "XFSB"
	xfsUUIDAt  = 32  // sb_uuid
	xfsLabelAt = 108 // sb_fname

	btrfsSuperblock = 0x10000
	btrfsMagicAt    = btrfsSuperblock + 0x40
	btrfsMagic      = "_BHRfS_M"
	btrfsUUIDAt     = btrfsSuperblock + 0x20
	btrfsLabelAt    = btrfsSuperblock + 0x12B

	fatSignatureAt   = 510 // 0x55 0xAA
	fatSerial16At    = 39  // BS_VolID of FAT12 and FAT16
	fatLabel16At     = 43
	fatType16At      = 54 // BS_FilSysType
	fatSerial32At    = 67
	fatLabel32At     = 71
	fatType32At      = 82
	fatBytesPerSecAt = 11
	fatReservedAt    = 14
	fatFATsAt        = 16
	fatSize16At      = 22
	fatSecPerClusAt  = 13

	isoDescriptor  = 16 * 2048 // the primary volume descriptor
	isoMagic       = "\x01CD001"
	isoVolumeAt    = isoDescriptor + 40
	isoCreatedAt   = isoDescriptor + 813 // 16 digits and a zone
	isoModifiedAt  = isoDescriptor + 830
	isoVolumeBytes = 32

	squashfsMagic = "hsqs"

	erofsSuperblock = 1024
	erofsMagic      = 0xE0F5E1E2
	erofsUUIDAt     = erofsSuperblock + 48
	erofsLabelAt    = erofsSuperblock + 64

	ntfsMagicAt  = 3
	ntfsMagic    = "NTFS    "
	ntfsSerialAt = 72

	swapMagic   = "SWAPSPACE2" // the last bytes of the first page
	swapUUIDAt  = 1024 + 12
	swapLabelAt = 1024 + 28

	luksMagic   = "LUKS\xba\xbe"
	luksUUIDAt  = 168 // of both versions, as text
	luks2LabelA = 24

	// probeSize is how much of a device all of this needs.
	probeSize = btrfsSuperblock + 4096
)

// The partition tables: UEFI specification 2.10, chapter 5.
const (
	mbrSignatureAt   = 510
	mbrDiskID        = 440 // disk signature, 32 bits
	mbrEntriesAt     = 446
	mbrEntrySize     = 16
	mbrTypeAt        = 4
	mbrProtective    = 0xEE
	gptMagic         = "EFI PART"
	gptEntriesLBAAt  = 72
	gptEntryCountAt  = 80
	gptEntrySizeAt   = 84
	gptUniqueGUIDAt  = 16
	gptNameAt        = 56
	gptNameBytes     = 72
	gptEntryBytes    = 128 // or these times a power of two
	maxGPTEntries    = 1024
	maxGPTEntryBytes = 4096
)

var le = binary.LittleEndian
