package ext4

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"ingot/image"
	"ingot/partition/volume"
)

// walk is one reading of a whole tree.
type walk struct {
	*Reader
	tree   *image.Tree
	table  tableCache
	todo   []foundDir
	linked map[uint32]*image.Node  // files with more than one link
	seen   map[uint32]*[512]uint64 // a bit for each inode that has a name
	bad    map[uint32]error        // of unreadable inodes
	xattrs map[int64]xattrSet      // by block, which files share
	values map[uint32][]byte       // of attributes, by inode

	valueBytes int64 // of all values
	buf        []byte

	// taken are the blocks of metadata that were read. Each belongs to one file; otherwise
	// directories or block maps that share blocks could keep a reader busy forever. A limit by
	// the size of the file system would not suffice, since its holes cost nothing.
	taken map[int64]struct{}
	// notes are the flaws of the current inode. Its caller knows the place.
	notes []note
	// copied counts the attributes of files that have both own and shared ones. A limit on it
	// prevents that a small image becomes a large tree.
	copied int64
}

// A note is a flaw without its place.
type note struct {
	err  error
	lost bool
}

// note adds a flaw of the current inode. lost means that the tree lacks something.
func (w *walk) note(lost bool, format string, args ...any) {
	w.notes = append(w.notes, note{fmt.Errorf(format, args...), lost})
}

// flaws adds the notes to the tree's flaws.
func (w *walk) flaws(place *image.Place, inode uint32) {
	for _, n := range w.notes {
		w.tree.Flaws.Add(place, fmt.Errorf("inode %d: %w", inode, n.err), n.lost)
	}
	w.notes = w.notes[:0]
}

// foundDir is a directory with unread entries.
type foundDir struct {
	node   *image.Node
	file   fileInode
	parent uint32 // inode
	place  *image.Place
}

func newWalk(r *Reader) *walk {
	return &walk{
		Reader: r,
		linked: map[uint32]*image.Node{},
		seen:   map[uint32]*[512]uint64{},
		bad:    map[uint32]error{},
		xattrs: map[int64]xattrSet{},
		values: map[uint32][]byte{},
		taken:  map[int64]struct{}{},
		buf:    make([]byte, max(min(1<<20, r.blocks*r.blockSize), r.blockSize)),
	}
}

func (w *walk) run() error {
	w.see(rootInode)
	root, f, err := w.load(rootInode)
	if err == nil && !root.IsDir() {
		err = fmt.Errorf("inode %d: is %s, not a directory", rootInode, image.Kind(root.Mode))
	}
	if err != nil {
		return fmt.Errorf("/: %w", err)
	}
	w.tree = &image.Tree{Root: root}
	w.flaws(nil, rootInode)
	for _, err := range w.doubts {
		w.tree.Flaws.Add(nil, err, false)
	}
	w.todo = []foundDir{{root, f, rootInode, nil}}
	for len(w.todo) > 0 {
		d := w.todo[len(w.todo)-1]
		w.todo = w.todo[:len(w.todo)-1]
		if err := w.fill(d); err != nil {
			return err
		}
	}
	return nil
}

// fill reads a directory's entries and their inodes, in the order of the inodes on disk.
func (w *walk) fill(d foundDir) error {
	entries, err := w.readDir(&d.file, d.parent)
	if err != nil {
		if err = fmt.Errorf("inode %d: %w", d.file.number, err); image.EndsReading(err) {
			return fmt.Errorf("%s: %w", d.place, err)
		}
		w.tree.Flaws.Add(d.place, err, true)
	}
	slices.SortFunc(entries, func(a, b dirent) int { return cmp.Compare(a.inode, b.inode) })
	nodes := make([]image.Entry, 0, len(entries))
	for _, e := range entries {
		n, err := w.child(d, e)
		if err == nil {
			nodes = append(nodes, image.Entry{Name: e.name, Node: n})
			continue
		}
		place := d.place.In(e.name)
		if image.EndsReading(err) {
			return fmt.Errorf("%s: %w", place, err)
		}
		w.tree.Flaws.Add(place, err, true)
	}
	slices.SortFunc(nodes, func(a, b image.Entry) int { return strings.Compare(a.Name, b.Name) })
	for _, e := range nodes {
		if err := d.node.Add(e.Name, e.Node); err != nil {
			w.tree.Flaws.Add(d.place, fmt.Errorf("inode %d: %w", d.file.number, err), true)
		}
	}
	return nil
}

// child returns the node of an entry, which may have another name already.
func (w *walk) child(d foundDir, e dirent) (*image.Node, error) {
	if w.see(e.inode) {
		if n := w.linked[e.inode]; n != nil {
			return n, nil
		}
		if err := w.bad[e.inode]; err != nil {
			return nil, err
		}
		return nil, fmt.Errorf("inode %d: has a second name, which its count of links or its type does not allow", e.inode)
	}
	n, f, err := w.load(e.inode)
	if err != nil {
		w.notes = w.notes[:0]
		w.bad[e.inode] = err
		return nil, err
	}
	if want := volume.FileType(n.Mode); e.fileType != 0 && e.fileType != want {
		w.note(false, "is of file type %d (%s), but its entry has %d", want, image.Kind(n.Mode), e.fileType)
	}
	if len(w.notes) > 0 {
		w.flaws(d.place.In(e.name), e.inode)
	}
	switch {
	case n.IsDir():
		place, err := d.place.Enter(e.name)
		if err != nil {
			return nil, err
		}
		w.todo = append(w.todo, foundDir{n, f, d.file.number, place})
	case f.links > 1:
		w.linked[e.inode] = n
	}
	return n, nil
}

