package iso9660

import (
	"fmt"
	"io/fs"
	"math"
	"slices"

	"ingot/image"
	"ingot/internal/printable"
)

// file is a Node that is no directory, or a boot image without a name.
type file struct {
	*image.Node
	data          image.Blob
	owner         *image.Owner
	links, serial uint32
	block         uint32 // of the data
}

// directory is a directory of one hierarchy.
type directory struct {
	*image.Node
	parent *directory // in the Tree; of the root, the root itself
	at     *directory // that holds its record; not the parent of a moved directory
	owner  *image.Owner

	links, serial uint32
	records       []record // in the order of their identifiers

	number     int // in the path table, from 1
	block      uint32
	size       int64 // bytes, whole blocks
	areaBlocks int64 // of continuation areas, behind the directory
}

// record is an entry of a directory: a file, a directory, or a placeholder (instead) for a
// moved directory.
type record struct {
	id, name string
	file     *file
	dir      *directory
	instead  bool
}

// isDirectory says whether the record is that of a directory.
func (r *record) isDirectory() bool { return r.dir != nil && !r.instead }

// hierarchy is the directories that one volume descriptor leads to.
type hierarchy struct {
	identifiers
	rockRidge bool
	version   string // of files
	root      *directory
	moved     *directory   // holds directories that lie too deep
	dirs      []*directory // in the order of the path table

	pathTable              int64 // bytes
	lPathTable, mPathTable uint32
}

// plan is the files and directories of a volume, each with its links counted.
type plan struct {
	byNode  map[*image.Node]*file
	files   []*file // in the order of their paths
	serials uint32
	seen    map[*image.Node]bool // directories
}

func newPlan() *plan {
	return &plan{byNode: map[*image.Node]*file{}, seen: map[*image.Node]bool{}}
}

var rootOwner = &image.Owner{}

// primary plans the hierarchy with Rock Ridge.
func (p *plan) primary(t *image.Tree) (*hierarchy, error) {
	h := &hierarchy{identifiers: plain, rockRidge: true, version: ";1"}
	h.root = &directory{Node: t.Root, owner: rootOwner, links: 2, serial: p.serial()}
	h.root.parent, h.root.at = h.root, h.root
	if err := checkTime(t.Root.Mtime); err != nil {
		return nil, fmt.Errorf("/: %w", err)
	}
	if err := p.scan(h, h.root, 1); err != nil {
		return nil, err
	}
	h.order()
	return h, nil
}

func (p *plan) serial() uint32 {
	p.serials++
	return p.serials
}

// scan adds what is in a directory of the given level.
func (p *plan) scan(h *hierarchy, d *directory, level int) error {
	list := d.Entries()
	d.records = slices.Grow(d.records, len(list))
	for _, e := range list {
		owner := &image.Owner{Parent: d.owner, Name: e.Name}
		if err := check(e); err != nil {
			return fmt.Errorf("%s: %w", printable.Name(owner.String()), err)
		}
		if !e.Node.IsDir() {
			d.records = append(d.records, record{name: e.Name, file: p.file(e.Node, owner)})
			continue
		}
		if p.seen[e.Node] {
			return fmt.Errorf("%s: is a directory that stands in two places", printable.Name(owner.String()))
		}
		p.seen[e.Node] = true
		sub := &directory{Node: e.Node, parent: d, at: d, owner: owner, links: 2, serial: p.serial()}
		d.links++
		below := level + 1
		d.records = append(d.records, record{name: e.Name, dir: sub, instead: level == maxLevel})
		if level == maxLevel {
			p.move(h, sub, e.Name)
			below = 3
		}
		if err := p.scan(h, sub, below); err != nil {
			return err
		}
	}
	return nil
}

// check refuses a file that cannot be recorded.
func check(e image.Entry) error {
	if len(e.Name) > LinuxName {
		return fmt.Errorf("name of %d bytes; of a name in Rock Ridge, Linux shows at most %d", len(e.Name), LinuxName)
	}
	if err := checkTime(e.Node.Mtime); err != nil {
		return err
	}
	switch e.Node.Mode.Type() {
	case 0:
		if n := e.Node.Size(); n > maxSections*maxSection {
			return fmt.Errorf("file of %d bytes; Linux reads at most %d from ISO 9660, which are %d sections", n, int64(maxSections*maxSection), maxSections)
		}
	case fs.ModeDir, fs.ModeNamedPipe, fs.ModeSocket:
	case fs.ModeDevice, fs.ModeDevice | fs.ModeCharDevice:
		switch d := e.Node.Dev; {
		case d.Major > maxMajor || d.Minor > maxMinor:
			return fmt.Errorf("device %d:%d; Linux has numbers up to %d:%d", d.Major, d.Minor, maxMajor, maxMinor)
		case d.Major == 0 && d.Minor > maxMinorOfZero:
			return fmt.Errorf("device %d:%d; Linux misreads devices of major number 0 from ISO 9660 whose minor one is above %d", d.Major, d.Minor, maxMinorOfZero)
		}
	case fs.ModeSymlink:
		if n := len(e.Node.Link); n < 1 || n > maxSymlink {
			return fmt.Errorf("symlink to %d bytes; a target has 1 to %d", n, maxSymlink)
		}
	default:
		return fmt.Errorf("is %s, which ISO 9660 cannot hold", image.Kind(e.Node.Mode))
	}
	return nil
}

