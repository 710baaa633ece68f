package iso9660

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"ingot/image"
)

// Tree returns the files of the volume. Contents are not read: they are parts of what
// the Reader reads from. Names with one inode number are links of one file.
//
// An error names the path of what is damaged; directories more than [image.MaxDepth] deep
// are an [image.DepthError]. Reading takes time and memory in proportion to the volume's
// own directories, however they are made.
func (r *Reader) Tree() (*image.Tree, error) {
	w := &walk{Reader: r, seen: map[uint32]bool{}, links: map[link]*image.Node{}, budget: min(r.src.Size(), maxMetadata) + 1<<20}
	root := image.NewDir(0o755)
	w.todo = []foundDir{{root, r.root, nil}}
	for len(w.todo) > 0 {
		d := w.todo[len(w.todo)-1]
		w.todo = w.todo[:len(w.todo)-1]
		if err := w.directory(d); err != nil {
			return nil, fmt.Errorf("iso9660: %w", err)
		}
	}
	return &image.Tree{Root: root}, nil
}

// walk is one reading of the whole volume.
type walk struct {
	*Reader
	todo   []foundDir
	seen   map[uint32]bool // blocks of directories
	links  map[link]*image.Node
	budget int64 // bytes of metadata that are still read: damaged volumes could lead to the same ones again and again
}

// maxMetadata bounds the directories and continuation areas of a volume, which may have
// holes that cost nothing: these would do for twenty million files.
const maxMetadata = 4 << 30

// foundDir is a directory whose records are still to be read. They are not read where
// they are found: what recurses holds as many directories in memory as lie within each
// other.
type foundDir struct {
	node   *image.Node
	extent extent
	place  *image.Place
}

// slashed puts the path of a directory, with a slash at its end, before an error.
func (d *foundDir) slashed(err error) error {
	return fmt.Errorf("%s/: %w", strings.TrimSuffix(d.place.String(), "/"), err)
}

// link is what two records share that are links of one file.
type link struct {
	serial, mode uint32
	extent       extent
	target       string
}

func (w *walk) spend(n int64) error {
	if w.budget -= n; w.budget < 0 {
		return fmt.Errorf("directories overlap: together they are larger than the volume, or than %d bytes", int64(maxMetadata))
	}
	return nil
}

// directory reads the records of a directory, and adds to it what they say.
func (w *walk) directory(d foundDir) error {
	if w.seen[d.extent.block] {
		return d.slashed(fmt.Errorf("the directory at block %d stands in two places", d.extent.block))
	}
	w.seen[d.extent.block] = true
	if err := w.spend(int64(d.extent.size)); err != nil {
		return d.slashed(err)
	}
	records, err := w.records(d.extent)
	if err != nil {
		return d.slashed(err)
	}
	rec, err := records.next()
	if err == io.EOF {
		err = errors.New("the directory has no record of itself")
	}
	if err == nil {
		err = w.self(d.node, rec)
	}
	if err != nil {
		return d.slashed(err)
	}
	var sections []parsedRecord
	for {
		rec, err := records.next()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return d.slashed(err)
		case rec.id == "\x01":
			continue
		}
		sections = append(sections, rec)
		if rec.flags&flagMultiExtent != 0 {
			continue
		}
		if err := w.entry(d, sections); err != nil {
			return err
		}
		sections = sections[:0]
	}
}

// recordReader reads the records of a directory one by one: its size is that of a record
// elsewhere, which is not trusted with memory.
type recordReader struct {
	in  *bufio.Reader
	off int64 // from the start of the directory
}

const recordBuffer = 16 << 10

func (r *Reader) records(e extent) (*recordReader, error) {
	at, n := int64(e.block)*blockSize, int64(e.size)
	if err := r.within(at, n); err != nil {
		return nil, err
	}
	return &recordReader{in: bufio.NewReaderSize(io.NewSectionReader(r.src, at, n), int(min(n, recordBuffer)))}, nil
}

// next returns the next record, or [io.EOF] behind the last one. A block goes on behind
// its last record with zeros.
func (r *recordReader) next() (parsedRecord, error) {
	for {
		head, err := r.in.Peek(1)
		if err != nil {
			return parsedRecord{}, err
		}
		n := int(head[0])
		if n == 0 {
			skipped, err := r.in.Discard(int(blockSize - r.off%blockSize))
			if r.off += int64(skipped); err != nil {
				return parsedRecord{}, err
			}
			continue
		}
		b := make([]byte, n)
		got, err := io.ReadFull(r.in, b)
		if err != nil && err != io.ErrUnexpectedEOF {
			return parsedRecord{}, err
		}
		r.off += int64(got)
		rec, _, err := parseRecord(b[:got])
		return rec, err
	}
}

// self takes the attributes of a directory from its first record.
func (w *walk) self(n *image.Node, rec parsedRecord) error {
	if rec.id != "\x00" {
		return fmt.Errorf("the first record is that of %q, not of the directory itself", rec.id)
	}
	n.Mtime = rec.date.time()
	if !w.hasRocks {
		return nil
	}
	k, err := w.rocks(rec.systemUse)
	if err != nil {
		return err
	}
	if k.hasPX {
		n.Mode = fs.ModeDir | k.fileMode()&image.Perm
	}
	k.describe(n)
	return nil
}

// describe sets what all kinds of files have.
func (k *rocks) describe(n *image.Node) {
	n.UID, n.GID = k.uid, k.gid
	if k.hasTime {
		n.Mtime = k.mtime
	}
}

// entry adds the file or directory of one or more records to a directory.
func (w *walk) entry(d foundDir, sections []parsedRecord) error {
	rec := sections[0]
	name, k := plainName(rec.id), &rocks{}
	if w.hasRocks {
		var err error
		if k, err = w.rocks(rec.systemUse); err != nil {
			return fmt.Errorf("%s: %w", d.place.In(name), err)
		}
		if k.moved {
			return nil
		}
		if k.name.Len() > 0 {
			name = k.name.String()
		}
	}
	n, err := w.node(d, name, k, sections)
	if err != nil {
		return err
	}
	if err := d.node.Add(name, n); err != nil {
		return d.slashed(err)
	}
	return nil
}

// node returns the node of a name in a directory. That of a directory is filled later.
func (w *walk) node(d foundDir, name string, k *rocks, sections []parsedRecord) (*image.Node, error) {
	e := sections[0].extent
	if k.child == 0 && sections[0].flags&flagDirectory == 0 {
		n, err := w.file(k, sections)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.place.In(name), err)
		}
		return n, nil
	}
	place, err := d.place.Enter(name)
	if err == nil && k.child != 0 {
		e, err = w.relocated(k.child)
	}
	if err != nil {
		return nil, fmt.Errorf("%s/: %w", place, err)
	}
	n := image.NewDir(0o755)
	w.todo = append(w.todo, foundDir{n, e, place})
	return n, nil
}

// relocated returns where a directory lies that was moved: its first record says how
// long it is.
func (w *walk) relocated(block uint32) (extent, error) {
	b, err := w.read(block, 0, blockSize)
	if err != nil {
		return extent{}, err
	}
	rec, _, err := parseRecord(b)
	return extent{block, rec.size}, err
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
		if err := w.within(at, n); err != nil {
			return nil, err
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
