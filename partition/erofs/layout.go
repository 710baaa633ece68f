package erofs

import (
	"encoding/binary"
	"fmt"
	"io/fs"

	"ingot/image"
	"ingot/internal/printable"
	"ingot/partition/volume"
)

// inlineFile is the size in bytes up to which a file's data follows its inode and needs no
// block. Data of larger files is completely in blocks, so that every file is one run of bytes.
var inlineFile int64 = 2048

// Layout implements [volume.FileSystem]. An error names the path.
func (f FileSystem) Layout(t *image.Tree, v image.Volume) (*image.Map, error) {
	if err := f.Check(v); err != nil {
		return nil, err
	}
	w := &writer{Volume: v}
	for _, step := range []func(*image.Tree) error{w.scan, w.place, w.write} {
		if err := step(t); err != nil {
			return nil, err
		}
	}
	need, size := w.blocks*blockSize, v.Size.Bytes
	switch {
	case v.Size.Fit && size == 0:
		size = need
	case v.Size.Fit: // room for a file of so many bytes: its blocks, and one for its inode
		size = need + alignUp(size, blockSize) + blockSize
	case need > size:
		return nil, &image.TooSmallError{What: "bytes", Need: need, Have: size}
	}
	return w.Map(size)
}

// writer lays out one volume: the superblock, the inodes with the data behind them, the
// blocks of directories, and the blocks of files.
type writer struct {
	image.Volume
	plan
	image.Builder
	blocks int64
}

