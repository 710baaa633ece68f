package iso9660

import (
	"fmt"
	"io/fs"
	"strings"

	"ingot/image"
)

// Tree returns the files of the volume. Contents are not read: they are parts of what
// the Reader reads from. Names with one inode number are links of one file.
//
// An error names the path of what is damaged.
func (r *Reader) Tree() (*image.Tree, error) {
	w := &walk{Reader: r, seen: map[uint32]bool{}, links: map[link]*image.Node{}, budget: 2*r.src.Size() + 1<<20}
	root, err := w.directory("", r.root)
	if err != nil {
		return nil, fmt.Errorf("iso9660: %w", err)
	}
	return &image.Tree{Root: root}, nil
}

// walk is one reading of the whole volume.
type walk struct {
	*Reader
	seen   map[uint32]bool // blocks of directories
	links  map[link]*image.Node
	budget int64 // bytes of metadata that are still read: damaged volumes could lead to the same ones again and again
}

// link is what two records share that are links of one file.
type link struct {
	serial, mode uint32
	extent       extent
	target       string
}

func (w *walk) spend(n int64) error {
	if w.budget -= n; w.budget < 0 {
		return fmt.Errorf("directories overlap: together they are larger than the volume")
	}
	return nil
}

// directory reads the directory at an extent.
func (w *walk) directory(path string, e extent) (*image.Node, error) {
	where := path + "/"
	if w.seen[e.block] {
		return nil, fmt.Errorf("%s: the directory at block %d stands in two places", where, e.block)
	}
	w.seen[e.block] = true
	if err := w.spend(int64(e.size)); err != nil {
		return nil, fmt.Errorf("%s: %w", where, err)
	}
	b, err := w.read(e.block, 0, int64(e.size))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", where, err)
	}
	var sections []parsedRecord
	var dir *image.Node
	for len(b) > 0 {
		if b[0] == 0 { // up to the next block
			b = b[min(len(b), blockSize-(int(e.size)-len(b))%blockSize):]
			continue
		}
		var rec parsedRecord
		if rec, b, err = parseRecord(b); err != nil {
			return nil, fmt.Errorf("%s: %w", where, err)
		}
		switch {
		case dir == nil:
			if dir, err = w.self(rec); err != nil {
				return nil, fmt.Errorf("%s: %w", where, err)
			}
			continue
		case rec.id == "\x01":
			continue
		}
		sections = append(sections, rec)
		if rec.flags&flagMultiExtent != 0 {
			continue
		}
		if err := w.entry(path, dir, sections); err != nil {
			return nil, err
		}
		sections = sections[:0]
	}
	if dir == nil {
		return nil, fmt.Errorf("%s: the directory has no record of itself", where)
	}
	return dir, nil
}

// self returns the empty directory that its first record describes.
func (w *walk) self(rec parsedRecord) (*image.Node, error) {
	n := image.NewDir(0o755)
	if rec.id != "\x00" {
		return nil, fmt.Errorf("the first record is that of %q, not of the directory itself", rec.id)
	}
	n.Mtime = rec.date.time()
	if !w.hasRocks {
		return n, nil
	}
	k, err := w.rocks(rec.systemUse)
	if err != nil {
		return nil, err
	}
	if k.hasPX {
		n.Mode = fs.ModeDir | k.fileMode()&image.Perm
	}
	k.describe(n)
	return n, nil
}

// describe sets what all kinds of files have.
func (k *rocks) describe(n *image.Node) {
	n.UID, n.GID = k.uid, k.gid
	if k.hasTime {
		n.Mtime = k.mtime
	}
}

