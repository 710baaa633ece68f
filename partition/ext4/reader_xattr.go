package ext4

import (
	"cmp"
	"fmt"
	"slices"

	"ingot/image"
)

// xattrSet has the attributes of a list, and its flaws.
type xattrSet struct {
	list  []image.Xattr
	notes []note
	err   error // that ended the list

	inlineErr error // of the attribute for inline data
}

// mostNotes is the limit for flaws of a list, for lost attributes and for others, since any
// number of files can share it.
const mostNotes = 10

// note adds a flaw.
func (s *xattrSet) note(lost bool, format string, args ...any) {
	same := 0
	for _, n := range s.notes {
		if n.lost == lost {
			same++
		}
	}
	if same >= mostNotes {
		return
	}
	s.notes = append(s.notes, note{fmt.Errorf(format, args...), lost})
}

// readXattrs returns the extended attributes of a file, those in the inode before those in a
// block. It moves the attribute for inline data to f.rest. With an error it returns the
// readable ones.
func (w *walk) readXattrs(f *fileInode) ([]image.Xattr, error) {
	var in xattrSet
	if len(f.body) >= xattrInodeHeaderSize+xattrTerminator && word(f.body, 0) == xattrMagic {
		p := f.body[xattrInodeHeaderSize:]
		if w.sb.FeatureIncompat&incompatEAInode != 0 {
			p = slices.Clone(p) // values in other inodes use the same cache
		}
		if in = w.parseXattrs(p, p); in.err != nil {
			in.err = fmt.Errorf("attributes in the inode: %w", in.err)
		}
	}
	w.notes = append(w.notes, in.notes...)
	if f.flags&inodeFlagInlineData != 0 {
		f.restErr = cmp.Or(in.inlineErr, in.err)
		in.list = slices.DeleteFunc(in.list, func(x image.Xattr) bool {
			if x.Name == inlineData {
				f.rest, f.restErr = x.Value, nil
			}
			return x.Name == inlineData
		})
	}
	if f.xattrBlock == 0 || image.EndsReading(in.err) {
		return slices.Clip(w.distinct(in.list)), in.err
	}
	block := w.xattrBlock(f.xattrBlock)
	w.notes = append(w.notes, block.notes...)
	if block.err != nil {
		block.err = fmt.Errorf("attributes in block %d: %w", f.xattrBlock, block.err)
	}
	if in.err == nil || image.EndsReading(block.err) {
		in.err = block.err
	}
	if len(in.list) == 0 {
		return block.list, in.err
	}
	if w.copied += int64(len(in.list) + len(block.list)); w.copied > w.blocks*w.blockSize/xattrEntrySize {
		return nil, fmt.Errorf("attributes in block %d: are shared so often that all would not fit into the file system", f.xattrBlock)
	}
	return w.distinct(append(in.list, block.list...)), in.err
}

// distinct removes all but the first attribute of each name.
func (w *walk) distinct(set []image.Xattr) []image.Xattr {
	if len(set) < 2 {
		return set
	}
	names := make(map[string]bool, len(set))
	return slices.DeleteFunc(set, func(x image.Xattr) bool {
		again := names[x.Name]
		if again {
			w.note(true, "attribute %q is there twice", x.Name)
		}
		names[x.Name] = true
		return again
	})
}

// xattrBlock reads a block of attributes. Many files may share it.
func (w *walk) xattrBlock(block int64) xattrSet {
	set, ok := w.xattrs[block]
	if !ok {
		before := len(w.notes)
		set = w.readXattrBlock(block)
		set.list = slices.Clip(w.distinct(set.list)) // so that append does not change those of other files
		set.notes = append(set.notes, w.notes[before:]...)
		w.notes = w.notes[:before]
		w.xattrs[block] = set
	}
	return set
}