// file returns the file that is the Node, and counts the link.
func (p *plan) file(n *image.Node, owner *image.Owner) *file {
	f := p.byNode[n]
	if f == nil {
		f = &file{Node: n, owner: owner, serial: p.serial()}
		if n.Mode.IsRegular() {
			f.data = n.Data
		}
		p.byNode[n] = f
		p.files = append(p.files, f)
	}
	f.links++
	return f
}

// move records a directory in rr_moved instead of in its parent.
func (p *plan) move(h *hierarchy, d *directory, name string) {
	if h.moved == nil {
		h.moved = p.rrMoved(h)
	}
	d.at = h.moved
	h.moved.links++
	h.moved.records = append(h.moved.records, record{name: name, dir: d})
}

// rrMoved adds the directory for moved ones, under a name that is free in the root.
func (p *plan) rrMoved(h *hierarchy) *directory {
	name := "rr_moved"
	for n := 1; h.root.Child(name) != nil; n++ {
		name = fmt.Sprintf("rr_moved%d", n)
	}
	node := image.NewDir(0o755)
	node.Mtime = h.root.Mtime
	d := &directory{Node: node, parent: h.root, at: h.root, owner: &image.Owner{Parent: rootOwner, Name: name}, links: 2, serial: p.serial()}
	h.root.records = append(h.root.records, record{name: name, dir: d})
	return d
}

// isMoved says whether Linux must not list the directory where its record stands.
func (h *hierarchy) isMoved(d *directory) bool { return d.at != d.parent || d == h.moved }

// joliet plans the hierarchy of Joliet for the files of the primary one.
func (p *plan) joliet(t *image.Tree) *hierarchy {
	h := &hierarchy{identifiers: joliet, version: ucs2(";1")}
	h.root = &directory{Node: t.Root, owner: &image.Owner{Name: "Joliet"}}
	h.root.parent, h.root.at = h.root, h.root
	p.scanJoliet(h.root)
	h.order()
	return h
}

func (p *plan) scanJoliet(d *directory) {
	for _, e := range d.Entries() {
		switch {
		case e.Node.IsDir():
			sub := &directory{Node: e.Node, parent: d, at: d, owner: &image.Owner{Parent: d.owner, Name: e.Name}}
			d.records = append(d.records, record{name: e.Name, dir: sub})
			p.scanJoliet(sub)
		case e.Node.Mode.IsRegular():
			d.records = append(d.records, record{name: e.Name, file: p.byNode[e.Node]})
		}
	}
}

// order gives records their identifiers and directories their numbers: level by level, in
// the order of their parents, then of their identifiers (6.9.1).
func (h *hierarchy) order() {
	h.dirs = []*directory{h.root}
	h.pathTable = pathRecordSize(1) // the root's
	identified := 0
	for i := 0; i < len(h.dirs); i++ {
		if i == identified { // the end of a level
			level := h.dirs[i:]
			spread(len(level), func() func(int) {
				return func(k int) { h.identify(level[k].records) }
			})
			identified = len(h.dirs)
		}
		d := h.dirs[i]
		d.number = i + 1
		for j := range d.records {
			if r := &d.records[j]; r.isDirectory() {
				h.dirs = append(h.dirs, r.dir)
				if d.number <= math.MaxUint16 {
					h.pathTable += pathRecordSize(len(r.id))
				}
			}
		}
	}
}

func pathRecordSize(id int) int64 { return int64(pathHeader + id + id%2) }

// find returns the file at a path, for a boot image.
func (p *plan) find(t *image.Tree, path string) (*file, error) {
	n := t.Lookup(path)
	switch {
	case n == nil:
		return nil, fmt.Errorf("%s is missing in the tree", path)
	case !n.Mode.IsRegular():
		return nil, fmt.Errorf("%s is %s, not a regular file", path, image.Kind(n.Mode))
	}
	return p.byNode[n], nil
}

// size returns the length of the file's data.
func (f *file) size() int64 {
	if f.data == nil {
		return 0
	}
	return f.data.Size()
}

// sections returns how many records a file needs.
func (f *file) sections() int64 { return max(1, divUp(f.size(), maxSection)) }

func divUp(n, by int64) int64 { return (n + by - 1) / by }
