package storedb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/nix-community/go-nix/pkg/nixbase32"

	"ingot/image"
	"ingot/internal/lanes"
	"ingot/internal/printable"
)

// items compares the items in the store with those that are registered.
func (c *checker) items(ctx context.Context, r *Report) error {
	there := map[string]*image.Node{}
	known := len(c.registered) > 0
	for _, e := range c.store.Entries() {
		path := c.Flavour.StoreDir() + "/" + e.Name
		switch {
		case c.registered[path] != nil:
			there[path] = e.Node
		case !ignored(e.Name):
			r.Items++
			if known {
				c.find(FaultUnregistered, path, "%s", unregistered(e.Name))
			}
		}
	}
	r.Items += len(there)
	var todo []string
	total := int64(0)
	for _, path := range slices.Sorted(maps.Keys(c.registered)) {
		if there[path] == nil {
			c.find(FaultMissing, path, "is registered, and not there")
			continue
		}
		todo = append(todo, path)
		total = addSizes(total, NARSize(there[path]))
	}
	links := c.linkNodes()
	if !c.NoContents {
		r.Bytes = total
		all := total
		for n := range links { // most are files of items
			all = addSizes(all, n.Size())
		}
		if c.MaxContents > 0 && all > c.MaxContents {
			return &ContentsSizeError{all, c.MaxContents}
		}
	}
	// The largest first, as in Load.
	slices.SortStableFunc(todo, func(a, b string) int { return cmp.Compare(c.registered[b].NarSize, c.registered[a].NarSize) })
	found := make([]findings, len(todo))
	err := hashing(ctx, len(todo), func(g *lanes.Group) *itemChecker { return newItemChecker(c, links, g) }, func(w *itemChecker, i int) error {
		path := todo[i]
		w.metadata(path, there[path])
		if !c.NoContents {
			size := w.contents(c.registered[path], there[path])
			if err := ctx.Err(); err != nil {
				return err
			}
			if c.Progress != nil {
				c.Progress(size, total)
			}
		}
		found[i], w.findings = w.findings, findings{}
		return nil
	})
	for _, f := range found {
		c.list = append(c.list, f.list...)
	}
	if err == nil && !c.NoContents {
		err = c.restOfLinks(ctx, links)
	}
	return err
}

// ContentsSizeError says that a store holds more than may be hashed.
type ContentsSizeError struct{ Size, Limit int64 } // in bytes

func (e *ContentsSizeError) Error() string {
	return fmt.Sprintf("the store holds %d bytes, holes among them; at most %d are hashed", e.Size, e.Limit)
}

