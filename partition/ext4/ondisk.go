package ext4

// The structures of this file lie on the disk as they stand here, little-endian and
// without padding; encoding/binary reads and writes them. Names are those of the
// kernel's documentation without their prefixes (s_, bg_, i_, ee_, e_, h_):
// https://docs.kernel.org/filesystems/ext4/ . The journal's are in
// https://docs.kernel.org/filesystems/ext4/journal.html and stay big-endian.

// Sizes of what is on the disk, in bytes.
const (
	blockSize           = 4096
	inodeSize           = 256
	inodesPerBlock      = blockSize / inodeSize
	superblockOffset    = 1024
	superblockSize      = 1024
	groupDescriptorSize = 64
	addressesPerBlock   = blockSize / 4

	// blocksPerGroup is what one block of bitmap can tell; ext4 allows fewer, but
	// nobody does that.
	blocksPerGroup = 8 * blockSize
	// maxInodesPerGroup is, likewise, one block of inode bitmap.
	maxInodesPerGroup = 8 * blockSize

	logBlockSize = 2 // s_log_block_size: 1024 << 2
)

// magic numbers.
const (
	superblockMagic = 0xEF53
	extentMagic     = 0xF30A
	xattrMagic      = 0xEA020000
	journalMagic    = 0xC03B3998
)

// Inodes with a fixed role.
const (
	rootInode          = 2
	resizeInode        = 7
	journalInode       = 8
	firstInode         = 11 // s_first_ino: the first that is free for any use
	lastReservedInodes = firstInode - 1
)

// s_feature_compat.
const (
	compatHasJournal  = 0x0004
	compatExtAttr     = 0x0008
	compatResizeInode = 0x0010
	compatDirIndex    = 0x0020
)

// s_feature_incompat.
const (
	incompatFiletype = 0x0002
	incompatRecover  = 0x0004
	incompatExtents  = 0x0040
	incompat64Bit    = 0x0080
	incompatFlexBG   = 0x0200
	incompatCsumSeed = 0x2000
)

// s_feature_ro_compat.
const (
	roCompatSparseSuper  = 0x0001
	roCompatLargeFile    = 0x0002
	roCompatHugeFile     = 0x0008
	roCompatDirNlink     = 0x0020
	roCompatExtraIsize   = 0x0040
	roCompatMetadataCsum = 0x0400
)

// Other values of the superblock.
const (
	stateClean           = 1                 // s_state: EXT4_VALID_FS
	errorsContinue       = 1                 // s_errors
	revisionDynamic      = 1                 // s_rev_level
	mountUserXattr       = 0x0004            // s_default_mount_opts
	mountACL             = 0x0008            //
	hashHalfMD4          = 1                 // s_def_hash_version
	flagSignedHash       = 1                 // s_flags: names are hashed as signed characters
	checksumCRC32C       = 1                 // s_checksum_type
	journalBackupInBlock = 1                 // s_jnl_backup_type: s_jnl_blocks holds i_block and i_size
	logGroupsPerFlex     = 4                 // s_log_groups_per_flex
	maxMountCountNever   = 0xFFFF            // s_max_mnt_count: -1
	maxBlocks            = 1<<32 - 1         // beyond that the resize inode cannot point
	maxLogicalBlocks     = 1<<32 - 1         // ee_block is 32 bits wide
	maxLinks             = 65000             // EXT4_LINK_MAX
	minSeconds           = -1 << 31          // of a time, 1901-12-13
	maxSeconds           = 1<<34 - 1<<31 - 1 // and 2446-05-10
	fastSymlinkLength    = 60                // targets shorter than that lie in i_block
	extraInodeSize       = 32                // i_extra_isize: up to i_projid
	goodOldInodeSize     = 128
)

