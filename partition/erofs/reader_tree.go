package erofs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"

	"ingot/image"
	"ingot/partition/volume"
)

// Tree returns the files of the volume. It does not read contents, which are parts of the
// Reader's source. Names with one inode are hard links.
//
// Damage and unsupported features are flaws of the Tree. Errors are those of reading the
// source, a missing root directory, more metadata than the volume can have, and an
// [image.DepthError] for directories more than [image.MaxDepth] deep. Even for a hostile
// volume, time and memory are proportional to its metadata: to the bytes that
// [image.Allocated] counts in the source.
func (r *Reader) Tree() (*image.Tree, error) {
	w := &walk{
		Reader: r,
		tree:   &image.Tree{},
		seen:   map[uint64]*image.Place{},
		links:  map[uint64]*image.Node{},
		shared: map[uint32]image.Xattr{},
		budget: min(2*image.Allocated(r.src, blockSize), maxMetadata) + 1<<20,
		blank:  min(2*r.src.Size(), maxMetadata) + 1<<20,
	}
	if err := w.run(); err != nil {
		return nil, err
	}
	return w.tree, nil
}

// walk is one reading of the whole volume.
type walk struct {
	*Reader
	tree   *image.Tree
	todo   []foundDir
	seen   map[uint64]*image.Place // directories, by their inodes
	links  map[uint64]*image.Node
	shared map[uint32]image.Xattr // attributes that inodes share, by their number
	budget int64                  // bytes of metadata to read at most, since damaged inodes could share them
	blank  int64                  // bytes of directories to read at most, zeros included
}

// maxMetadata limits the metadata of a volume in bytes, since holes in it cost nothing. It is
// enough for twenty million files.
const maxMetadata = 4 << 30

func (w *walk) spend(n int64) error {
	if w.budget -= n; w.budget < 0 {
		return &image.ReadError{Err: fmt.Errorf("files overlap: together their names and attributes have more bytes than the volume, or than %d", int64(maxMetadata))}
	}
	return nil
}

func (w *walk) lookAt(n int64) error {
	if w.blank -= n; w.blank < 0 {
		return &image.ReadError{Err: fmt.Errorf("directories overlap: together they are larger than the volume, or than %d bytes", int64(maxMetadata))}
	}
	return nil
}

// foundDir is a directory with unread names. A queue of them, in place of recursion, keeps only
// one directory in memory.
type foundDir struct {
	node  *image.Node
	names image.Blob
	place *image.Place
}

func (w *walk) run() error {
	root, err := w.node(nil, uint64(w.RootNid))
	switch list := w.tree.Flaws.List(); {
	case err != nil:
		return err
	case root == nil:
		return list[0]
	case !root.IsDir():
		return fmt.Errorf("/: is %s, not a directory", image.Kind(root.Mode))
	}
	w.tree.Root = root
	for len(w.todo) > 0 {
		d := w.todo[len(w.todo)-1]
		w.todo = w.todo[:len(w.todo)-1]
		if err := w.directory(d); err != nil {
			return fmt.Errorf("%s: %w", d.place, err)
		}
	}
	return nil
}

// flaw adds a flaw, or returns an error that ends the reading.
func (w *walk) flaw(place *image.Place, err error, lost bool) error {
	if err == nil || image.EndsReading(err) {
		return err
	}
	w.tree.Flaws.Add(place, err, lost)
	return nil
}

// node returns the file with the inode nid, or nil if it is unusable. Directories are empty at
// first.
func (w *walk) node(place *image.Place, nid uint64) (*image.Node, error) {
	if n := w.links[nid]; n != nil {
		return n, nil
	}
	p, err := w.inode(nid)
	if err != nil {
		return nil, w.flaw(place, fmt.Errorf("inode %d: %w", nid, err), true)
	}
	n := &image.Node{}
	if image.ModeFromUnix(p.Mode).IsDir() {
		n = image.NewDir(0)
	}
	n.Mode = image.ModeFromUnix(p.Mode)
	n.UID, n.GID, n.Mtime = p.UID, p.GID, image.Time{Sec: int64(p.inodeExtended.Mtime), Nsec: int32(p.MtimeNsec)}
	if n.IsDir() && place.Depth() > image.MaxDepth {
		return nil, fmt.Errorf("%s: %w", place, &image.DepthError{Depth: place.Depth()})
	}
	if err := w.spend(extendedSize + int64(p.xattrSize)); err != nil {
		return nil, err
	}
	if n.Xattrs, err = w.xattrs(place, p); err != nil {
		return nil, err
	}
	if n.IsDir() {
		return n, w.enter(place, nid, n, p)
	}
	if keep, err := w.fill(place, n, p); !keep || err != nil {
		return nil, err
	}
	if p.Nlink > 1 {
		w.links[nid] = n
	}
	return n, nil
}

