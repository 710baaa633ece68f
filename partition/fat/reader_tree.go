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

// oem is the code page of short names. A volume does not say which one it was
// written with; this one is what DOS had in the United States and what Linux takes.
var oem = charmap.CodePage437

// Tree returns the files of the volume. Contents are not read: they are parts of
// what the Reader reads from. Times are the modification times, taken as UTC;
// directories have the mode 0755, files 0644 or, if they are read-only, 0444.
//
// What is damaged is among the Flaws of the Tree: a file whose clusters are not all there
// has contents that are [image.Unreadable], a directory the entries of the clusters that are.
// A chain that runs in circles is followed to where it does, one that runs through the
// chains of others is read as it stands, and told. An error says that there is no Tree:
// directories are more than [image.MaxDepth] deep, which is an [image.DepthError], or what
// is read from has failed.
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
	shared int64  // how many clusters of files were met that others have, too
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

// entry returns what the table says about a cluster.
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

// errShared says of a chain that can be read that it is not the only one.
var errShared = errors.New("has clusters that belong to something else, too: one of both has other contents than it should")

// chain returns where the clusters from first on lie: at most so many, fewer if the
// chain ends before. With an error it returns those before the damage, and with errShared
// all. Directories share clusters with nothing: one that lay in another would have no end.
func (w *walk) chain(first, most int64, of bitmap) (spans []span, err error) {
	endMark := int64(1)<<min(w.bits, 28) - 8
	var own map[int64]bool // the chain's clusters, once it has met one that was seen before
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
		// What is shared is bounded by the volume, so that a few small directories cannot name
		// one long chain over and over.
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

// clusterDirectory returns the entries of a directory that begins at a cluster. With an
// error it returns those that can be read.
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

// foundDir is a directory whose entries are still to be read. They are not read where they
// are found: what recurses holds as many directories in memory as lie within each other.
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

// names adds to a directory what its entries say.
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

// dots says whether an entry is that of the directory itself or of the one that it is in.
func (e *dirEntry) dots() bool {
	name := strings.TrimRight(string(e.Name[:]), " ")
	return name == "." || name == ".."
}

// add adds the file or directory of an entry to a directory. What a directory holds is
// read later. The error is one that ends all reading.
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

// file returns the node of an entry; a directory is still empty.
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

// contents returns size bytes of the chain from a cluster on, also with errShared.
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

// A longName is put together from the entries before a short one.
type longName struct {
	units    []uint16
	broken   bool // entries were met that make no name
	next     int  // Ord of the entry that must follow; 0 if the name is whole
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

// name returns the name of a short entry: the long one if it is whole and was made
// for it, else the short one as Windows NT and Linux show it. The error says that there was
// a long name that is none.
func (l *longName) name(e dirEntry) (string, error) {
	short := e.short()
	switch {
	case !l.broken && len(l.units) == 0:
		return short, nil
	case l.broken || l.next != 0 || l.checksum != checksum(e.Name):
		return short, errors.New("has a long name that is damaged, or was made for another file; the short name is taken")
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
		return short, fmt.Errorf("has a long name that is none: %w; the short name is taken", err)
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