// place sets the positions of inodes and blocks.
func (w *writer) place(*image.Tree) error {
	next := int64(superOffset + superSize)
	for _, n := range w.inodes {
		n.place(next)
		next = alignUp(n.pos+n.head()+n.inline, slotSize)
	}
	w.blocks = alignUp(next, blockSize) / blockSize
	for _, files := range []bool{false, true} {
		for _, n := range w.inodes {
			if n.Mode.IsRegular() == files && n.size > n.inline {
				if err := w.take(n); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// take sets the blocks of an inode.
func (w *writer) take(n *inode) error {
	n.block = uint32(w.blocks)
	w.blocks += alignUp(n.size-n.inline, blockSize) / blockSize
	if w.blocks > maxBlocks {
		return fmt.Errorf("%s: the files up to this one take %d bytes; EROFS holds at most %d", printable.Name(n.path()), w.blocks*blockSize, int64(maxBlocks*blockSize))
	}
	return nil
}

// place sets the position of the inode to the first possible one from next on: the inode and
// the data behind it are in one block, unless its attributes are too long; then no data follows.
func (n *inode) place(next int64) {
	n.pos, n.inline = next, n.tail()
	whole := n.head() + n.inline
	if whole > blockSize {
		n.inline, whole = 0, n.head()
	}
	if room := blockSize - n.pos%blockSize; whole > room && whole <= blockSize {
		n.pos += room
	}
	// The checksum of the first block cannot include a file, which is not read here.
	if n.pos < blockSize && n.inline > 0 && n.Mode.IsRegular() {
		n.pos = blockSize
	}
}

// tail returns how many bytes of the contents should follow the inode.
func (n *inode) tail() int64 {
	switch {
	case n.Mode.IsRegular() && n.size <= inlineFile, n.Mode.Type() == fs.ModeSymlink:
		return n.size
	case n.IsDir():
		return n.size % blockSize
	}
	return 0
}

// write adds all extents, in the order of their positions.
func (w *writer) write(*image.Tree) error {
	m := metadata{off: superOffset}
	var err error
	if m.b, err = w.superblock(); err != nil {
		return err
	}
	w.Grow(len(w.inodes))
	var blocks []image.Extent // of directories and long symlinks
	for _, n := range w.inodes {
		m.pad(n.pos)
		m.b = append(n.encode(m.b), n.xattrs...)
		if n.Mode.IsRegular() {
			m.file(n)
			continue
		}
		contents := n.contents()
		head := contents[:n.size-n.inline]
		m.b = append(m.b, contents[len(head):]...)
		if len(head) > 0 {
			blocks = append(blocks, image.Extent{Off: int64(n.block) * blockSize, Len: int64(len(head)), Src: image.Bytes(head), Owner: &image.Owner{Name: n.path()}})
		}
	}
	w.metadata(&m)
	for _, e := range blocks {
		w.AddExtent(e)
	}
	for _, n := range w.inodes {
		if n.Mode.IsRegular() && n.size > n.inline {
			w.Add(int64(n.block)*blockSize, n.Data, n.owner)
		}
	}
	return nil
}

// contents returns the contents of a directory or symlink.
func (n *inode) contents() []byte {
	if n.IsDir() {
		return n.directory()
	}
	return []byte(n.Link)
}

// metadata are the superblock, the inodes and the data behind them. Data of files is not in b,
// but in extents of its own.
type metadata struct {
	b       []byte
	off     int64 // position of the next byte, minus len(b)
	extents []image.Extent
	last    int // the end in b of the last extent
}

var metadataOwner = &image.Owner{Name: "inodes"}

// pad adds zeros up to a position.
func (m *metadata) pad(pos int64) {
	m.b = append(m.b, make([]byte, pos-m.off-int64(len(m.b)))...)
}

// flush makes an extent of the bytes since the last one. It gets its source once b is complete.
func (m *metadata) flush() {
	if n := int64(len(m.b) - m.last); n > 0 {
		m.extents = append(m.extents, image.Extent{Off: m.off + int64(m.last), Len: n, SrcOff: int64(m.last), Owner: metadataOwner})
	}
	m.last = len(m.b)
}

// file adds the inline data of a file, if it has some.
func (m *metadata) file(n *inode) {
	if n.inline == 0 {
		return
	}
	m.flush()
	m.extents = append(m.extents, image.Extent{Off: m.off + int64(len(m.b)), Len: n.size, Src: n.Data, Owner: n.owner})
	m.off += n.size
}

// metadata adds the checksum and the extents of m.
func (w *writer) metadata(m *metadata) {
	first := make([]byte, blockSize-superOffset)
	copy(first, m.b)
	binary.LittleEndian.PutUint32(m.b[4:], superChecksum(first))
	m.flush()
	var src image.Blob = image.Bytes(m.b)
	for _, e := range m.extents {
		if e.Src == nil {
			e.Src = src
		}
		w.AddExtent(e)
	}
}

// superblock returns the superblock without its checksum.
func (w *writer) superblock() ([]byte, error) {
	id, err := limits.ID(w.Volume)
	if err != nil {
		return nil, err
	}
	t := image.Epoch
	s := superblock{
		Magic: superMagic, FeatureCompat: featureCompatChecksum | featureCompatMtime, BlkSzBits: blockBits,
		RootNid: uint16(w.inodes[0].nid()), Inos: uint64(len(w.inodes)),
		BuildTime: uint64(t.Sec), BuildTimeNsec: uint32(t.Nsec), Blocks: uint32(w.blocks), UUID: id,
	}
	copy(s.VolumeName[:], w.Label)
	return encode(nil, s), nil
}

// encode appends the inode.
func (n *inode) encode(b []byte) []byte {
	format, u := uint16(layoutFlatPlain<<formatLayoutShift), n.block
	if n.inline > 0 {
		format = layoutFlatInline << formatLayoutShift
	}
	if n.Mode&fs.ModeDevice != 0 {
		u = volume.EncodeDev(n.Dev)
	}
	if n.extended {
		return encode(b, inodeExtended{
			Format: format | formatExtended, XattrICount: icount(len(n.xattrs)), Mode: n.UnixMode(), Size: uint64(n.size), U: u, Ino: n.serial,
			UID: n.UID, GID: n.GID, Mtime: uint64(n.Mtime.Sec), MtimeNsec: uint32(n.Mtime.Nsec), Nlink: n.links,
		})
	}
	return encode(b, inodeCompact{
		Format: format, XattrICount: icount(len(n.xattrs)), Mode: n.UnixMode(), Nlink: uint16(n.links), Size: uint32(n.size), U: u, Ino: n.serial,
		UID: uint16(n.UID), GID: uint16(n.GID),
	})
}
