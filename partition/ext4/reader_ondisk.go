package ext4

// Structures and features that [FileSystem] does not write: those of ext2 and ext3, other sizes
// of blocks and inodes, and further features of Linux.
// https://docs.kernel.org/filesystems/ext4/

const (
	minBlockSize      = 1024
	maxLogBlockSize   = 6    // 64 KiB
	minBlocksPerGroup = 256  // of mke2fs
	oldInodeSize      = 128  // of revision 0
	oldDescSize       = 32   // without the feature 64bit
	maxDescSize       = 1024 // only the first 64 bytes have a meaning so far
	inlineDataSize    = 60   // of i_block
	inlineDirParent   = 4    // bytes of i_block before the entries of an inline directory
	maxExtentDepth    = 5
)

// Features that the writer does not set.
const (
	incompatCompression = 0x0001
	incompatJournalDev  = 0x0008
	incompatMetaBG      = 0x0010
	incompatMMP         = 0x0100
	incompatEAInode     = 0x0400
	incompatDirdata     = 0x1000
	incompatLargeDir    = 0x4000
	incompatInlineData  = 0x8000
	incompatEncrypt     = 0x10000
	incompatCasefold    = 0x20000

	compatSparseSuper2 = 0x0200
	roCompatGdtCsum    = 0x0010
)

// readable are the incompatible features of readable file systems. Compressed and encrypted
// files are unreadable, but the others are not.
const readable = incompatCompression | incompatFiletype | incompatMetaBG | incompatExtents | incompat64Bit | incompatMMP |
	incompatFlexBG | incompatEAInode | incompatDirdata | incompatCsumSeed | incompatLargeDir | incompatInlineData |
	incompatEncrypt | incompatCasefold

// incompatNames are the names that dumpe2fs prints, by the bits of s_feature_incompat.
var incompatNames = map[uint32]string{
	incompatCompression: "compression", incompatFiletype: "filetype", incompatRecover: "needs_recovery",
	incompatJournalDev: "journal_dev", incompatMetaBG: "meta_bg", incompatExtents: "extent", incompat64Bit: "64bit",
	incompatMMP: "mmp", incompatFlexBG: "flex_bg", incompatEAInode: "ea_inode", incompatDirdata: "dirdata",
	incompatCsumSeed: "metadata_csum_seed", incompatLargeDir: "large_dir", incompatInlineData: "inline_data",
	incompatEncrypt: "encrypt", incompatCasefold: "casefold",
}

// More i_flags.
const (
	inodeFlagCompressed = 0x00000004
	inodeFlagEncrypt    = 0x00000800
	inodeFlagEAInode    = 0x00200000 // its contents are the value of an attribute
	inodeFlagInlineData = 0x10000000
)

// namePrefixes are the prefixes for e_name_index, including those that [FileSystem] does not
// write.
var namePrefixes = map[uint8]string{
	0: "", xattrUser: "user.", xattrPosixACLAccess: "system.posix_acl_access", xattrPosixACLDefault: "system.posix_acl_default",
	xattrTrusted: "trusted.", xattrSecurity: "security.", xattrSystem: "system.", 8: "system.richacl", 10: "gnu.",
}

// kernelsOwn are the purposes, by e_name_index, of the kernel's private attributes, which
// system calls do not show.
var kernelsOwn = map[uint8]string{5: "Lustre", 9: "encryption", 11: "verity"}

// maxXattrValue is the limit for a value in an inode of its own: XATTR_SIZE_MAX.
const maxXattrValue = 64 << 10

// inlineData is the attribute for inline data that does not fit into i_block.
const inlineData = "system.data"

// gdtChecksum is the checksum of a group descriptor with the feature uninit_bg: CRC-16 of the
// file system's UUID, the number of the group and the descriptor.
func gdtChecksum(uuid [16]byte, group uint32, p []byte) uint16 {
	c := crc16(0xFFFF, uuid[:])
	c = crc16(c, []byte{byte(group), byte(group >> 8), byte(group >> 16), byte(group >> 24)})
	c = crc16(c, p[:groupChecksumOffset])
	return crc16(c, p[groupChecksumOffset+2:])
}

// crc16 is CRC-16/ANSI, reflected.
func crc16(c uint16, p []byte) uint16 {
	for _, b := range p {
		c ^= uint16(b)
		for range 8 {
			c = c>>1 ^ 0xA001&-(c&1)
		}
	}
	return c
}
