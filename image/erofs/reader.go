package erofs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/google/uuid"

	"ingot/image"
)

// A Reader reads an EROFS volume, this package's or another's, that is not compressed. It
// does not change and may be used by several goroutines.
type Reader struct {
	src image.Blob
	superblock
}

// Detect says whether something begins like an EROFS volume.
func Detect(r io.ReaderAt) bool {
	b := make([]byte, 4)
	n, _ := r.ReadAt(b, superOffset)
	return n == len(b) && binary.LittleEndian.Uint32(b) == superMagic
}

// Open reads the superblock of the volume that is the first size bytes of r.
func Open(r io.ReaderAt, size int64) (*Reader, error) {
	v := &Reader{src: image.BlobOf(r, size)}
	if err := v.open(); err != nil {
		return nil, fmt.Errorf("erofs: superblock: %w", err)
	}
	return v, nil
}

func (r *Reader) open() error {
	b, err := r.read(superOffset, blockSize-superOffset)
	if err != nil {
		return err
	}
	if _, err := binary.Decode(b, binary.LittleEndian, &r.superblock); err != nil {
		return err
	}
	switch s := &r.superblock; {
	case s.Magic != superMagic:
		return fmt.Errorf("begins with %#08x at byte %d, not with %#08x", s.Magic, superOffset, superMagic)
	case s.BlkSzBits != blockBits:
		return fmt.Errorf("blocks of 2^%d bytes; those of 2^%d are read", s.BlkSzBits, blockBits)
	case s.FeatureIncompat&^featureIncompatZeroPadding != 0:
		return fmt.Errorf("has the features %#x, of which none is read (compression, chunks, further devices)", s.FeatureIncompat)
	case s.FeatureCompat&featureCompatChecksum != 0:
		clear(b[4:8])
		if sum := superChecksum(b); sum != s.Checksum {
			return fmt.Errorf("has the checksum %#08x; its first block gives %#08x", s.Checksum, sum)
		}
	}
	return nil
}

// read returns n bytes at an offset.
func (r *Reader) read(off, n int64) ([]byte, error) {
	if err := r.within(off, n); err != nil {
		return nil, err
	}
	return image.ReadAll(image.Section(r.src, off, n))
}

func (r *Reader) within(off, n int64) error {
	if off < 0 || n < 0 || off > r.src.Size()-n {
		return fmt.Errorf("%d bytes at %d are beyond the volume's end at %d", n, off, r.src.Size())
	}
	return nil
}

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

// parsed is an inode that was read.
type parsed struct {
	inodeExtended
	layout uint16
	end    int64 // of the inode and its attributes, where what is inline begins
	xattrs []byte
}

var errSlot = errors.New("is beyond what a volume can have")

// inode reads the inode with a number.
func (r *Reader) inode(nid uint64) (*parsed, error) {
	if nid > maxBlocks*blockSize/slotSize {
		return nil, errSlot
	}
	at := int64(r.MetaBlkAddr)*blockSize + int64(nid)*slotSize
	b, err := r.read(at, compactSize)
	if err != nil {
		return nil, err
	}
	p := &parsed{end: at + compactSize}
	format := binary.LittleEndian.Uint16(b)
	if format&^formatAll != 0 {
		return nil, fmt.Errorf("has the format %#x, which is not read", format)
	}
	if format&formatExtended == 0 {
		p.compact(b, r.superblock)
	} else if err := p.extend(r, at); err != nil {
		return nil, err
	}
	p.layout = format >> formatLayoutShift & formatLayoutMask
	if n := int64(p.XattrICount); n > 0 {
		size := xattrHeaderSize + xattrAlign*(n-1)
		if p.xattrs, err = r.read(p.end, size); err != nil {
			return nil, fmt.Errorf("extended attributes: %w", err)
		}
		p.end += size
	}
	return p, nil
}

func (p *parsed) extend(r *Reader, at int64) error {
	b, err := r.read(at, extendedSize)
	if err != nil {
		return err
	}
	p.end = at + extendedSize
	_, err = binary.Decode(b, binary.LittleEndian, &p.inodeExtended)
	return err
}

// compact takes over the numbers of a small inode.
func (p *parsed) compact(b []byte, s superblock) {
	var c inodeCompact
	if _, err := binary.Decode(b, binary.LittleEndian, &c); err != nil {
		panic(err) // b is as long as the structure
	}
	p.inodeExtended = inodeExtended{
		Format: c.Format, XattrICount: c.XattrICount, Mode: c.Mode, Size: uint64(c.Size), U: c.U, Ino: c.Ino,
		UID: uint32(c.UID), GID: uint32(c.GID), Mtime: s.BuildTime, MtimeNsec: s.BuildTimeNsec, Nlink: uint32(c.Nlink),
	}
}

// contents returns what the inode holds, as a part of what is read from.
func (r *Reader) contents(p *parsed) (image.Blob, error) {
	size, inline := int64(p.Size), int64(0)
	switch {
	case size < 0:
		return nil, fmt.Errorf("has %d bytes", p.Size)
	case p.layout != layoutFlatPlain && p.layout != layoutFlatInline:
		return nil, fmt.Errorf("has the data layout %d, which is not read (compression or chunks)", p.layout)
	case size == 0:
		return nil, nil
	case p.layout == layoutFlatInline:
		inline = size - (size-1)/blockSize*blockSize
		if p.end%blockSize+inline > blockSize {
			return nil, fmt.Errorf("has %d bytes behind the inode at byte %d, which cross a block", inline, p.end)
		}
		if err := r.within(p.end, inline); err != nil {
			return nil, err
		}
	}
	first, whole := int64(p.U)*blockSize, size-inline
	if whole == 0 {
		return image.Section(r.src, p.end, inline), nil
	}
	if err := r.within(first, whole); err != nil {
		return nil, err
	}
	if inline == 0 {
		return image.Section(r.src, first, whole), nil
	}
	var b image.Builder
	b.Add(0, image.Section(r.src, first, whole), nil)
	b.Add(whole, image.Section(r.src, p.end, inline), nil)
	return b.Map(size)
}
