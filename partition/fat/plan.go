package fat

import (
	"errors"
	"fmt"

	"ingot/image"
	"ingot/internal/printable"
)

// A plan is a tree with everything that does not depend on the size of a cluster: names, and
// the sizes of directories and files.
type plan struct {
	label string
	dirs  []*directory // in path order, the root first
	files []*file      // in path order
}

// object is a file or directory with its name.
type object struct {
	*image.Node
	nameEntry
	owner   *image.Owner
	cluster int64 // the first one; 0 if it is empty
}

type directory struct {
	object
	parent  *directory // nil for the root
	entries []*object  // in bytewise order of their names
	count   int64      // of all 32-byte entries
}

type file = object

// root has no name, so that paths begin with a slash.
var root = &image.Owner{}

// newPlan plans a tree, and refuses one that FAT cannot hold.
func newPlan(t *image.Tree, label string) (*plan, error) {
	p := &plan{label: label}
	dir := &directory{object: object{Node: t.Root, owner: root}}
	if label != "" {
		dir.count = 1
	}
	if err := p.walk(dir); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *plan) walk(d *directory) error {
	p.dirs = append(p.dirs, d)
	children := d.Node.Entries()
	names := make([]string, len(children))
	for i, e := range children {
		names[i] = e.Name
	}
	entries, err := nameEntries(names)
	if n := (*nameError)(nil); errors.As(err, &n) {
		return fmt.Errorf("%s: %w", printable.Name(d.owner.String()+"/"+n.name), n.err)
	}
	for i := range entries {
		d.count += entries[i].entries()
	}
	if d.count > maxDirEntries {
		return fmt.Errorf("%s: the directory needs %d entries for the names of its %d files; FAT holds %d in a directory",
			printable.Name(d.owner.String()+"/"), d.count, len(children), maxDirEntries)
	}
	for i, e := range children {
		if err := p.add(d, object{Node: e.Node, nameEntry: entries[i], owner: &image.Owner{Parent: d.owner, Name: e.Name}}); err != nil {
			return err
		}
	}
	return nil
}

// add plans one child of d, with everything below it.
func (p *plan) add(d *directory, o object) error {
	switch {
	case o.IsDir():
		child := &directory{object: o, parent: d, count: 2} // "." and ".."
		d.entries = append(d.entries, &child.object)
		return p.walk(child)
	case !o.Mode.IsRegular():
		return fmt.Errorf("%s: is %s; FAT holds only regular files and directories", printable.Name(o.owner.String()), image.Kind(o.Mode))
	case o.Size() > maxFileSize:
		return fmt.Errorf("%s: is %d bytes long; FAT holds files of at most %d", printable.Name(o.owner.String()), o.Size(), int64(maxFileSize))
	}
	d.entries = append(d.entries, &o)
	p.files = append(p.files, &o)
	return nil
}

// size returns the bytes of a directory that are not zero.
func (d *directory) size() int64 { return d.count * dirEntrySize }

// clusters returns how many clusters of k hold d.
func (d *directory) clusters(k kind) int64 {
	switch {
	case d.parent != nil:
		return divUp(d.size(), k.clusterSize())
	case k.bits == 32:
		return max(divUp(d.size(), k.clusterSize()), 1)
	}
	return 0 // outside of the clusters
}

// demand returns the plan's demand for a volume with so many free bytes.
func (p *plan) demand(free int64) demand {
	known := map[kind]int64{}
	return demand{
		rootEntries: p.dirs[0].count,
		clusters: func(k kind) int64 {
			n, ok := known[k]
			if !ok {
				n = p.clusters(k) + divUp(free, k.clusterSize())
				known[k] = n
			}
			return n
		},
	}
}

func (p *plan) clusters(k kind) (n int64) {
	for _, d := range p.dirs {
		n += d.clusters(k)
	}
	for _, f := range p.files {
		n += divUp(f.Size(), k.clusterSize())
	}
	return n
}
