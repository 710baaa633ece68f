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
