package fat

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"

	"golang.org/x/text/encoding/charmap"

	"ingot/image"
)

// oem is the code page of short names. Volumes do not record theirs; this one is that of DOS
// in the United States and Linux's default.
var oem = charmap.CodePage437

// Tree returns the files of the volume. It does not read contents, which are parts of the
// Reader's source. Times are the modification times, assumed to be UTC; directories have the
// mode 0755, files 0644 or, if they are read-only, 0444.
//
// Damage is among the Flaws of the Tree. A file with missing clusters has contents that are
// [image.Unreadable]; a directory has the entries of the clusters that exist. Tree follows a
// chain with a loop up to the loop, and reads a chain that shares clusters with others as it
// is. There is no Tree, but an error, if directories are more than [image.MaxDepth] deep (an
// [image.DepthError]), or if reading the source fails.
func (r *Reader) Tree() (*image.Tree, error) {
	w := r.newWalk()
	w.tree = image.NewTree()
	if r.signature != signature {
		w.tree.Flaws.Add(nil, fmt.Errorf("boot sector: the signature is %04x, not %04x", r.signature, signature), false)
	}
	entries, err := w.root()
	if err != nil && !image.EndsReading(err) {
		w.tree.Flaws.Add(nil, err, true)
		err = nil
	}
	if err == nil {
		err = w.names(foundDir{node: w.tree.Root}, entries)
	}
	for err == nil && len(w.todo) > 0 {
		d := w.todo[len(w.todo)-1]
		w.todo = w.todo[:len(w.todo)-1]
		err = w.directory(d)
	}
	if err != nil {
		return nil, err
	}
	return w.tree, nil
}

// A walk is one reading of the whole volume.
type walk struct {
	*Reader
	tree   *image.Tree
	todo   []foundDir
	seen   bitmap // the clusters of files
	dirs   bitmap // those of directories
	shared int64  // the number of clusters found in more than one file
	window []byte // a part of the table
	at     int64  // where the window begins, from the start of the table
}

// bitmap has a bit for each cluster.
type bitmap []uint64

func (b bitmap) has(c int64) bool { return b[c/64]&(1<<(c%64)) != 0 }
func (b bitmap) set(c int64)      { b[c/64] |= 1 << (c % 64) }

func (r *Reader) newWalk() *walk {
	n := (r.clusters + firstCluster + 63) / 64
	return &walk{Reader: r, seen: make(bitmap, n), dirs: make(bitmap, n)}
}

// entry returns the table's entry for a cluster.
func (w *walk) entry(cluster int64) (int64, error) {
	const windowSize = 64 << 10
	bit := cluster * int64(w.bits)
	off, n := bit/8, int64(4)
	if w.bits != 32 {
		n = 2
	}
	if off < w.at || off+n > w.at+int64(len(w.window)) {
		size := min(windowSize, divUp((w.clusters+firstCluster)*int64(w.bits), 8)-off)
		p, err := w.read(w.table+off, size)
		if err != nil {
			return 0, fmt.Errorf("table: %w", err)
		}
		w.window, w.at = p, off
	}
	p := w.window[off-w.at:]
	switch w.bits {
	case 12:
		return int64(binary.LittleEndian.Uint16(p) >> (bit % 8) & 0xFFF), nil
	case 16:
		return int64(binary.LittleEndian.Uint16(p)), nil
	}
	return int64(binary.LittleEndian.Uint32(p) & 0x0FFFFFFF), nil
}

// span is a run of clusters, in bytes.
type span struct{ off, n int64 }

// errShared is the error for a readable chain that shares clusters with another one.
var errShared = errors.New("has clusters that belong to something else, too: the contents of one of the two are wrong")