// addSizes adds sizes, which are not trusted, up to the largest number.
func addSizes(a, b int64) int64 {
	if b < 0 || a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

func unregistered(name string) string {
	if err := checkBase(name); err != nil {
		return fmt.Sprintf("is no item of a store: %v", err)
	}
	return "is there, and not registered"
}

// itemChecker checks one item after the other.
type itemChecker struct {
	*checker
	findings
	nar     *narWriter
	links   map[*image.Node]*linkName
	claimed []*linkName
}

func newItemChecker(c *checker, links map[*image.Node]*linkName, g *lanes.Group) *itemChecker {
	w := &itemChecker{checker: c, links: links, nar: newNARWriter(c.ctx, g)}
	if len(links) > 0 {
		// A file of .links is hashed in the pass over the first item that has it.
		w.nar.wanted = func(n *image.Node) bool {
			l := links[n]
			if l == nil || !l.claimed.CompareAndSwap(false, true) {
				return false
			}
			w.claimed = append(w.claimed, l)
			return true
		}
	}
	return w
}

// find goes to the findings of the item rather than to those of the check.
func (w *itemChecker) find(fault Fault, path, format string, args ...any) {
	w.findings.find(fault, path, format, args...)
}

// contents hashes an item and returns how much that was.
func (w *itemChecker) contents(it *Item, n *image.Node) int64 {
	size := NARSize(n)
	if it.NarSize != 0 && it.NarSize != size {
		w.find(FaultSize, it.Path, "its nar is %d bytes long; %d are registered", size, it.NarSize)
	}
	w.nar.files, w.claimed = nil, w.claimed[:0]
	hash, _, err := w.nar.hash(n)
	var bad *contentError
	switch {
	case errors.As(err, &bad):
		return size // a kind of file that a store cannot hold, which metadata finds
	case err != nil:
		w.find(FaultUnreadable, it.Path, "%v", err)
		return size
	case !it.NarHash.IsZero() && hash != it.NarHash:
		w.find(FaultHash, it.Path, "its hash is %s; %s is registered", hash, it.NarHash)
	default:
		if err := cmp.Or(it.checkNarAddress(), it.checkAddress(w.ctx, n)); err != nil {
			w.find(FaultAddress, it.Path, "%v", err)
		}
	}
	for i, l := range w.claimed {
		l.check(&w.findings, w.nar.files[i])
	}
	return size
}

// ignoredXattrs are attributes that Nix lets be, since a security module sets them
// as it likes (setting ignored-acls).
var ignoredXattrs = []string{"security.csm", "security.selinux", "system.nfs4_acl"}

// metadata checks that all files of an item have what a store gives them. Of each
// fault, the first file is named and others are counted.
func (w *itemChecker) metadata(path string, n *image.Node) {
	var first [5]int // places in w.list from 1 on, by fault
	find := func(fault int, kind Fault, path *pathOf, format string, args ...any) {
		if first[fault] > 0 {
			w.list[first[fault]-1].More++
			return
		}
		w.find(kind, path.String(), format, args...)
		first[fault] = len(w.list)
	}
	owner := w.owner()
	var walk func(p *pathOf, n *image.Node)
	walk = func(p *pathOf, n *image.Node) {
		perm := n.Mode & image.Perm
		switch {
		case n.IsDir() && perm != 0o555:
			find(0, FaultMode, p, "has mode %#o; 0555 was expected", n.UnixMode()&0o7777)
		case n.Mode.IsRegular() && perm != 0o444 && perm != 0o555:
			find(0, FaultMode, p, "has mode %#o; 0444 or 0555 was expected", n.UnixMode()&0o7777)
		case !n.IsDir() && !n.Mode.IsRegular() && n.Mode.Type() != fs.ModeSymlink:
			find(1, FaultType, p, "is %s, which a store cannot hold", image.Kind(n.Mode))
		}
		if n.UID != owner {
			find(2, FaultOwner, p, "belongs to user %d; %d was expected", n.UID, owner)
		}
		if n.Mtime != image.Epoch {
			find(3, FaultTime, p, "was modified %s; 1 second after 1970 was expected", when(n.Mtime))
		}
		for _, x := range n.Xattrs {
			if !slices.Contains(ignoredXattrs, x.Name) {
				find(4, FaultXattr, p, "has the extended attribute %s; none was expected", printable.Quote(x.Name))
			}
		}
		for _, e := range n.Entries() {
			walk(&pathOf{p, e.Name}, e.Node)
		}
	}
	walk(&pathOf{nil, path}, n)
}

// pathOf is a path as a chain, which is spelled out only if it is needed.
type pathOf struct {
	parent *pathOf
	name   string
}

func (p *pathOf) String() string {
	if p.parent == nil {
		return p.name
	}
	return p.parent.String() + "/" + p.name
}

// when writes a time with the fraction of its second, which can be all that is wrong.
func when(t image.Time) string {
	c := t.Civil()
	s := fmt.Sprintf("%04d-%02d-%02d %02d:%02d:%02d", c.Year, c.Month, c.Day, c.Hour, c.Minute, c.Second)
	if t.Nsec != 0 {
		s += fmt.Sprintf(".%09d", t.Nsec)
	}
	return s + " UTC"
}

// linkName is a file of .links.
type linkName struct {
	path    string
	claimed atomic.Bool
}

// linkNodes returns the files of .links.
func (c *checker) linkNodes() map[*image.Node]*linkName {
	dir := c.store.Child(".links")
	if dir == nil {
		return nil
	}
	links := make(map[*image.Node]*linkName, len(dir.Entries()))
	for _, e := range dir.Entries() {
		path := c.Flavour.StoreDir() + "/.links/" + e.Name
		if e.Node.IsDir() || !e.Node.Mode.IsRegular() && e.Node.Mode&fs.ModeSymlink == 0 {
			c.find(FaultType, path, "is %s; a file or symlink of an item was expected", image.Kind(e.Node.Mode))
			continue
		}
		if other := links[e.Node]; other != nil {
			c.find(FaultLink, path, "is the same file as %s", other.path)
			continue
		}
		links[e.Node] = &linkName{path: path}
	}
	return links
}

// check compares the name with the hash of what it stands for.
func (l *linkName) check(f *findings, hash Hash) {
	name := l.path[strings.LastIndexByte(l.path, '/')+1:]
	if b, err := nixbase32.DecodeString(name); err != nil || len(b) != len(hash) || Hash(b) != hash {
		f.find(FaultLink, l.path, "the hash of what it holds is %s", hash.Base32())
	}
}

// restOfLinks checks those files of .links that no item has any more.
func (c *checker) restOfLinks(ctx context.Context, links map[*image.Node]*linkName) error {
	type rest struct {
		node *image.Node
		*linkName
	}
	var todo []rest
	for n, l := range links {
		if !l.claimed.Load() {
			todo = append(todo, rest{n, l})
		}
	}
	slices.SortFunc(todo, func(a, b rest) int { return strings.Compare(a.path, b.path) })
	found := make([]findings, len(todo))
	err := hashing(ctx, len(todo), narWriters(ctx), func(w *narWriter, i int) error {
		hash, _, err := w.hash(todo[i].node)
		if err := ctx.Err(); err != nil {
			return err
		}
		if err != nil {
			found[i].find(FaultUnreadable, todo[i].path, "%v", err)
			return nil
		}
		todo[i].check(&found[i], hash)
		return nil
	})
	for _, f := range found {
		c.list = append(c.list, f.list...)
	}
	return err
}
