package ext4

import (
	"fmt"
	"io/fs"

	"ingot/image"
	"ingot/internal/printable"
	"ingot/partition/volume"
)

// census has everything of a Tree that does not depend on the volume's size: the inodes in path
// order, and the number of blocks of each.
type census struct {
	files  []file // files[0] is the root directory
	dirs   []directory
	pieces []piece // of sparse files
	attrs  attributes

	seen   map[*image.Node]uint32 // indexes in files
	owners []image.Owner          // a slab for the method owner
	paths  *image.Owner           // the root's
	seed   [4]uint32              // of the hash of names
}

// file is a planned inode. It is small, since a Tree can have millions.
type file struct {
	node  *image.Node
	owner *image.Owner
	links uint32
	dir   int32 // index in census.dirs; -1 if it is no directory
	attrs int32 // index in census.attrs.sets; -1 for none

	xattrBlock int32 // index in census.attrs.blocks; -1 for none

	// piecesFrom and piecesTo are the range in census.pieces of a sparse file. Both are 0 for a
	// file without holes.
	piecesFrom, piecesTo uint32
}

// piece is a run of a sparse file's blocks between holes.
type piece struct{ logical, length int64 }

// inodeNumber is the number of the inode census.files[i].
func inodeNumber(i int) uint32 {
	if i == 0 {
		return rootInode
	}
	return uint32(lastReservedInodes + i)
}

// filePlace is the reverse of inodeNumber. ok is false for the other reserved inodes.
func filePlace(ino uint32) (int, bool) {
	if ino == rootInode {
		return 0, true
	}
	return int(ino) - lastReservedInodes, ino >= firstInode
}

// inodesUsed is the number of used inodes, including the reserved ones.
func (c *census) inodesUsed() int64 { return int64(lastReservedInodes + len(c.files) - 1) }

// takeCensus reads a Tree without the contents of its files.
func takeCensus(t *image.Tree, seed [4]uint32) (*census, error) {
	if t == nil || t.Root == nil || !t.Root.IsDir() {
		return nil, fmt.Errorf("the tree has no root directory")
	}
	c := &census{seen: map[*image.Node]uint32{}, seed: seed, paths: &image.Owner{}}
	if err := c.addNode(t.Root, c.paths); err != nil {
		return nil, err
	}
	lost := t.Root.Child(lostFound)
	if lost != nil && !lost.IsDir() {
		return nil, fmt.Errorf("/%s: is %s; ext4 needs a directory there", lostFound, image.Kind(lost.Mode))
	}
	if lost == nil {
		if err := c.addLostFound(); err != nil {
			return nil, err
		}
	}
	if err := c.addEntries(0, rootInode, lost == nil); err != nil {
		return nil, err
	}
	c.seen = nil
	return c, nil
}

// lostFound is the directory for files without a name that e2fsck finds.
const lostFound = "lost+found"

// addLostFound adds a directory of 16 KiB, as mke2fs does, so that e2fsck need not allocate
// blocks in a damaged file system. It gets the first free inode.
func (c *census) addLostFound() error {
	if err := c.addNode(image.NewDir(0o700), c.owner(c.paths, lostFound)); err != nil {
		return err
	}
	d := &c.dirs[len(c.dirs)-1]
	d.parent, d.blocks = rootInode, lostFoundBlocks
	return nil
}

const lostFoundBlocks = 4

// owner returns a new Owner from a slab. Single allocations would cost more time, in the
// garbage collector, than everything else here.
func (c *census) owner(parent *image.Owner, name string) *image.Owner {
	if len(c.owners) == cap(c.owners) {
		c.owners = make([]image.Owner, 0, min(max(64, len(c.files)), 8192))
	}
	c.owners = append(c.owners, image.Owner{Parent: parent, Name: name})
	return &c.owners[len(c.owners)-1]
}

// addNode gives n an inode.
func (c *census) addNode(n *image.Node, owner *image.Owner) error {
	f := file{node: n, owner: owner, links: 1, dir: -1, attrs: -1, xattrBlock: -1}
	if err := checkNode(n); err != nil {
		return fmt.Errorf("%s: %w", printable.Name(pathOf(owner)), err)
	}
	var err error
	if f.attrs, f.xattrBlock, err = c.attrs.add(n.Xattrs); err != nil {
		return fmt.Errorf("%s: %w", printable.Name(pathOf(owner)), err)
	}
	switch n.Mode.Type() {
	case 0:
		if f.piecesFrom, f.piecesTo, err = c.addPieces(n.Data); err != nil {
			return fmt.Errorf("%s: %w", printable.Name(pathOf(owner)), err)
		}
	case fs.ModeDir:
		f.dir, f.links = int32(len(c.dirs)), 2
		c.dirs = append(c.dirs, directory{file: len(c.files), blocks: 1})
	}
	c.seen[n] = uint32(len(c.files))
	c.files = append(c.files, f)
	return nil
}