// entry adds the file or directory of one or more records to dir.
func (w *walk) entry(path string, dir *image.Node, sections []parsedRecord) error {
	rec := sections[0]
	name, k := plainName(rec.id), &rocks{}
	if w.hasRocks {
		var err error
		if k, err = w.rocks(rec.systemUse); err != nil {
			return fmt.Errorf("%s/%s: %w", path, name, err)
		}
		if k.moved {
			return nil
		}
		if k.name.Len() > 0 {
			name = k.name.String()
		}
	}
	at := path + "/" + name
	if strings.Count(at, "/") > maxDepth {
		return fmt.Errorf("%s: more than %d directories deep", at, maxDepth)
	}
	var n *image.Node
	var err error
	switch {
	case k.child != 0:
		n, err = w.relocated(at, k.child)
	case rec.flags&flagDirectory != 0:
		n, err = w.directory(at, rec.extent)
	default:
		if n, err = w.file(k, sections); err != nil {
			err = fmt.Errorf("%s: %w", at, err)
		}
	}
	if err != nil {
		return err
	}
	if err := dir.Add(name, n); err != nil {
		return fmt.Errorf("%s/: %w", path, err)
	}
	return nil
}

// maxDepth bounds the recursion; a path of PATH_MAX cannot be as deep.
const maxDepth = 4096

// relocated reads a directory that was moved: its first record says how long it is.
func (w *walk) relocated(path string, block uint32) (*image.Node, error) {
	b, err := w.read(block, 0, blockSize)
	if err == nil {
		var rec parsedRecord
		if rec, _, err = parseRecord(b); err == nil {
			return w.directory(path, extent{block, rec.size})
		}
	}
	return nil, fmt.Errorf("%s/: %w", path, err)
}

// file returns what is not a directory, or the Node that it is a link of.
func (w *walk) file(k *rocks, sections []parsedRecord) (*image.Node, error) {
	mode := fs.FileMode(0o644)
	if k.hasPX {
		mode = k.fileMode()
	}
	if mode.IsDir() || mode.Type() == fs.ModeIrregular {
		return nil, fmt.Errorf("has the mode %#o, and is no directory", k.mode)
	}
	same := link{k.serial, k.mode, sections[0].extent, k.target.String()}
	if n := w.links[same]; n != nil && k.serial != 0 && k.links > 1 {
		return n, nil
	}
	n := &image.Node{Mode: mode, Mtime: sections[0].date.time(), Link: k.target.String(), Dev: k.dev}
	k.describe(n)
	switch {
	case mode.IsRegular():
		if k.packed {
			return nil, fmt.Errorf("is compressed by zisofs, which is not read")
		}
		var err error
		if n.Data, err = w.contents(sections); err != nil {
			return nil, err
		}
		n.Link = ""
	case mode.Type() == fs.ModeSymlink && n.Link == "":
		return nil, fmt.Errorf("is a symlink without a target")
	case mode.Type() != fs.ModeSymlink:
		n.Link = ""
	}
	if k.links > 1 {
		w.links[same] = n
	}
	return n, nil
}

// contents returns the data of a file's sections, one after the other.
func (w *walk) contents(sections []parsedRecord) (image.Blob, error) {
	var b image.Builder
	size := int64(0)
	for _, s := range sections {
		if s.size == 0 {
			continue
		}
		at, n := int64(s.block)*blockSize, int64(s.size)
		if at > w.src.Size()-n {
			return nil, fmt.Errorf("%d bytes at %d are beyond the volume's end at %d", n, at, w.src.Size())
		}
		if size+n == int64(s.size) && len(sections) == 1 {
			return image.Section(w.src, at, n), nil
		}
		b.Add(size, image.Section(w.src, at, n), nil)
		size += n
	}
	if size == 0 {
		return nil, nil
	}
	return b.Map(size)
}

// plainName makes a name out of an identifier, as Linux does where there is no Rock
// Ridge: in lower case, without version and without a dot that nothing follows.
func plainName(id string) string {
	if i := strings.LastIndexByte(id, ';'); i > 0 {
		id = id[:i]
	}
	if trimmed := strings.TrimSuffix(id, "."); trimmed != "" {
		id = trimmed
	}
	return strings.ToLower(id)
}
