package ext4

import (
	"strings"

	"github.com/google/uuid"
)

// Label returns the volume's label.
func (r *Reader) Label() string {
	label, _, _ := strings.Cut(string(r.sb.VolumeName[:]), "\x00")
	return label
}

// UUID returns the volume's UUID as blkid prints it.
func (r *Reader) UUID() string { return uuid.UUID(r.sb.UUID).String() }

// BlockSize returns the size of a block in bytes.
func (r *Reader) BlockSize() int64 { return r.blockSize }

// Blocks returns how many blocks the file system has.
func (r *Reader) Blocks() int64 { return r.blocks }

// FreeBlocks returns how many of them are free, those reserved for root included.
func (r *Reader) FreeBlocks() int64 {
	return wide(r.sb.FreeBlocksCountLo, r.sb.FreeBlocksCountHi)
}

// ReservedBlocks returns how many blocks are reserved for root.
func (r *Reader) ReservedBlocks() int64 {
	return wide(r.sb.RBlocksCountLo, r.sb.RBlocksCountHi)
}

// Inodes returns how many inodes the file system has.
func (r *Reader) Inodes() int64 { return int64(r.sb.InodesCount) }

// FreeInodes returns how many of them are free.
func (r *Reader) FreeInodes() int64 { return int64(r.sb.FreeInodesCount) }

// Features returns the names of the file system's features as dumpe2fs prints them.
func (r *Reader) Features() []string {
	names := featureNames(r.sb.FeatureCompat, compatNames)
	names = append(names, featureNames(r.sb.FeatureIncompat, incompatNames)...)
	return append(names, featureNames(r.sb.FeatureRoCompat, roCompatNames)...)
}

var (
	compatNames = map[uint32]string{
		0x1: "dir_prealloc", 0x2: "imagic_inodes", compatHasJournal: "has_journal", compatExtAttr: "ext_attr",
		compatResizeInode: "resize_inode", compatDirIndex: "dir_index", 0x40: "lazy_bg", 0x100: "snapshot_bitmap",
		compatSparseSuper2: "sparse_super2", 0x400: "fast_commit", 0x800: "stable_inodes", 0x1000: "orphan_file",
	}
	roCompatNames = map[uint32]string{
		roCompatSparseSuper: "sparse_super", roCompatLargeFile: "large_file", roCompatHugeFile: "huge_file",
		roCompatGdtCsum: "uninit_bg", roCompatDirNlink: "dir_nlink", roCompatExtraIsize: "extra_isize", 0x80: "snapshot",
		0x100: "quota", 0x200: "bigalloc", roCompatMetadataCsum: "metadata_csum", 0x800: "replica", 0x1000: "read-only",
		0x2000: "project", 0x4000: "shared_blocks", 0x8000: "verity", 0x10000: "orphan_present",
	}
)