// see marks an inode as seen, and reports whether it was seen before.
func (w *walk) see(ino uint32) bool {
	const bits = 512 * 64
	page := w.seen[ino/bits]
	if page == nil {
		page = new([512]uint64)
		w.seen[ino/bits] = page
	}
	word, bit := ino%bits/64, uint64(1)<<(ino%64)
	was := page[word]&bit != 0
	page[word] |= bit
	return was
}

// take marks n blocks of metadata as those of the current file.
func (w *walk) take(block, n int64) error {
	for b := block; b < block+n; b++ {
		if _, ok := w.taken[b]; ok {
			return fmt.Errorf("block %d of metadata belongs to more than one file, or twice to one", b)
		}
		w.taken[b] = struct{}{}
	}
	return nil
}

// load reads an inode and returns its node, without the entries of a directory.
func (w *walk) load(ino uint32) (*image.Node, fileInode, error) {
	if ino <= lastReservedInodes && ino != rootInode { // such as the journal
		return nil, fileInode{}, fmt.Errorf("inode %d: is reserved for the file system, but has a name", ino)
	}
	f, err := w.readInode(ino)
	if err != nil {
		return nil, f, fmt.Errorf("inode %d: %w", ino, err)
	}
	n, err := w.node(&f)
	if err != nil {
		return nil, f, fmt.Errorf("inode %d: %w", ino, err)
	}
	f.body = nil // the cache may reuse it
	return n, f, nil
}

func (w *walk) node(f *fileInode) (*image.Node, error) {
	n := &image.Node{}
	mode := image.ModeFromUnix(f.mode)
	if mode.IsDir() {
		n = image.NewDir(mode)
	}
	n.Mode, n.UID, n.GID, n.Mtime = mode, f.uid, f.gid, f.mtime
	var err error
	if n.Xattrs, err = w.readXattrs(f); image.EndsReading(err) {
		return nil, err
	} else if err != nil {
		w.note(true, "%w", err)
	}
	switch mode.Type() {
	case 0:
		if n.Data, err = w.data(f); err != nil && !image.EndsReading(err) {
			w.note(true, "%w", err)
			n.Data, err = image.Unreadable(f.size, fmt.Errorf("inode %d: %w", f.number, err)), nil
		}
	case fs.ModeSymlink:
		n.Link, err = w.target(f)
	case fs.ModeDevice, fs.ModeDevice | fs.ModeCharDevice:
		n.Dev = device(f.block[:])
	case fs.ModeIrregular:
		err = fmt.Errorf("its mode %#o is of no type", f.mode)
	}
	return n, err
}

// unreadable returns an error if the contents of the inode are unreadable.
func (f *fileInode) unreadable() error {
	switch {
	case f.flags&inodeFlagEncrypt != 0:
		return errors.New("is encrypted, which cannot be read")
	case f.flags&inodeFlagCompressed != 0:
		return errors.New("is compressed, as in ext2, which cannot be read")
	}
	return nil
}

// target reads the target of a symlink.
func (w *walk) target(f *fileInode) (string, error) {
	p, err := w.targetBytes(f)
	if err != nil {
		return "", err
	}
	if len(p) == 0 || slices.Contains(p, 0) {
		return "", fmt.Errorf("its target %q is invalid", p)
	}
	return string(p), nil
}

func (w *walk) targetBytes(f *fileInode) ([]byte, error) {
	if err := f.unreadable(); err != nil {
		return nil, err
	}
	switch {
	case f.flags&inodeFlagInlineData != 0:
		if p := f.inline(); int64(len(p)) == f.size {
			return p, nil
		}
		return nil, fmt.Errorf("its target has %d bytes, and its inode holds %d", f.size, inlineDataSize+len(f.rest))
	case f.size >= w.blockSize:
		return nil, fmt.Errorf("its target has %d bytes, more than fit into a block of %d", f.size, w.blockSize)
	case f.size < fastSymlinkLength && f.flags&inodeFlagExtents == 0:
		return f.block[:f.size], nil
	}
	runs, err := w.runs(f)
	if err != nil {
		return nil, err
	}
	if len(runs) == 0 || runs[0].logical != 0 {
		return nil, fmt.Errorf("its target of %d bytes lies in a hole", f.size)
	}
	if err := w.take(runs[0].physical, 1); err != nil {
		return nil, err
	}
	p := w.buf[:f.size]
	return p, w.read(p, runs[0].physical*w.blockSize)
}

// data returns the contents of a regular file.
func (w *walk) data(f *fileInode) (image.Blob, error) {
	if err := f.unreadable(); err != nil {
		return nil, err
	}
	if f.flags&inodeFlagInlineData != 0 {
		p := f.inline()
		switch {
		case f.size == 0:
			return nil, nil
		case int64(len(p)) == f.size:
			return image.Bytes(p), nil
		case f.restErr != nil:
			return nil, f.restErr
		}
		// The file was extended without a write: the rest is a hole.
		var b image.Builder
		b.Add(0, image.Bytes(p), nil)
		return b.Map(f.size)
	}
	runs, err := w.runs(f)
	if err != nil || f.size == 0 {
		return nil, err
	}
	if len(runs) == 1 && runs[0].logical == 0 && runs[0].n*w.blockSize >= f.size {
		return image.Section(w.src, runs[0].physical*w.blockSize, f.size), nil
	}
	var b image.Builder
	b.Grow(len(runs))
	for _, run := range runs {
		off := run.logical * w.blockSize
		if off >= f.size {
			break // blocks beyond the end contain nothing
		}
		n := min(run.n*w.blockSize, f.size-off)
		b.AddExtent(image.Extent{Off: off, Len: n, Src: w.src, SrcOff: run.physical * w.blockSize})
	}
	return b.Map(f.size)
}
