package iso9660

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"ingot/image"
)

// Tree returns the files of the volume, by the reading in use. It does not read contents,
// which are parts of the Reader's source. Names with one inode number are links of one file.
//
// Damaged or unsupported parts are flaws of the Tree and not errors; of two files with one
// name, the second gets another. Errors are those of the host, directories that take more
// bytes than the volume has, and an [image.DepthError] for directories deeper than
// [image.MaxDepth]. Reading takes time and memory in proportion to the bytes of the source
// that [image.Allocated] counts, however the volume is made.
func (r *Reader) Tree() (*image.Tree, error) {
	w := r.walk()
	if w.reading == Plain {
		// The standard has upper case alone, which becomes lower case, as in Linux. If a volume
		// has both, names stay as they are.
		if err := w.run(); err != nil {
			return nil, err
		}
		if w.hasLower {
			return w.tree, nil
		}
		w = r.walk()
		w.fold = true
	}
	if err := w.run(); err != nil {
		return nil, err
	}
	return w.tree, nil
}

func (r *Reader) walk() *walk {
	return &walk{
		Reader: r, view: r.views[0], tree: &image.Tree{Root: image.NewDir(0o755)},
		seen: map[uint32]*image.Place{}, links: map[link]*image.Node{}, emptied: map[string]*image.Node{},
		budget: min(image.Allocated(r.src, r.block), maxMetadata) + 1<<20,
		blank:  min(r.src.Size(), maxMetadata) + 1<<20,
	}
}

// walk is one reading of the whole volume.
type walk struct {
	*Reader
	view
	tree     *image.Tree
	todo     []foundDir
	files    []found                 // of the directory at hand: memory that is used again
	seen     map[uint32]*image.Place // directories, by their blocks
	links    map[link]*image.Node
	budget   int64 // bytes of records left to read: damaged directories can overlap
	blank    int64 // bytes of directories left to read, zeros included
	fold     bool  // plain identifiers become lower case
	hasLower bool  // one of them has lower case itself

	// emptied are directories of the root, by name, whose subdirectories moved to their places.
	emptied map[string]*image.Node
}

// maxMetadata limits the directories and continuation areas of a volume, since a sparse file
// can have any number of them. It is enough for twenty million files.
const maxMetadata = 4 << 30

// foundDir is a directory that is still to be read. A list of them takes less memory than
// recursion, which holds all directories above the current one.
type foundDir struct {
	node   *image.Node
	extent extent
	place  *image.Place
}

// link identifies a file with several links.
type link struct {
	serial, mode uint32
	extent       extent
	target       string
}

// A limitError says that reading a volume would take more time or memory than its size
// allows.
type limitError struct{ error }

func (w *walk) spend(n int64) error {
	if w.budget -= n; w.budget < 0 {
		return limitError{fmt.Errorf("directories overlap: their records are more than what the volume holds, or than %d bytes", int64(maxMetadata))}
	}
	return nil
}

func (w *walk) lookAt(n int64) error {
	if w.blank -= n; w.blank < 0 {
		return limitError{fmt.Errorf("directories overlap: together they are larger than the volume, or than %d bytes", int64(maxMetadata))}
	}
	return nil
}

func (w *walk) run() error {
	w.todo = []foundDir{{w.tree.Root, w.wholeRoot(), nil}}
	if w.hasUDF {
		w.flaw(nil, errors.New("a UDF file system lies beside this one, and is not read"), false)
	}
	if w.misnamed && w.reading != RockRidge {
		w.flaw(nil, errors.New("the Rock Ridge entries of the volume name no files, and are not used"), false)
	}
	for _, reading := range w.lost {
		if w.reading != RockRidge && w.reading != reading {
			w.flaw(nil, fmt.Errorf("what the volume has as %s is not read: no directory lies where its root should be", reading), false)
		}
	}
	for len(w.todo) > 0 {
		d := w.todo[len(w.todo)-1]
		w.todo = w.todo[:len(w.todo)-1]
		if err := w.directory(d); err != nil {
			return fmt.Errorf("%s/: %w", strings.TrimSuffix(d.place.String(), "/"), err)
		}
	}
	w.hideMoved()
	return nil
}

// flaw records an error at a place, or returns it if it ends the reading.
func (w *walk) flaw(place *image.Place, err error, lost bool) error {
	if err == nil || isHard(err) {
		return err
	}
	w.tree.Flaws.Add(place, err, lost)
	return nil
}

