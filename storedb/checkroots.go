package storedb

import (
	"io/fs"
	"path"
	"strings"

	"ingot/image"
)

// links checks the symlinks below a folder of the state directory, GC roots or
// profiles, for where they lead.
func (c *checker) links(folder string, fault Fault) {
	top := c.Flavour.StateDir() + "/" + folder
	dir := c.tree.Lookup(top)
	if dir == nil {
		return
	}
	sub := &image.Tree{Root: dir}
	_ = sub.Walk(func(p string, n *image.Node) error { // fn returns no error
		if n.Mode&fs.ModeSymlink != 0 {
			c.link(fault, top+p, n)
		}
		return nil
	})
}

// link checks where the symlink at name leads. A way that ends outside of the store
// is right for what appears only in a running system, and a root that was made for a
// link somewhere else is stale, not wrong, when that link is gone: the next garbage
// collection drops it.
func (c *checker) link(fault Fault, name string, n *image.Node) {
	end := c.follow(name, n)
	auto := strings.HasPrefix(name, c.Flavour.StateDir()+"/gcroots/auto/")
	switch {
	case end.loops:
		c.find(fault, name, "leads to %s, and from there in circles", n.Link)
	case end.item == "" && end.gone != "" && !auto && !volatile(end.gone):
		c.find(fault, name, "leads to %s, which is not there", end.gone)
	case end.item == "":
	case c.registered[end.item] == nil && end.gone != "":
		c.find(fault, name, "leads to %s, which is neither there nor registered", end.item)
	case c.registered[end.item] == nil:
		c.find(fault, name, "leads to %s, which is not registered", end.item)
	case end.gone != "":
		c.find(fault, name, "leads to %s, which is not there", end.gone)
	}
}

// volatile says whether a path only exists while a system runs.
func volatile(name string) bool {
	return strings.HasPrefix(name, "/run/") || strings.HasPrefix(name, "/proc/") || strings.HasPrefix(name, "/var/run/")
}

// destination is where a symlink leads.
type destination struct {
	item  string // the store path that it is, or lies in
	gone  string // a path on the way that is not there
	loops bool
}

// maxSymlinks is how many symlinks Linux follows in one path (MAXSYMLINKS).
const maxSymlinks = 40

// follow follows the symlink n at name, up to the store path that it leads to. That
// what it leads to within the item is there is looked at, too, up to the next symlink.
func (c *checker) follow(name string, n *image.Node) (d destination) {
	store := c.Flavour.StoreDir() + "/"
	at, todo := c.step(name[:strings.LastIndexByte(name, '/')], n.Link)
	for links := 1; len(todo) > 0; {
		part := todo[0]
		todo = todo[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			at = at[:max(strings.LastIndexByte(at, '/'), 0)]
			continue
		}
		next := at + "/" + part
		below, inside := strings.CutPrefix(next, store)
		if base, _, _ := strings.Cut(below, "/"); inside {
			d.item = store + base
		}
		node := c.lookup(next)
		if node == nil {
			d.gone = path.Join(append([]string{next}, todo...)...)
			return d
		}
		if node.Mode&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		if inside {
			return d
		}
		if links++; links > maxSymlinks {
			d.loops = true
			return d
		}
		var first []string
		at, first = c.step(at, node.Link)
		todo = append(first, todo...)
	}
	return d
}

// step returns where the target of a symlink that stands in a directory begins, ""
// being the root, and its parts. Nix that runs outside of a root makes links with the
// path that the root has there.
func (c *checker) step(dir, target string) (at string, parts []string) {
	if strings.HasPrefix(target, "/") {
		dir = ""
		if below, ok := strings.CutPrefix(target, c.host+"/"); ok && c.host != "" {
			target = below
		}
	}
	return dir, strings.Split(target, "/")
}