// superblock is struct ext4_super_block. Its checksum is over all that precedes it.
type superblock struct {
	InodesCount       uint32
	BlocksCountLo     uint32
	RBlocksCountLo    uint32
	FreeBlocksCountLo uint32
	FreeInodesCount   uint32
	FirstDataBlock    uint32
	LogBlockSize      uint32
	LogClusterSize    uint32
	BlocksPerGroup    uint32
	ClustersPerGroup  uint32
	InodesPerGroup    uint32
	Mtime             uint32
	Wtime             uint32
	MntCount          uint16
	MaxMntCount       uint16
	Magic             uint16
	State             uint16
	Errors            uint16
	MinorRevLevel     uint16
	Lastcheck         uint32
	Checkinterval     uint32
	CreatorOS         uint32
	RevLevel          uint32
	DefResuid         uint16
	DefResgid         uint16
	FirstIno          uint32
	InodeSize         uint16
	BlockGroupNr      uint16
	FeatureCompat     uint32
	FeatureIncompat   uint32
	FeatureRoCompat   uint32
	UUID              [16]byte
	VolumeName        [16]byte
	_                 [70]byte // s_last_mounted to s_prealloc_dir_blocks
	ReservedGdtBlocks uint16
	JournalUUID       [16]byte
	JournalInum       uint32
	JournalDev        uint32
	LastOrphan        uint32
	HashSeed          [4]uint32
	DefHashVersion    uint8
	JnlBackupType     uint8
	DescSize          uint16
	DefaultMountOpts  uint32
	FirstMetaBg       uint32
	MkfsTime          uint32
	JnlBlocks         [17]uint32
	BlocksCountHi     uint32
	RBlocksCountHi    uint32
	FreeBlocksCountHi uint32
	MinExtraIsize     uint16
	WantExtraIsize    uint16
	Flags             uint32
	_                 [16]byte // s_raid_stride to s_raid_stripe_width
	LogGroupsPerFlex  uint8
	ChecksumType      uint8
	_                 [210]byte // s_encryption_level to s_grp_quota_inum
	OverheadBlocks    uint32
	BackupBgs         [2]uint32
	_                 [28]byte // s_encrypt_algos to s_prj_quota_inum
	ChecksumSeed      uint32
	_                 [392]byte // s_wtime_hi to s_reserved
	Checksum          uint32
}

// bg_flags.
const (
	groupInodeUninit  = 1 // the inode bitmap was never written: no inode is used
	groupBlockUninit  = 2 // nor the block bitmap: only what has its fixed place is used
	groupItableZeroed = 4
)

// groupDescriptor is struct ext4_group_desc in the form of 64 bytes.
type groupDescriptor struct {
	BlockBitmapLo     uint32
	InodeBitmapLo     uint32
	InodeTableLo      uint32
	FreeBlocksCountLo uint16
	FreeInodesCountLo uint16
	UsedDirsCountLo   uint16
	Flags             uint16
	ExcludeBitmapLo   uint32
	BlockBitmapCsumLo uint16
	InodeBitmapCsumLo uint16
	ItableUnusedLo    uint16
	Checksum          uint16
	BlockBitmapHi     uint32
	InodeBitmapHi     uint32
	InodeTableHi      uint32
	FreeBlocksCountHi uint16
	FreeInodesCountHi uint16
	UsedDirsCountHi   uint16
	ItableUnusedHi    uint16
	ExcludeBitmapHi   uint32
	BlockBitmapCsumHi uint16
	InodeBitmapCsumHi uint16
	_                 uint32
}

// groupChecksumOffset is where bg_checksum stands.
const groupChecksumOffset = 0x1E

// i_flags.
const (
	inodeFlagIndex   = 0x00001000
	inodeFlagExtents = 0x00080000
)

// inode is struct ext4_inode with all its extra fields; extended attributes follow
// in the bytes that remain of inodeSize.
type inode struct {
	Mode        uint16
	UID         uint16
	SizeLo      uint32
	Atime       uint32
	Ctime       uint32
	Mtime       uint32
	Dtime       uint32
	GID         uint16
	LinksCount  uint16
	BlocksLo    uint32 // in units of 512 bytes
	Flags       uint32
	Version     uint32
	Block       [60]byte
	Generation  uint32
	FileACLLo   uint32
	SizeHigh    uint32
	ObsoFaddr   uint32
	BlocksHigh  uint16
	FileACLHigh uint16
	UIDHigh     uint16
	GIDHigh     uint16
	ChecksumLo  uint16
	_           uint16
	ExtraIsize  uint16
	ChecksumHi  uint16
	CtimeExtra  uint32 // two bits of epoch below thirty of nanoseconds
	MtimeExtra  uint32
	AtimeExtra  uint32
	Crtime      uint32
	CrtimeExtra uint32
	VersionHi   uint32
	Projid      uint32
}

