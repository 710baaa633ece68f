package ext4

import (
	"fmt"
	"slices"

	"ingot/image"
)

// readXattrs returns the extended attributes of a file, those in the inode before
// those in a block. What goes on with inline data is set aside.
func (w *walk) readXattrs(f *fileInode) ([]image.Xattr, error) {
	var out []image.Xattr
	if len(f.body) >= xattrInodeHeaderSize+xattrTerminator && word(f.body, 0) == xattrMagic {
		p := f.body[xattrInodeHeaderSize:]
		var err error
		if out, err = parseXattrs(p, p); err != nil {
			return nil, fmt.Errorf("attributes in the inode: %w", err)
		}
	}
	if f.flags&inodeFlagInlineData != 0 {
		out = slices.DeleteFunc(out, func(x image.Xattr) bool {
			if x.Name == inlineData {
				f.rest = x.Value
			}
			return x.Name == inlineData
		})
	}
	if f.xattrBlock == 0 {
		return slices.Clip(out), twice(out)
	}
	more, err := w.xattrBlock(f.xattrBlock)
	if err != nil {
		return nil, fmt.Errorf("attributes in block %d: %w", f.xattrBlock, err)
	}
	if len(out) == 0 {
		return more, nil
	}
	out = append(out, more...)
	if w.copied += int64(len(out)); w.copied > w.blocks*w.blockSize/xattrEntrySize {
		return nil, fmt.Errorf("attributes in block %d: are shared so often that all would not fit into the file system", f.xattrBlock)
	}
	return out, twice(out)
}

// twice refuses a name that a file has two values for.
func twice(set []image.Xattr) error {
	names := make(map[string]bool, len(set))
	for _, x := range set {
		if names[x.Name] {
			return fmt.Errorf("attribute %q stands twice", x.Name)
		}
		names[x.Name] = true
	}
	return nil
}

// xattrBlock reads a block of attributes. Many files may share it.
func (w *walk) xattrBlock(block int64) ([]image.Xattr, error) {
	if set, ok := w.xattrs[block]; ok {
		return set, nil
	}
	if err := w.take(block, 1); err != nil {
		return nil, err
	}
	p := make([]byte, w.blockSize)
	if err := w.readBlock(p, block); err != nil {
		return nil, err
	}
	if magic, blocks := word(p, 0), word(p, 8); magic != xattrMagic || blocks != 1 {
		return nil, fmt.Errorf("the magic number is %#08x, not %#08x, and the blocks are %d, not 1", magic, xattrMagic, blocks)
	}
	if got, want := xattrBlockChecksum(w.seed, uint64(block), p), word(p, xattrChecksumOffset); w.checksums && got != want && !w.unchecked {
		return nil, fmt.Errorf("checksum is %#08x, but it says %#08x", got, want)
	}
	set, err := parseXattrs(p[xattrHeaderSize:], p)
	if err == nil {
		err = twice(set)
	}
	if err != nil {
		return nil, err
	}
	set = slices.Clip(set) // so that appending to it never reaches another file
	w.xattrs[block] = set
	return set, nil
}

// parseXattrs reads a list of entries, whose values lie at offsets from the start
// of base.
func parseXattrs(p, base []byte) ([]image.Xattr, error) {
	var out []image.Xattr
	for len(p) < xattrTerminator || word(p, 0) != 0 {
		if len(p) < xattrEntrySize || len(p) < xattrEntrySize+int(p[0]) {
			return nil, fmt.Errorf("the list has no end")
		}
		x, err := parseXattr(p, base)
		if err != nil {
			return nil, err
		}
		out = append(out, x)
		next := (xattrEntrySize + int(p[0]) + xattrAlign - 1) &^ (xattrAlign - 1)
		p = p[min(next, len(p)):]
	}
	return out, nil
}

func parseXattr(p, base []byte) (image.Xattr, error) {
	name := string(p[xattrEntrySize:][:p[0]])
	prefix, ok := namePrefixes[p[1]]
	off, inum, size := int64(half(p, 2)), word(p, 4), int64(word(p, 8))
	switch {
	case !ok:
		return image.Xattr{}, fmt.Errorf("attribute %q has the unknown prefix %d", name, p[1])
	case inum != 0:
		return image.Xattr{}, fmt.Errorf("attribute %q has its value in inode %d, which cannot be read", prefix+name, inum)
	case off+size > int64(len(base)):
		return image.Xattr{}, fmt.Errorf("attribute %q has bytes [%d, %d) for its value, of %d", prefix+name, off, off+size, len(base))
	}
	x := image.Xattr{Name: prefix + name, Value: slices.Clone(base[off : off+size])}
	if p[1] == xattrPosixACLAccess || p[1] == xattrPosixACLDefault {
		var err error
		if x.Value, err = unpackACL(x.Value); err != nil {
			return x, fmt.Errorf("attribute %s: %w", x.Name, err)
		}
	}
	return x, nil
}