// wholeRoot returns the root directory. Its own record may have the right size where the
// volume descriptor has not.
func (w *walk) wholeRoot() extent {
	e := w.root
	if b, err := w.read(e.block, 0, w.Reader.block); err == nil {
		if rec, err := parseRecord(b); err == nil && rec.id == self && rec.block == e.block {
			e.size = max(e.size, rec.size)
		}
	}
	return e
}

// directory reads the records of a directory, and adds its files.
func (w *walk) directory(d foundDir) error {
	if first, ok := w.seen[d.extent.block]; ok {
		return w.flaw(d.place, fmt.Errorf("the directory at block %d stands in two places, and is read at %s alone", d.extent.block, first), true)
	}
	w.seen[d.extent.block] = d.place
	at := int64(d.extent.block) * w.Reader.block
	if err := w.within(at, int64(d.extent.size)); err != nil {
		if err := w.flaw(d.place, fmt.Errorf("the directory: %w", err), true); err != nil || at >= w.src.Size() {
			return err
		}
		d.extent.size = uint32(w.src.Size() - at)
	}
	if err := w.lookAt(int64(d.extent.size)); err != nil {
		return err
	}
	records, err := w.records(d.extent)
	if err != nil {
		return w.flaw(d.place, err, true)
	}
	files := w.files[:0]
	var sections []parsedRecord // of the current file
	end := func(unended bool) (err error) {
		if len(sections) > 0 {
			files, err = w.entry(files, d, sections, unended)
			sections = sections[:0]
		}
		return err
	}
	for first := true; ; first = false {
		rec, err := records.next()
		if err == io.EOF {
			if first {
				if err := w.flaw(d.place, errors.New("the directory has no records, not even one of itself"), true); err != nil {
					return err
				}
			}
			break
		}
		if err != nil {
			if err := w.flaw(d.place, fmt.Errorf("%w; those that follow up to byte %d are not read", err, records.off), true); err != nil {
				return err
			}
			continue
		}
		if err := w.spend(int64(recordSize(len(rec.id), len(rec.systemUse)))); err != nil {
			return err
		}
		if rec.id == self || rec.id == parent {
			if first && rec.id == self {
				err = w.self(d, rec)
			} else if first {
				err = w.flaw(d.place, errors.New("the directory does not begin with a record of itself"), false)
			}
			if err != nil {
				return err
			}
			continue
		}
		if len(sections) > 0 && sections[0].id != rec.id {
			if err := end(true); err != nil {
				return err
			}
		}
		sections = append(sections, rec)
		if rec.flags&flagMultiExtent == 0 {
			if err := end(false); err != nil {
				return err
			}
		}
	}
	if err := end(true); err != nil {
		return err
	}
	w.files = files
	return w.add(d, files)
}

// recordReader reads the records of a directory one by one, since its recorded size may be
// wrong and large.
type recordReader struct {
	in    *bufio.Reader
	off   int64 // from the start of the directory
	block int64
}

const recordBuffer = 16 << 10

func (r *Reader) records(e extent) (*recordReader, error) {
	at, n := int64(e.block)*r.block, int64(e.size)
	if err := r.within(at, n); err != nil {
		return nil, err
	}
	return &recordReader{in: bufio.NewReaderSize(io.NewSectionReader(r.src, at, n), int(min(n, recordBuffer))), block: r.block}, nil
}

// next returns the next record, or [io.EOF] behind the last one. Zeros fill a block behind its
// last record. After an error in the volume, next goes on with the next block.
func (r *recordReader) next() (parsedRecord, error) {
	for {
		head, err := r.in.Peek(1)
		if err != nil {
			return parsedRecord{}, hostOrEnd(err)
		}
		n := int(head[0])
		if n == 0 {
			if err := r.skip(); err != nil {
				return parsedRecord{}, err
			}
			continue
		}
		b := make([]byte, n)
		got, err := io.ReadFull(r.in, b)
		if err != nil && err != io.ErrUnexpectedEOF {
			return parsedRecord{}, hostOrEnd(err)
		}
		r.off += int64(got)
		rec, err := parseRecord(b[:got])
		if err != nil {
			err = fmt.Errorf("%w, at byte %d of the directory", err, r.off-int64(got))
			if end := r.skip(); isHost(end) {
				err = end
			}
		}
		return rec, err
	}
}

// skip goes on to the next block.
func (r *recordReader) skip() error {
	skipped, err := r.in.Discard(int(r.block - r.off%r.block))
	r.off += int64(skipped)
	return hostOrEnd(err)
}

func hostOrEnd(err error) error {
	if err == nil || err == io.EOF {
		return err
	}
	return &image.ReadError{Err: err}
}