// Where the two halves of an inode's checksum stand, and its extended attributes.
const (
	inodeChecksumLoOffset = 0x7C
	inodeChecksumHiOffset = 0x82
	inodeXattrOffset      = goodOldInodeSize + extraInodeSize
)

const (
	extentEntrySize  = 12
	extentMaxLen     = 32768                                               // of one extent, in blocks
	extentsInInode   = (60 - extentEntrySize) / extentEntrySize            // 4
	extentsInBlock   = (blockSize - extentEntrySize - 4) / extentEntrySize // 340
	extentTailOffset = extentEntrySize + extentsInBlock*extentEntrySize    // where et_checksum stands
)

// An entry of a directory is struct ext4_dir_entry_2: the inode's number in four
// bytes, its own length in two, the name's length and the file type in one each, and
// the name, padded to a multiple of four.

// Sizes of what a directory block holds.
const (
	dirEntrySize = 8
	dirTailSize  = 12                      // struct ext4_dir_entry_tail: looks like an entry without a name
	dirTailType  = 0xDE                    // its file type
	dirSpace     = blockSize - dirTailSize // what entries have of a block

	fileTypeDirectory = 2 // of "." and ".."
)

// The hash tree of a directory, https://docs.kernel.org/filesystems/ext4/directory.html#hash-tree-directories .
// Its entries are pairs of a hash and a block; in place of the first hash of a node
// stand two numbers of 16 bits, the limit and the count of its entries.
const (
	dxEntrySize  = 8
	dxRootOffset = 32 // of the entries in the root: after "." and ".." and struct dx_root_info
	dxNodeOffset = 8  // in other nodes: after an entry that spans the block
	dxTailSize   = 8
	dxRootLimit  = (blockSize - dxRootOffset - dxTailSize) / dxEntrySize // 507
	dxNodeLimit  = (blockSize - dxNodeOffset - dxTailSize) / dxEntrySize // 510
	dxInfoOffset = 24                                                    // of struct dx_root_info
	dxInfoLength = 8
	dxHashEOF    = 0x7FFFFFFF // no name hashes to that, shifted left by one
)

// xattrHeader is struct ext4_xattr_header, at the start of a block of attributes.
// Within an inode h_magic stands alone.
type xattrHeader struct {
	Magic    uint32
	Refcount uint32
	Blocks   uint32
	Hash     uint32
	Checksum uint32
	_        [3]uint32
}

// xattrEntry is struct ext4_xattr_entry without the name that follows.
type xattrEntry struct {
	NameLen   uint8
	NameIndex uint8
	ValueOffs uint16 // from the start of the block, or of the first entry in an inode
	ValueInum uint32
	ValueSize uint32
	Hash      uint32
}

const (
	xattrHeaderSize      = 32
	xattrEntrySize       = 16
	xattrInodeHeaderSize = 4
	xattrChecksumOffset  = 16
	xattrAlign           = 4    // of entries and of values
	xattrMaxReferences   = 1024 // EXT4_XATTR_REFCOUNT_MAX
	xattrInodeSpace      = inodeSize - inodeXattrOffset - xattrInodeHeaderSize
	xattrBlockSpace      = blockSize - xattrHeaderSize
	xattrTerminator      = 4 // four zero bytes end the entries
)

// e_name_index: which prefix of the name is left out.
const (
	xattrUser            = 1
	xattrPosixACLAccess  = 2
	xattrPosixACLDefault = 3
	xattrTrusted         = 4
	xattrSecurity        = 6
	xattrSystem          = 7
)

// journalSuperblock is journal_superblock_t, big-endian. What follows, up to 1024
// bytes, is zero.
type journalSuperblock struct {
	Magic          uint32
	Blocktype      uint32
	HeaderSequence uint32
	Blocksize      uint32
	Maxlen         uint32
	First          uint32
	Sequence       uint32
	Start          uint32
	_              [16]byte // s_errno and the features
	UUID           [16]byte
	NrUsers        uint32
	_              [956]byte // s_dynsuper to s_users
}

const (
	journalSuperblockV2 = 4    // h_blocktype
	minJournalBlocks    = 1024 // JBD2_MIN_JOURNAL_BLOCKS
	maxJournalBlocks    = 10_240_000
)
