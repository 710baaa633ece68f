package erofs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"

	"ingot/image"
)

// Tree returns the files of the volume. Contents are not read: they are parts of what
// the Reader reads from. Names with one inode are links of one file.
//
// An error names the path of what is damaged; directories more than [image.MaxDepth] deep
// are an [image.DepthError]. Reading takes time and memory in proportion to the volume's
// own metadata, however it is made.
func (r *Reader) Tree() (*image.Tree, error) {
	w := &walk{
		Reader: r,
		seen:   map[uint64]bool{},
		links:  map[uint64]*image.Node{},
		shared: map[uint32]image.Xattr{},
		budget: min(2*r.src.Size(), maxMetadata) + 1<<20,
	}
	tree, err := w.run()
	if err != nil {
		return nil, fmt.Errorf("erofs: %w", err)
	}
	return tree, nil
}

// walk is one reading of the whole volume.
type walk struct {
	*Reader
	todo   []foundDir
	seen   map[uint64]bool // directories
	links  map[uint64]*image.Node
	shared map[uint32]image.Xattr // attributes that inodes share, by their number
	budget int64                  // bytes of metadata that are still read: damaged inodes could lead to the same ones again and again
}

// maxMetadata bounds the metadata of a volume, which may have holes that cost nothing:
// these would do for twenty million files.
const maxMetadata = 4 << 30

func (w *walk) spend(n int64) error {
	if w.budget -= n; w.budget < 0 {
		return fmt.Errorf("files overlap: together their names are larger than the volume, or than %d bytes", int64(maxMetadata))
	}
	return nil
}

// foundDir is a directory whose names are still to be read. They are not read where they
// are found: what recurses holds as many directories in memory as lie within each other.
type foundDir struct {
	node  *image.Node
	names image.Blob
	place *image.Place
}

func (w *walk) run() (*image.Tree, error) {
	root, err := w.node(nil, uint64(w.RootNid))
	if err == nil && !root.IsDir() {
		err = fmt.Errorf("/: is %s, not a directory", image.Kind(root.Mode))
	}
	for err == nil && len(w.todo) > 0 {
		d := w.todo[len(w.todo)-1]
		w.todo = w.todo[:len(w.todo)-1]
		err = w.directory(d)
	}
	if err != nil {
		return nil, err
	}
	return &image.Tree{Root: root}, nil
}

// node returns the file with an inode's number. A directory is filled later.
func (w *walk) node(place *image.Place, nid uint64) (*image.Node, error) {
	if n := w.links[nid]; n != nil {
		return n, nil
	}
	p, err := w.inode(nid)
	if err != nil {
		return nil, fmt.Errorf("%s: inode %d: %w", place, nid, err)
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
	var names image.Blob
	if n.Xattrs, err = w.unpackXattrs(p.xattrs); err == nil {
		names, err = w.fill(n, p)
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", place, err)
	case n.IsDir() && w.seen[nid]:
		return nil, fmt.Errorf("%s: inode %d is a directory that stands in two places", place, nid)
	case n.IsDir():
		w.seen[nid] = true
		w.todo = append(w.todo, foundDir{n, names, place})
	case p.Nlink > 1:
		w.links[nid] = n
	}
	return n, nil
}

// fill sets what a file holds; that of a directory it returns.
func (w *walk) fill(n *image.Node, p *parsed) (image.Blob, error) {
	if err := w.spend(extendedSize + int64(len(p.xattrs))); err != nil {
		return nil, err
	}
	switch n.Mode.Type() {
	case fs.ModeNamedPipe, fs.ModeSocket:
		return nil, nil
	case fs.ModeDevice, fs.ModeDevice | fs.ModeCharDevice:
		n.Dev = decodeDev(p.U)
		return nil, nil
	case fs.ModeIrregular:
		return nil, fmt.Errorf("has the mode %#o", p.Mode)
	}
	data, err := w.contents(p)
	switch {
	case err != nil:
		return nil, err
	case n.Mode.IsRegular():
		n.Data = data
		return nil, nil
	case data == nil:
		return nil, fmt.Errorf("is %s of 0 bytes", image.Kind(n.Mode))
	case n.Mode.Type() == fs.ModeSymlink && data.Size() > maxSymlink:
		return nil, fmt.Errorf("symlink to %d bytes; a target has 1 to %d", data.Size(), maxSymlink)
	}
	if err := w.spend(data.Size()); err != nil {
		return nil, err
	}
	if n.IsDir() {
		return data, nil
	}
	b, err := image.ReadAll(data)
	n.Link = string(b)
	return nil, err
}

// directory adds the entries of a directory's blocks. They are read one by one: the
// directory's size is what its inode says, which is not trusted with memory.
func (w *walk) directory(d foundDir) error {
	for off := int64(0); off < d.names.Size(); off += blockSize {
		b, err := image.ReadAll(image.Section(d.names, off, min(d.names.Size()-off, blockSize)))
		if err != nil {
			return fmt.Errorf("%s: %w", d.place, err)
		}
		list, err := entries(b)
		if err != nil {
			return fmt.Errorf("%s: block %d: %w", d.place, off/blockSize, err)
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
	if err := image.CheckName(e.name); err != nil {
		return fmt.Errorf("%s: %w", d.place, err)
	}
	n, err := w.node(d.place.In(e.name), e.nid)
	if err != nil {
		return err
	}
	if err := d.node.Add(e.name, n); err != nil {
		return fmt.Errorf("%s: %w", d.place, err)
	}
	return nil
}

// entry is a dirent that was read.
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
			return nil, fmt.Errorf("the name of entry %d stands at bytes %d to %d of %d", i, from, to, len(b))
		}
		name, _, _ := bytes.Cut(b[from:to], []byte{0})
		list[i] = entry{string(name), binary.LittleEndian.Uint64(b[i*direntSize:])}
	}
	return list, nil
}