// self takes the attributes of a directory from its first record.
func (w *walk) self(d foundDir, rec parsedRecord) error {
	d.node.Mtime = rec.date.time()
	if w.reading != RockRidge {
		return nil
	}
	skip := w.skip
	if d.place == nil {
		skip = w.rootSkip
	}
	k, err := w.rocks(rec.systemUse, skip)
	if k.hasPX {
		d.node.Mode = fs.ModeDir | k.fileMode()&image.Perm
	}
	k.describe(d.node)
	return w.flaw(d.place, err, false)
}

// describe sets the attributes that all kinds of files have.
func (k *rocks) describe(n *image.Node) {
	n.UID, n.GID = k.uid, k.gid
	if k.hasTime {
		n.Mtime = k.mtime
	}
}

// found is a file of a directory before it has a name in the Tree.
type found struct {
	names
	node   *image.Node
	extent *extent // of a directory that is still to be read
	flaws  []finding
}

type finding struct {
	err  error
	lost bool
}

func (f *found) flaw(err error, lost bool) { f.flaws = append(f.flaws, finding{err, lost}) }

// entry appends the file or directory that has the records. unended says that its last
// records are missing.
func (w *walk) entry(files []found, d foundDir, sections []parsedRecord, unended bool) ([]found, error) {
	rec, k, f := sections[0], &rocks{}, found{}
	if rec.flags&flagAssociated != 0 {
		// Such as a resource fork beside the file of the same name. Linux does not show it either.
		return files, w.flaw(d.place, fmt.Errorf("the file %.100q, which is associated with another, is left out", w.names(rec, k).best), false)
	}
	if w.reading == RockRidge {
		var err error
		if k, err = w.rocks(rec.systemUse, w.skip); k.moved {
			if d.place.Depth() == 1 {
				w.emptied[d.place.Name()] = d.node
			}
			return files, nil
		}
		if err != nil {
			if isHard(err) {
				return files, err
			}
			f.flaw(err, false)
		} else if !k.hasNM && !k.hasPX {
			f.flaw(errors.New("has no Rock Ridge entries: its name is that of plain ISO 9660, and its mode and owner are not recorded"), false)
		}
	}
	f.names = w.names(rec, k)
	if _, valid := fromUCS2(rec.id); w.reading == Joliet && !valid {
		f.flaw(errors.New("its recorded name is not UCS-2: U+FFFD replaces its invalid characters"), false)
	}
	if unended {
		f.flaw(errors.New("the last of its records is missing"), true)
	}
	if err := w.node(&f, k, sections); err != nil {
		return files, err
	}
	return append(files, f), nil
}

// isHard says whether an error ends the reading of the volume.
func isHard(err error) bool { return image.EndsReading(err) || errors.As(err, &limitError{}) }

// node sets the node of a file, unless the file cannot be read. Directories are filled later.
func (w *walk) node(f *found, k *rocks, sections []parsedRecord) error {
	rec := sections[0]
	switch {
	case k.child != 0:
		f.node = image.NewDir(0o755)
		e, err := w.relocated(k.child)
		if err != nil {
			if isHard(err) {
				return err
			}
			f.flaw(fmt.Errorf("the directory was moved, and is not where it should be: %w", err), true)
			return nil
		}
		f.extent = &e
	case rec.flags&flagDirectory != 0:
		e := rec.extent // alone on the heap
		f.node, f.extent = image.NewDir(0o755), &e
		if len(sections) > 1 {
			f.flaw(errors.New("is a directory of several extents, of which the first one is read"), true)
		}
	default:
		w.file(f, k, sections)
	}
	return nil
}

// relocated returns the extent of a moved directory, by its first record.
func (w *walk) relocated(block uint32) (extent, error) {
	b, err := w.read(block, 0, w.Reader.block)
	if err != nil {
		return extent{}, err
	}
	rec, err := parseRecord(b)
	return extent{block, rec.size}, err
}

// file sets the node of a file that is no directory: a new one, or that of another link.
func (w *walk) file(f *found, k *rocks, sections []parsedRecord) {
	mode := fs.FileMode(0o644)
	if k.hasPX {
		mode = k.fileMode()
	}
	if mode.IsDir() || mode.Type() == fs.ModeIrregular {
		f.flaw(fmt.Errorf("has the mode %#o, and is no directory; it is taken for a regular file", k.mode), false)
		mode &= fs.ModePerm
	}
	same := link{k.serial, k.mode, sections[0].extent, k.target.String()}
	if n := w.links[same]; n != nil && k.serial != 0 && k.links > 1 {
		f.node = n
		return
	}
	n := &image.Node{Mode: mode, Mtime: sections[0].date.time(), Dev: k.dev}
	k.describe(n)
	switch {
	case mode.IsRegular():
		data, err := w.contents(sections, k)
		if err != nil {
			f.flaw(err, true)
		}
		n.Data = data
	case mode.Type() == fs.ModeSymlink && k.target.Len() == 0:
		f.flaw(errors.New("is a symlink without a target, and is left out"), true)
		return
	case mode.Type() == fs.ModeSymlink:
		n.Link = k.target.String()
	}
	f.node = n
	if k.links > 1 {
		w.links[same] = n
	}
}

