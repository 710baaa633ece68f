package ext4

import (
	"cmp"
	"fmt"

	"ingot/image"
)

// dirent is a used directory entry.
type dirent struct {
	name     string
	inode    uint32
	fileType uint8 // 0: unknown
}

// readDir returns the entries of a directory without "." and "..", which it checks. With an
// error it returns the readable entries.
//
// A hash tree needs no code of its own: its inner nodes look like blocks with one unused entry,
// so that a loop over all blocks finds all leaves.
func (w *walk) readDir(f *fileInode, parent uint32) ([]dirent, error) {
	if err := f.unreadable(); err != nil {
		return nil, err
	}
	d := &dirReader{walk: w, file: f, parent: parent, seed: inodeSeed(w.seed, f.number, f.generation)}
	err := d.readBlocks
	if f.flags&inodeFlagInlineData != 0 {
		err = d.readInline
	}
	d.fault(err())
	return d.entries, d.err
}

// fault keeps the first error, or one that ends all reading.
func (d *dirReader) fault(err error) {
	if d.err == nil || image.EndsReading(err) {
		d.err = cmp.Or(err, d.err)
	}
}

type dirReader struct {
	*walk
	file    *fileInode
	parent  uint32
	seed    uint32
	entries []dirent
	dots    int // the number of "." and ".." so far
	err     error
}

func (d *dirReader) readBlocks() error {
	runs, err := d.runs(d.file)
	if err != nil {
		return err
	}
	blocks, size := d.file.size/d.blockSize, d.file.size
	if blocks == 0 || size%d.blockSize != 0 {
		return fmt.Errorf("a directory of %d bytes, not of whole blocks of %d", size, d.blockSize)
	}
	next := int64(0)
	for _, r := range runs {
		if next >= blocks {
			break
		}
		if r.logical != next {
			return fmt.Errorf("the directory has a hole at its block %d", next)
		}
		n := min(r.n, blocks-next)
		if err := d.readRun(blockRun{next, r.physical, n}); err != nil {
			return err
		}
		next += n
	}
	if next < blocks {
		return fmt.Errorf("the directory has a hole at its block %d", next)
	}
	if d.dots != 2 {
		return fmt.Errorf(`the directory does not start with "." and ".."`)
	}
	return nil
}

// readRun reads contiguous blocks, as many at a time as the buffer holds.
func (d *dirReader) readRun(r blockRun) error {
	for r.n > 0 {
		n := min(r.n, int64(len(d.buf))/d.blockSize)
		if err := d.take(r.physical, n); err != nil {
			return err
		}
		p := d.buf[:n*d.blockSize]
		if err := d.read(p, r.physical*d.blockSize); err != nil {
			return err
		}
		for i := range n {
			if err := d.block(p[i*d.blockSize:][:d.blockSize], r.logical+i); err != nil {
				d.fault(fmt.Errorf("directory block %d (block %d): %w", r.logical+i, r.physical+i, err))
			}
		}
		r.logical, r.physical, r.n = r.logical+n, r.physical+n, r.n-n
	}
	return nil
}

func (d *dirReader) block(p []byte, i int64) error {
	if d.checksums {
		if err := d.check(p, i); err != nil {
			return err
		}
	}
	return d.parse(p, i == 0)
}

// check verifies the checksum of a block. In a node of a hash tree it is behind the space for
// entries, in a leaf at the end.
func (d *dirReader) check(p []byte, i int64) error {
	var got, want uint32
	if off := d.hashNode(p, i); off > 0 {
		limit, count := int(half(p, off)), int(half(p, off+2))
		tail := off + dxEntrySize*limit
		if count > limit || tail+dxTailSize > len(p) {
			return fmt.Errorf("hash tree: %d entries of %d in %d bytes", count, limit, len(p))
		}
		got = crc32c(d.seed, p[:off+dxEntrySize*count])
		got = crc32c(crc32c(got, p[tail:tail+4]), make([]byte, 4))
		want = word(p, tail+4)
	} else {
		tail := len(p) - dirTailSize
		if word(p, tail) != 0 || half(p, tail+4) != dirTailSize || p[tail+7] != dirTailType {
			return fmt.Errorf("no checksum at its end")
		}
		got, want = crc32c(d.seed, p[:tail]), word(p, tail+8)
	}
	if got != want && !d.unchecked {
		return fmt.Errorf("checksum is %#08x, but it says %#08x", got, want)
	}
	return nil
}

