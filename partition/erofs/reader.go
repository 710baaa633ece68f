package erofs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"ingot/image"
)

// A Reader reads an EROFS volume of any writer. Compressed contents are [image.Unreadable].
// Several goroutines may use it at once.
type Reader struct {
	src image.Blob
	superblock
}

// Detect reports whether r begins like an EROFS volume.
func Detect(r io.ReaderAt) bool {
	b := make([]byte, 4)
	n, _ := r.ReadAt(b, superOffset)
	return n == len(b) && binary.LittleEndian.Uint32(b) == superMagic
}

// Open reads the superblock of the volume in the first size bytes of r. Its errors do not name
// the file system; the caller does.
func Open(r io.ReaderAt, size int64) (*Reader, error) {
	v := &Reader{src: image.BlobOf(r, size)}
	if err := v.open(); err != nil {
		return nil, fmt.Errorf("superblock: %w", err)
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
		return fmt.Errorf("blocks of 2^%d bytes; ingot reads only 2^%d", s.BlkSzBits, blockBits)
	case s.FeatureIncompat&^featureIncompatRead != 0:
		return fmt.Errorf("has the features %#x, of which ingot does not know %#x", s.FeatureIncompat, s.FeatureIncompat&^featureIncompatRead)
	case s.FeatureCompat&featureCompatChecksum != 0:
		clear(b[4:8])
		if sum := superChecksum(b); sum != s.Checksum {
			return fmt.Errorf("has the checksum %#08x, but its first block gives %#08x", s.Checksum, sum)
		}
	}
	return nil
}

// read returns n bytes at an offset.
func (r *Reader) read(off, n int64) ([]byte, error) {
	if err := r.within(off, n); err != nil {
		return nil, err
	}
	b, err := image.ReadAll(image.Section(r.src, off, n))
	if err != nil {
		return nil, &image.ReadError{Err: err}
	}
	return b, nil
}

func (r *Reader) within(off, n int64) error {
	if off < 0 || n < 0 || off > r.src.Size()-n {
		return fmt.Errorf("%d bytes at %d are beyond the volume's end at %d", n, off, r.src.Size())
	}
	return nil
}

// parsed is an inode on disk.
type parsed struct {
	inodeExtended
	layout    uint16
	end       int64 // of the inode and its attributes: the position of inline data
	xattrAt   int64
	xattrSize int64
}

var errSlot = errors.New("is beyond what a volume can have")

// inode reads the inode with the number nid.
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
		return nil, fmt.Errorf("has the unknown format %#x", format)
	}
	if format&formatExtended == 0 {
		p.compact(b, r.superblock)
	} else if err := p.extend(r, at); err != nil {
		return nil, err
	}
	p.layout = format >> formatLayoutShift & formatLayoutMask
	p.xattrAt = p.end
	if n := int64(p.XattrICount); n > 0 {
		p.xattrSize = xattrHeaderSize + xattrAlign*(n-1)
		p.end += p.xattrSize
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

// compact takes the numbers of a compact inode.
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

// contents returns the contents of the inode, as a part of the Reader's source. With an error
// it returns an [image.Unreadable] in their place.
func (w *walk) contents(p *parsed) (image.Blob, error) {
	size := int64(p.Size)
	if size < 0 {
		return nil, fmt.Errorf("has %d bytes", p.Size)
	}
	if size == 0 {
		return nil, nil
	}
	data, err := w.data(p, size)
	if err != nil {
		return image.Unreadable(size, err), err
	}
	return data, nil
}

func (w *walk) data(p *parsed, size int64) (image.Blob, error) {
	inline := int64(0)
	switch p.layout {
	case layoutFlatPlain:
	case layoutFlatInline:
		inline = size - (size-1)/blockSize*blockSize
		if p.end%blockSize+inline > blockSize {
			return nil, fmt.Errorf("has %d bytes behind the inode at byte %d, across the border of a block", inline, p.end)
		}
		if err := w.within(p.end, inline); err != nil {
			return nil, err
		}
	case layoutChunks:
		return w.chunks(p, size)
	case layoutCompressedFull, layoutCompressedCompact:
		return nil, errors.New("its contents are compressed, which ingot cannot read")
	default:
		return nil, fmt.Errorf("has the unknown data layout %d", p.layout)
	}
	first, whole := int64(p.U)*blockSize, size-inline
	if whole == 0 {
		return image.Section(w.src, p.end, inline), nil
	}
	if err := w.within(first, whole); err != nil {
		return nil, err
	}
	if inline == 0 {
		return image.Section(w.src, first, whole), nil
	}
	var b image.Builder
	b.Add(0, image.Section(w.src, first, whole), nil)
	b.Add(whole, image.Section(w.src, p.end, inline), nil)
	return b.Map(size)
}

// chunks returns contents in chunks of one size, each of them anywhere or a hole. A table of
// their blocks follows the inode.
func (w *walk) chunks(p *parsed, size int64) (image.Blob, error) {
	format := p.U & math.MaxUint16
	if format&^chunkAll != 0 {
		return nil, fmt.Errorf("has chunks of the unknown format %#x", format)
	}
	entry, at := int64(chunkBlock), 0
	if format&chunkIndexes != 0 {
		entry, at = chunkIndex, chunkIndexBlock
	}
	chunk := int64(blockSize) << (format & chunkBits)
	table := ((size-1)/chunk + 1) * entry
	if table > w.budget {
		return nil, fmt.Errorf("has %d bytes in chunks of %d, but the volume has no room for a table of them", size, chunk)
	}
	if err := w.spend(table); err != nil {
		return nil, err
	}
	list, err := w.read(alignUp(p.end, entry), table)
	if err != nil {
		return nil, err
	}
	var b image.Builder
	var run image.Extent // grows while the next chunk is adjacent
	for off := int64(0); off < size; off, list = off+chunk, list[entry:] {
		block, n := binary.LittleEndian.Uint32(list[at:]), min(chunk, size-off)
		if block == nullBlock {
			continue
		}
		if entry == chunkIndex && binary.LittleEndian.Uint16(list[chunkIndexDevice:]) != 0 {
			return nil, errors.New("its contents are on another device")
		}
		src := int64(block) * blockSize
		if err := w.within(src, n); err != nil {
			return nil, err
		}
		if run.Len > 0 && run.End() == off && run.SrcOff+run.Len == src {
			run.Len += n
			continue
		}
		if run.Len > 0 {
			b.AddExtent(run)
		}
		run = image.Extent{Off: off, Len: n, Src: w.src, SrcOff: src}
	}
	if run.Len > 0 {
		b.AddExtent(run)
	}
	return b.Map(size)
}