// contents returns the data of a file's sections, one after the other. If they cannot be
// read, it returns an [image.Unreadable] and the reason.
func (w *walk) contents(sections []parsedRecord, k *rocks) (image.Blob, error) {
	var b image.Builder
	var err error
	size := int64(0)
	for _, s := range sections {
		at, n := int64(s.block)*w.Reader.block, int64(s.size)
		if n == 0 {
			continue
		}
		if err == nil {
			err = w.readable(s, at, n)
		}
		if err == nil && len(sections) > 1 {
			b.Add(size, image.Section(w.src, at, n), nil)
		}
		size += n
	}
	if k.packed != "" && size > 0 {
		err = fmt.Errorf("its contents %s, which is not read", k.packed)
	}
	switch {
	case err != nil:
		return image.Unreadable(size, err), err
	case size == 0:
		return nil, nil
	case len(sections) == 1:
		return image.Section(w.src, int64(sections[0].block)*w.Reader.block, size), nil
	}
	m, err := b.Map(size)
	return m, err
}

// readable returns the reason if a section cannot be read.
func (w *walk) readable(s parsedRecord, at, n int64) error {
	number := binary.LittleEndian.Uint16(w.volume.VolumeSequenceNumber[:])
	volumes := binary.LittleEndian.Uint16(w.volume.VolumeSetSize[:])
	switch {
	case s.interleaved:
		return errors.New("its contents are interleaved with those of another file, which is not read")
	case volumes > 1 && s.sequence != number && s.sequence != 0:
		return fmt.Errorf("its contents are on volume %d of %d; this is volume %d", s.sequence, volumes, number)
	}
	return w.within(at, n)
}

// add gives the files of a directory their names, first those with recorded names.
func (w *walk) add(d foundDir, files []found) error {
	for _, given := range []bool{true, false} {
		for i := range files {
			if f := &files[i]; f.node != nil && f.given == given {
				if err := w.name(d, f); err != nil {
					return err
				}
			}
		}
	}
	for i := range files {
		if f := &files[i]; f.node == nil { // left out
			if err := w.flaws(d.place.In(f.best), f); err != nil {
				return err
			}
		}
	}
	return nil
}

// name adds a file under its best name, or the first of its other names that is free.
func (w *walk) name(d foundDir, f *found) error {
	name, why := f.best, d.free(f.best)
	if why != nil {
		name = ""
		for n := range f.others {
			if d.free(n) == nil {
				name = n
				break
			}
		}
		if name == "" {
			f.flaw(fmt.Errorf("%w, and is left out", why), true)
			return w.flaws(d.place, f)
		}
		f.flaw(fmt.Errorf("is called so here, since %w", why), false)
	}
	if err := d.node.Add(name, f.node); err != nil {
		return err
	}
	if f.extent == nil && len(f.flaws) == 0 {
		return nil
	}
	place := d.place.In(name)
	if f.extent != nil {
		if _, err := d.place.Enter(name); err != nil {
			return err
		}
		w.todo = append(w.todo, foundDir{f.node, *f.extent, place})
	}
	return w.flaws(place, f)
}

// free returns the reason if a file of the directory cannot have a name.
func (d *foundDir) free(name string) error {
	if err := image.CheckName(name); err != nil {
		return fmt.Errorf("its recorded name %w", err)
	}
	if d.node.Child(name) != nil {
		return fmt.Errorf("its recorded name %.300q is that of another file", name)
	}
	return nil
}

// flaws records the flaws of a file, once its place is known.
func (w *walk) flaws(place *image.Place, f *found) error {
	for _, x := range f.flaws {
		if err := w.flaw(place, x.err, x.lost); err != nil {
			return err
		}
	}
	return nil
}

// hideMoved removes directories of the root that held only moved ones: writers call them
// rr_moved.
func (w *walk) hideMoved() {
	for name, n := range w.emptied {
		if len(n.Entries()) == 0 {
			w.tree.Root.Remove(name)
		}
	}
}