// enter adds a directory to the queue.
func (w *walk) enter(place *image.Place, nid uint64, n *image.Node, p *parsed) error {
	if first, ok := w.seen[nid]; ok {
		return w.flaw(place, fmt.Errorf("inode %d is a directory in two places; ingot reads it only at %s", nid, first), true)
	}
	w.seen[nid] = place
	names, err := w.contents(p)
	switch {
	case err != nil:
		return w.flaw(place, err, true)
	case names == nil:
		return w.flaw(place, errors.New("is a directory of 0 bytes"), true)
	}
	if err := w.lookAt(names.Size()); err != nil {
		return err
	}
	w.todo = append(w.todo, foundDir{n, names, place})
	return nil
}

// fill sets the contents of a file. keep is false for an unusable file.
func (w *walk) fill(place *image.Place, n *image.Node, p *parsed) (keep bool, err error) {
	switch n.Mode.Type() {
	case fs.ModeNamedPipe, fs.ModeSocket:
		return true, nil
	case fs.ModeDevice, fs.ModeDevice | fs.ModeCharDevice:
		n.Dev = volume.DecodeDev(p.U)
		return true, nil
	case fs.ModeIrregular:
		return false, w.flaw(place, fmt.Errorf("has the invalid mode %#o; ingot ignores it", p.Mode), true)
	}
	data, err := w.contents(p)
	if n.Mode.IsRegular() {
		n.Data = data
		return true, w.flaw(place, err, true)
	}
	switch {
	case err != nil:
		return false, w.flaw(place, err, true)
	case data == nil:
		return false, w.flaw(place, errors.New("is a symlink of 0 bytes; ingot ignores it"), true)
	case data.Size() > volume.MaxSymlink:
		return false, w.flaw(place, fmt.Errorf("is a symlink of %d bytes; ingot ignores it, since the limit is %d", data.Size(), volume.MaxSymlink), true)
	}
	if err := w.spend(data.Size()); err != nil {
		return false, err
	}
	b, err := image.ReadAll(data)
	n.Link = string(b)
	if err != nil {
		err = &image.ReadError{Err: err}
	}
	return true, err
}

// maxDamaged is the limit for damaged blocks in one directory.
const maxDamaged = 100

// directory adds the entries of a directory. It reads the blocks one by one, since the size in
// the inode may be wrong.
func (w *walk) directory(d foundDir) error {
	damaged := 0
	for off := int64(0); off < d.names.Size(); off += blockSize {
		b, err := image.ReadAll(image.Section(d.names, off, min(d.names.Size()-off, blockSize)))
		if err != nil {
			return &image.ReadError{Err: err}
		}
		list, err := entries(b)
		if err != nil {
			w.tree.Flaws.Add(d.place, fmt.Errorf("block %d of the directory: %w", off/blockSize, err), true)
			if damaged++; damaged == maxDamaged {
				w.tree.Flaws.Add(d.place, fmt.Errorf("ingot does not read the blocks of the directory from %d on", off/blockSize+1), true)
				return nil
			}
			continue
		}
		for _, e := range list {
			if e.name == "." || e.name == ".." {
				continue
			}
			if err := w.entry(d, e); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *walk) entry(d foundDir, e entry) error {
	if err := w.spend(direntSize + int64(len(e.name))); err != nil {
		return err
	}
	err := image.CheckName(e.name)
	if err == nil && d.node.Child(e.name) != nil {
		err = fmt.Errorf("%.300q is in the directory twice", e.name)
	}
	if err != nil {
		w.tree.Flaws.Add(d.place, fmt.Errorf("%w; ingot ignores the file of inode %d", err, e.nid), true)
		return nil
	}
	n, err := w.node(d.place.In(e.name), e.nid)
	if err != nil || n == nil {
		return err
	}
	return d.node.Add(e.name, n)
}

// entry is a dirent on disk.
type entry struct {
	name string
	nid  uint64
}

// entries returns the entries of one block.
func entries(b []byte) ([]entry, error) {
	if len(b) < direntSize {
		return nil, fmt.Errorf("has %d bytes", len(b))
	}
	nameOff := func(i int) int { return int(binary.LittleEndian.Uint16(b[i*direntSize+8:])) }
	first := nameOff(0)
	if first == 0 || first%direntSize != 0 || first > len(b) {
		return nil, fmt.Errorf("its names begin at byte %d of %d", first, len(b))
	}
	list := make([]entry, first/direntSize)
	for i := range list {
		from, to := nameOff(i), len(b)
		if i+1 < len(list) {
			to = nameOff(i + 1)
		}
		if from < first || to < from || to > len(b) {
			return nil, fmt.Errorf("the name of entry %d is at bytes %d to %d of %d", i, from, to, len(b))
		}
		name, _, _ := bytes.Cut(b[from:to], []byte{0})
		list[i] = entry{string(name), binary.LittleEndian.Uint64(b[i*direntSize:])}
	}
	return list, nil
}