// hashNode returns the offset of the entries in a node of a hash tree, or 0 for a leaf. In the
// root they are behind "." and ".."; other nodes begin with an entry that spans the block.
func (d *dirReader) hashNode(p []byte, i int64) int {
	switch {
	case d.file.flags&inodeFlagIndex == 0:
		return 0
	case i > 0 && word(p, 0) == 0 && d.length(p, 0) == len(p):
		return dxNodeOffset
	case i == 0 && d.length(p, 0) == 12 && d.length(p, 12) == len(p)-12 &&
		word(p, dxInfoOffset) == 0 && p[dxInfoOffset+5] == dxInfoLength:
		return dxRootOffset
	}
	return 0
}

// length is rec_len of the entry at off. Its 16 bits cannot hold 64 KiB, the size of the
// largest blocks.
func (d *dirReader) length(p []byte, off int) int {
	n := int(half(p, off+4))
	if (n == 0 || n == 0xFFFF) && d.blockSize == 64<<10 {
		return 64 << 10
	}
	return n
}

// parse reads the entries of a block, or of one part of an inline directory.
func (d *dirReader) parse(p []byte, dots bool) error {
	for off := 0; off < len(p); {
		if off+dirEntrySize > len(p) {
			return fmt.Errorf("entry at %d: reaches beyond the end", off)
		}
		n, size := d.length(p, off), int(p[off+6])
		if n < dirEntrySize+size || n%4 != 0 || n > len(p)-off {
			return fmt.Errorf("entry at %d: has %d bytes, for a name of %d", off, n, size)
		}
		if ino := word(p, off); ino != 0 {
			e := dirent{string(p[off+dirEntrySize:][:size]), ino, 0}
			if d.sb.FeatureIncompat&incompatFiletype != 0 {
				e.fileType = p[off+7]
			}
			if d.sb.FeatureIncompat&incompatDirdata != 0 {
				e.fileType &= 0xF // the other bits describe data behind the name
			}
			if err := d.entry(e, dots); err != nil {
				d.fault(fmt.Errorf("entry at %d: %w", off, err))
			}
		}
		off += n
	}
	return nil
}

func (d *dirReader) entry(e dirent, dots bool) error {
	if dots && d.dots < 2 {
		name, ino := ".", d.file.number
		if d.dots == 1 {
			name, ino = "..", d.parent
		}
		d.dots++
		if e.name != name || e.inode != ino {
			return fmt.Errorf("is %q for inode %d, not %q for inode %d", e.name, e.inode, name, ino)
		}
		return nil
	}
	if err := image.CheckName(e.name); err != nil {
		return err
	}
	d.entries = append(d.entries, e)
	return nil
}

// readInline reads a directory in its inode: the parent's number and entries in i_block, and
// more entries in an attribute.
func (d *dirReader) readInline() error {
	if parent := word(d.file.block[:], 0); parent != d.parent {
		return fmt.Errorf("its parent is inode %d, but it has %d", d.parent, parent)
	}
	if err := d.parse(d.file.block[inlineDirParent:], false); err != nil {
		return fmt.Errorf("i_block: %w", err)
	}
	if d.file.restErr != nil {
		return d.file.restErr
	}
	if err := d.parse(d.file.rest, false); err != nil {
		return fmt.Errorf("attribute %s: %w", inlineData, err)
	}
	return nil
}
