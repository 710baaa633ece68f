package erofs

import (
	"bytes"

	"github.com/google/uuid"

	"ingot/image"
)

// Label returns the volume's name, or "" if it has none.
func (r *Reader) Label() string {
	label, _, _ := bytes.Cut(r.VolumeName[:], []byte{0})
	return string(label)
}

// UUID returns the volume's identifier as blkid prints it.
func (r *Reader) UUID() string { return uuid.UUID(r.superblock.UUID).String() }

// Size returns the bytes of the volume, as it says itself.
func (r *Reader) Size() int64 { return int64(r.Blocks) * blockSize }

// Files returns how many inodes the volume has, as it says itself.
func (r *Reader) Files() uint64 { return r.Inos }

// Time returns when the volume was made.
func (r *Reader) Time() image.Time {
	return image.Time{Sec: int64(r.BuildTime), Nsec: int32(r.BuildTimeNsec)}
}