// chain returns the places of the clusters from first on, at most so many. With an error it
// returns those before the damage, with errShared all. A directory must not share clusters: one
// inside of another would never end.
func (w *walk) chain(first, most int64, of bitmap) (spans []span, err error) {
	endMark := int64(1)<<min(w.bits, 28) - 8
	var own map[int64]bool // the chain's clusters, once one of them was seen before
	var elsewhere error
	for c := first; most > 0; most-- {
		if c < firstCluster || c >= w.clusters+firstCluster {
			return spans, fmt.Errorf("the chain that begins at cluster %d goes on at %d; there are clusters 2 to %d", first, c, w.clusters+1)
		}
		if of.has(c) && own == nil {
			own = w.clustersOf(spans)
		}
		if w.seen.has(c) || w.dirs.has(c) {
			elsewhere = errShared
			w.shared++
		}
		// The limit on shared clusters prevents that a few small directories refer to one long
		// chain again and again.
		if own[c] || of.has(c) && (&of[0] == &w.dirs[0] || w.shared > w.clusters) {
			return spans, fmt.Errorf("the chain that begins at cluster %d reaches cluster %d, which belongs to something else or to the chain itself", first, c)
		}
		if own != nil {
			own[c] = true
		}
		of.set(c)
		off := w.data + (c-firstCluster)*w.cluster
		if n := len(spans); n > 0 && spans[n-1].off+spans[n-1].n == off {
			spans[n-1].n += w.cluster
		} else {
			spans = append(spans, span{off, w.cluster})
		}
		if c, err = w.entry(c); err != nil {
			return spans, err
		}
		if c >= endMark {
			break
		}
	}
	return spans, elsewhere
}

// clustersOf returns the clusters of a chain.
func (w *walk) clustersOf(spans []span) map[int64]bool {
	own := map[int64]bool{}
	for _, s := range spans {
		for off := s.off; off < s.off+s.n; off += w.cluster {
			own[(off-w.data)/w.cluster+firstCluster] = true
		}
	}
	return own
}

// root returns the entries of the root directory.
func (w *walk) root() ([]byte, error) {
	if w.bits == 32 {
		return w.clusterDirectory(w.rootCluster)
	}
	return w.read(w.rootOff, w.rootSize/dirEntrySize*dirEntrySize)
}

// clusterDirectory returns the entries of a directory that begins at a cluster; with an error,
// those that it could read.
func (w *walk) clusterDirectory(first int64) ([]byte, error) {
	spans, err := w.chain(first, divUp(maxDirEntries*dirEntrySize, w.cluster), w.dirs)
	if image.EndsReading(err) {
		return nil, err
	}
	var out []byte
	for _, s := range spans {
		p, err := w.read(s.off, s.n)
		if err != nil {
			return nil, err
		}
		out = append(out, p...)
	}
	return out, err
}

// foundDir is a directory with unread entries. A queue of them, in place of recursion, keeps
// only one directory in memory.
type foundDir struct {
	node    *image.Node
	cluster int64
	place   *image.Place
}

// directory reads the entries of a directory.
func (w *walk) directory(d foundDir) error {
	entries, err := w.clusterDirectory(d.cluster)
	if image.EndsReading(err) {
		return fmt.Errorf("%s: %w", d.place, err)
	}
	if err != nil {
		w.tree.Flaws.Add(d.place, err, err != errShared)
	}
	return w.names(d, entries)
}

// names adds files and directories for the entries of a directory.
func (w *walk) names(d foundDir, entries []byte) error {
	var long longName
	for ; len(entries) > 0 && entries[0] != entryEnd; entries = entries[dirEntrySize:] {
		e := decode[dirEntry](entries)
		switch {
		case e.Name[0] == entryFree:
			long = longName{}
		case e.Attr&attrMask == attrLongName:
			long.add(decode[longEntry](entries))
		case e.Attr&attrVolumeID != 0 || e.dots():
			long = longName{} // the label; "." and ".."
		default:
			name, err := long.name(e)
			if err != nil {
				w.tree.Flaws.Add(d.place.In(name), err, false)
			}
			long = longName{}
			if err := w.add(d, name, e); err != nil {
				return fmt.Errorf("%s: %w", d.place.In(name), err)
			}
		}
	}
	return nil
}

// dots reports whether an entry is "." or "..".
func (e *dirEntry) dots() bool {
	name := strings.TrimRight(string(e.Name[:]), " ")
	return name == "." || name == ".."
}