func (w *walk) readXattrBlock(block int64) (set xattrSet) {
	if set.err = w.take(block, 1); set.err != nil {
		return set
	}
	p := make([]byte, w.blockSize)
	if set.err = w.readBlock(p, block); set.err != nil {
		return set
	}
	if magic, blocks := word(p, 0), word(p, 8); magic != xattrMagic || blocks != 1 {
		set.err = fmt.Errorf("the magic number is %#08x, not %#08x, and the blocks are %d, not 1", magic, xattrMagic, blocks)
		return set
	}
	if got, want := xattrBlockChecksum(w.seed, uint64(block), p), word(p, xattrChecksumOffset); w.checksums && got != want && !w.unchecked {
		set.err = fmt.Errorf("checksum is %#08x, but it says %#08x", got, want)
		return set
	}
	return w.parseXattrs(p[xattrHeaderSize:], p)
}

// parseXattrs reads a list of entries. The offsets of values are relative to base.
func (w *walk) parseXattrs(p, base []byte) (set xattrSet) {
	for len(p) < xattrTerminator || word(p, 0) != 0 {
		if len(p) < xattrEntrySize || len(p) < xattrEntrySize+int(p[0]) {
			set.err = fmt.Errorf("the list has no end")
			return set
		}
		if set.add(w, p, base); set.err != nil {
			return set
		}
		next := (xattrEntrySize + int(p[0]) + xattrAlign - 1) &^ (xattrAlign - 1)
		p = p[min(next, len(p)):]
	}
	return set
}

// add adds one entry.
func (s *xattrSet) add(w *walk, p, base []byte) {
	name := string(p[xattrEntrySize:][:p[0]])
	prefix, ok := namePrefixes[p[1]]
	off, inum, size := int64(half(p, 2)), word(p, 4), int64(word(p, 8))
	if !ok {
		if what := kernelsOwn[p[1]]; what != "" {
			s.note(false, "attribute %q is private to the kernel, for %s; ingot ignores it", name, what)
		} else {
			s.note(true, "attribute %q has the unknown prefix %d", name, p[1])
		}
		return
	}
	x := image.Xattr{Name: prefix + name}
	var err error
	switch {
	case inum != 0 && w.sb.FeatureIncompat&incompatEAInode == 0:
		err = fmt.Errorf("has its value in inode %d, but the file system lacks the feature ea_inode", inum)
	case inum != 0:
		x.Value, err = w.valueInode(inum, size)
	case off+size > int64(len(base)):
		err = fmt.Errorf("has bytes [%d, %d) for its value, of %d", off, off+size, len(base))
	default:
		x.Value = slices.Clone(base[off : off+size])
	}
	if err == nil && (p[1] == xattrPosixACLAccess || p[1] == xattrPosixACLDefault) {
		x.Value, err = unpackACL(x.Value)
	}
	switch {
	case image.EndsReading(err):
		s.err = err
	case err != nil:
		s.note(true, "attribute %q: %w", x.Name, err)
		if x.Name == inlineData {
			s.inlineErr = fmt.Errorf("attribute %q: %w", x.Name, err)
		}
	default:
		s.list = append(s.list, x)
	}
}

// maxValueInodes limits the bytes of all values in inodes of their own, since a small image
// can have any number of them.
const maxValueInodes = 64 << 20

// valueInode reads the value of an attribute that has an inode of its own. Several
// attributes may share it.
func (w *walk) valueInode(number uint32, size int64) ([]byte, error) {
	if v, ok := w.values[number]; ok && int64(len(v)) == size {
		return v, nil
	}
	f, err := w.readInode(number)
	switch {
	case err != nil:
		return nil, fmt.Errorf("inode %d: %w", number, err)
	case f.flags&inodeFlagEAInode == 0 || f.size != size || size > maxXattrValue:
		return nil, fmt.Errorf("inode %d is not that of a value of %d bytes", number, size)
	case w.valueBytes+size > maxValueInodes:
		return nil, fmt.Errorf("values in inodes of their own have more than %d bytes in all", maxValueInodes)
	}
	f.body = nil
	data, err := w.data(&f)
	if err != nil {
		return nil, fmt.Errorf("inode %d: %w", number, err)
	}
	v := make([]byte, size)
	if data != nil {
		if n, err := data.ReadAt(v, 0); n < len(v) {
			return nil, &image.ReadError{Err: err}
		}
	}
	w.values[number], w.valueBytes = v, w.valueBytes+size
	return v, nil
}