func pathOf(o *image.Owner) string {
	if s := o.String(); s != "" {
		return s
	}
	return "/"
}

// addEntries gives inodes to everything below the directory files[place], and packs the blocks
// of that directory.
func (c *census) addEntries(place int, parent uint32, withLostFound bool) error {
	self, owner := c.files[place].dir, c.files[place].owner
	entries := c.files[place].node.Entries()
	d := directory{file: place, parent: parent, entries: entries, inodes: make([]uint32, 0, len(entries)+1)}
	links := uint32(2)
	for _, e := range entries {
		if err := volume.CheckName(owner, e.Name); err != nil {
			return err
		}
		at, err := c.addEntry(e, owner)
		if err != nil {
			return err
		}
		d.inodes = append(d.inodes, inodeNumber(at))
		if e.Node.IsDir() {
			links++
			if err := c.addEntries(at, inodeNumber(place), false); err != nil {
				return err
			}
		}
	}
	if withLostFound {
		links++
		d.entries = append(entries[:len(entries):len(entries)], image.Entry{Name: lostFound, Node: c.files[1].node})
		d.inodes = append(d.inodes, firstInode)
	}
	c.files[place].links = links
	if err := d.pack(c.seed); err != nil {
		return fmt.Errorf("%s: %w", printable.Name(pathOf(owner)), err)
	}
	c.dirs[self] = d
	return nil
}

// addEntry returns the index of e's inode, which is new unless e is another name of a file.
func (c *census) addEntry(e image.Entry, dir *image.Owner) (int, error) {
	at, known := c.seen[e.Node]
	if !known {
		return len(c.files), c.addNode(e.Node, c.owner(dir, e.Name))
	}
	f := &c.files[at]
	if e.Node.IsDir() {
		return 0, fmt.Errorf("%s/%s: is the directory %s again; directories have one name", printable.Name(dir.String()), printable.Name(e.Name), printable.Name(pathOf(f.owner)))
	}
	if f.links++; f.links > maxLinks {
		return 0, fmt.Errorf("%s/%s: is name %d of the file %s; ext4 allows %d", printable.Name(dir.String()), printable.Name(e.Name), f.links, printable.Name(f.owner.String()), maxLinks)
	}
	return int(at), nil
}

// checkNode refuses a node that ext4 cannot hold.
func checkNode(n *image.Node) error {
	switch t := n.Mtime; {
	case n.Mode.IsRegular() && ceilDiv(n.Size(), blockSize) > maxLogicalBlocks:
		return fmt.Errorf("is %d bytes long; ext4 allows %d", n.Size(), int64(maxLogicalBlocks)*blockSize)
	case t.Sec < minSeconds || t.Sec > maxSeconds:
		return fmt.Errorf("the modification time is in the year %d; ext4 knows 1901-12-13 to 2446-05-10", t.Civil().Year)
	}
	return volume.CheckNode(n)
}

// addPieces adds the pieces of a file that has holes.
func (c *census) addPieces(data image.Blob) (from, to uint32, err error) {
	if data == nil || data.Size() == 0 {
		return 0, 0, nil
	}
	switch data.(type) {
	case *image.File, image.Bytes: // most files; they have no holes
		return 0, 0, nil
	}
	m := image.MapOf(data, nil)
	from = uint32(len(c.pieces))
	for l := range m.Leaves(0, m.Size()) {
		p := piece{logical: l.Off / blockSize}
		p.length = ceilDiv(l.End(), blockSize) - p.logical
		c.addPiece(from, p)
	}
	if n := len(c.pieces); n == int(from)+1 && c.pieces[from] == (piece{0, ceilDiv(data.Size(), blockSize)}) {
		c.pieces = c.pieces[:from]
		return 0, 0, nil
	}
	if len(c.pieces) == int(from) { // all of it is one hole
		c.pieces = append(c.pieces, piece{})
	}
	return from, uint32(len(c.pieces)), nil
}

// addPiece appends p to pieces[from:], or merges it with the last of them if they touch.
func (c *census) addPiece(from uint32, p piece) {
	if n := len(c.pieces); n > int(from) {
		last := &c.pieces[n-1]
		if end := last.logical + last.length; p.logical <= end {
			last.length = max(end, p.logical+p.length) - last.logical
			return
		}
	}
	c.pieces = append(c.pieces, p)
}

// eachPiece calls fn for the pieces of a regular file.
func (c *census) eachPiece(f *file, fn func(piece)) {
	if f.piecesTo == 0 {
		if n := ceilDiv(f.node.Size(), blockSize); n > 0 {
			fn(piece{0, n})
		}
		return
	}
	for _, p := range c.pieces[f.piecesFrom:f.piecesTo] {
		if p.length > 0 {
			fn(p)
		}
	}
}