// add adds the file or directory of an entry. Only an error that ends all reading is returned.
func (w *walk) add(d foundDir, name string, e dirEntry) error {
	n, err := w.file(e)
	if image.EndsReading(err) {
		return err
	}
	place := d.place.In(name)
	if err := d.node.Add(name, n); err != nil {
		w.tree.Flaws.Add(place, err, true)
		return nil
	}
	if err != nil {
		w.tree.Flaws.Add(place, err, err != errShared)
	}
	if n.IsDir() {
		if place, err = d.place.Enter(name); err != nil {
			return err
		}
		w.todo = append(w.todo, foundDir{n, e.cluster(), place})
	}
	return nil
}

func (e *dirEntry) cluster() int64 { return int64(e.FstClusHI)<<16 | int64(e.FstClusLO) }

// file returns the node of an entry; a directory is empty at first.
func (w *walk) file(e dirEntry) (n *image.Node, err error) {
	switch {
	case e.Attr&attrDirectory != 0:
		n = image.NewDir(0o755)
	case e.Attr&attrReadOnly != 0:
		n = image.NewFile(0o444, nil)
	default:
		n = image.NewFile(0o644, nil)
	}
	n.Mtime = writeTime(e.WrtDate, e.WrtTime)
	if !n.IsDir() && e.FileSize > 0 {
		if n.Data, err = w.contents(e.cluster(), int64(e.FileSize)); n.Data == nil {
			n.Data = image.Unreadable(int64(e.FileSize), err)
		}
	}
	return n, err
}

// contents returns size bytes of the chain that begins at a cluster, also with errShared.
func (w *walk) contents(first, size int64) (image.Blob, error) {
	spans, err := w.chain(first, divUp(size, w.cluster), w.seen)
	if err != nil && err != errShared {
		return nil, err
	}
	var b image.Builder
	at := int64(0)
	for _, s := range spans {
		n := min(s.n, size-at)
		b.Add(at, image.Section(w.src, s.off, n), nil)
		at += n
	}
	switch {
	case at < size:
		return nil, fmt.Errorf("is %d bytes long, but its clusters hold only %d", size, at)
	case len(spans) == 1:
		return image.Section(w.src, spans[0].off, size), err
	}
	m, bad := b.Map(size)
	if bad != nil {
		return nil, bad
	}
	return m, err
}

// A longName is assembled from the entries before a short one.
type longName struct {
	units    []uint16
	broken   bool // the entries make no name
	next     int  // Ord of the entry that must follow; 0 if the name is complete
	checksum uint8
}

func (l *longName) add(e longEntry) {
	ord := int(e.Ord &^ lastLongEntry)
	if e.Ord&lastLongEntry != 0 && ord > 0 && ord <= maxLongEntries {
		*l = longName{units: make([]uint16, ord*longUnits), next: ord, checksum: e.Chksum}
	}
	if l.next == 0 || ord != l.next || e.Chksum != l.checksum {
		*l = longName{broken: true}
		return
	}
	l.next--
	u := e.units()
	copy(l.units[l.next*longUnits:], u[:])
}

// name returns the name of a short entry: the long one if it is complete and belongs to it,
// else the short one as Windows NT and Linux show it. An invalid long name is an error.
func (l *longName) name(e dirEntry) (string, error) {
	short := e.short()
	switch {
	case !l.broken && len(l.units) == 0:
		return short, nil
	case l.broken || l.next != 0 || l.checksum != checksum(e.Name):
		return short, errors.New("has a long name that is damaged, or belongs to another file; ingot uses the short name")
	}
	units := l.units
	for i, u := range units {
		if u == 0 {
			units = units[:i]
			break
		}
	}
	name := string(utf16.Decode(units))
	if err := image.CheckName(name); err != nil {
		return short, fmt.Errorf("has an invalid long name: %w; ingot uses the short name", err)
	}
	return name, nil
}

// short returns the short name as Windows NT and Linux show it.
func (e *dirEntry) short() string {
	raw := e.Name
	if raw[0] == entryKanjiE5 {
		raw[0] = entryFree
	}
	s := shortName{codePage(raw[:8]), codePage(raw[8:])}
	if e.NTRes&lowerBase != 0 {
		s.base = strings.ToLower(s.base)
	}
	if e.NTRes&lowerExt != 0 {
		s.ext = strings.ToLower(s.ext)
	}
	return s.String()
}
