package erofs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"strings"

	"ingot/image"
)

// Tree returns the files of the volume. Contents are not read: they are parts of what
// the Reader reads from. Names with one inode are links of one file.
//
// An error names the path of what is damaged.
func (r *Reader) Tree() (*image.Tree, error) {
	w := &walk{Reader: r, seen: map[uint64]bool{}, links: map[uint64]*image.Node{}, budget: 2*r.src.Size() + 1<<20}
	root, err := w.node("/", uint64(r.RootNid))
	if err == nil && !root.IsDir() {
		err = fmt.Errorf("/: is %s, not a directory", image.Kind(root.Mode))
	}
	if err != nil {
		return nil, fmt.Errorf("erofs: %w", err)
	}
	return &image.Tree{Root: root}, nil
}

// walk is one reading of the whole volume.
type walk struct {
	*Reader
	seen   map[uint64]bool // directories
	links  map[uint64]*image.Node
	budget int64 // bytes of metadata that are still read: damaged inodes could lead to the same ones again and again
}

func (w *walk) spend(n int64) error {
	if w.budget -= n; w.budget < 0 {
		return fmt.Errorf("files overlap: together their names are larger than the volume")
	}
	return nil
}

// maxDepth bounds the recursion; a path of PATH_MAX cannot be as deep.
const maxDepth = 4096

// node reads the file with an inode's number.
func (w *walk) node(path string, nid uint64) (*image.Node, error) {
	if n := w.links[nid]; n != nil {
		return n, nil
	}
	p, err := w.inode(nid)
	if err != nil {
		return nil, fmt.Errorf("%s: inode %d: %w", path, nid, err)
	}
	n := &image.Node{}
	if image.ModeFromUnix(p.Mode).IsDir() {
		n = image.NewDir(0)
	}
	n.Mode = image.ModeFromUnix(p.Mode)
	n.UID, n.GID, n.Mtime = p.UID, p.GID, image.Time{Sec: int64(p.inodeExtended.Mtime), Nsec: int32(p.MtimeNsec)}
	var names []byte
	if n.Xattrs, err = w.unpackXattrs(p.xattrs); err == nil {
		names, err = w.fill(n, p)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if n.IsDir() {
		return n, w.directory(strings.TrimSuffix(path, "/"), n, nid, names)
	}
	if p.Nlink > 1 {
		w.links[nid] = n
	}
	return n, nil
}

// fill sets what a file holds; that of a directory it returns.
func (w *walk) fill(n *image.Node, p *parsed) ([]byte, error) {
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
	b, err := image.ReadAll(data)
	if err != nil || n.IsDir() {
		return b, err
	}
	n.Link = string(b)
	return nil, nil
}

// directory adds the entries of a directory's blocks.
func (w *walk) directory(path string, dir *image.Node, nid uint64, b []byte) error {
	switch {
	case w.seen[nid]:
		return fmt.Errorf("%s/: inode %d is a directory that stands in two places", path, nid)
	case strings.Count(path, "/") > maxDepth:
		return fmt.Errorf("%s/: more than %d directories deep", path, maxDepth)
	}
	w.seen[nid] = true
	for block := 0; len(b) > 0; block++ {
		n := min(len(b), blockSize)
		list, err := entries(b[:n])
		if err != nil {
			return fmt.Errorf("%s/: block %d: %w", path, block, err)
		}
		for _, e := range list {
			if e.name == "." || e.name == ".." {
				continue
			}
			if err := w.entry(path, dir, e); err != nil {
				return err
			}
		}
		b = b[n:]
	}
	return nil
}

func (w *walk) entry(path string, dir *image.Node, e entry) error {
	if err := image.CheckName(e.name); err != nil {
		return fmt.Errorf("%s/: %w", path, err)
	}
	n, err := w.node(path+"/"+e.name, e.nid)
	if err != nil {
		return err
	}
	if err := dir.Add(e.name, n); err != nil {
		return fmt.Errorf("%s/: %w", path, err)
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
