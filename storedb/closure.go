package storedb

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"slices"
	"strings"
)

// Closure is a set of store items that holds all that its items refer to, in an
// order that does not depend on how it was found: an item stands after those that
// it refers to; among those that could come next, the least path does. Items that
// refer to each other stand together, sorted by path.
type Closure struct {
	Flavour Flavour
	items   []*Item
	index   map[string]int32
	// files are the hashes of each item's linkable files, in the order of a walk; nil
	// before they were computed.
	files [][]Hash
}

// NewClosure unites the items of several sources into a closure. What two sources
// say about one path is put together: a registration supplies hashes and sizes to a
// graph. It is an error if they contradict each other, or if an item refers to what
// no source defines.
//
// The items are the Closure's from here on, and change when it learns more of them.
func NewClosure(f Flavour, sources ...[]*Item) (*Closure, error) {
	n := 0
	for _, s := range sources {
		n += len(s)
	}
	c := &Closure{Flavour: f, items: make([]*Item, 0, n), index: make(map[string]int32, n)}
	for _, s := range sources {
		for _, it := range s {
			if err := c.add(it); err != nil {
				return nil, err
			}
		}
	}
	edges, err := c.edges()
	if err != nil {
		return nil, err
	}
	c.permute(order(edges, c.lexical()))
	return c, nil
}

func (c *Closure) add(it *Item) error {
	if i, ok := c.index[it.Path]; ok {
		if c.items[i] == it {
			return nil
		}
		return c.items[i].merge(it)
	}
	if err := c.Flavour.CheckPath(it.Path); err != nil {
		return err
	}
	it.References = sortedSet(it.References)
	c.index[it.Path] = int32(len(c.items))
	c.items = append(c.items, it)
	return nil
}

// edges returns for each item the places of those that it refers to, itself left out.
func (c *Closure) edges() (*graph, error) {
	g := newGraph(len(c.items))
	var missing []string
	for i, it := range c.items {
		for _, ref := range it.References {
			j, ok := c.index[ref]
			if !ok {
				missing = append(missing, fmt.Sprintf("%s: %s refers to %s, which no source defines", it.Origin, it.Path, ref))
			} else if int(j) != i {
				g.add(j)
			}
		}
		g.next()
	}
	if len(missing) == 0 {
		return g, nil
	}
	slices.Sort(missing)
	more := ""
	if len(missing) > 1 {
		more = fmt.Sprintf(" (%d such references in all)", len(missing))
	}
	return nil, fmt.Errorf("%s%s", strings.TrimPrefix(missing[0], ": "), more)
}

// lexical returns the places of the items, sorted by path.
func (c *Closure) lexical() []int32 {
	places := make([]int32, len(c.items))
	for i := range places {
		places[i] = int32(i)
	}
	slices.SortFunc(places, func(a, b int32) int { return strings.Compare(c.items[a].Path, c.items[b].Path) })
	return places
}

// permute puts the items into the order of their places.
func (c *Closure) permute(places []int32) {
	items := make([]*Item, len(places))
	for i, p := range places {
		items[i] = c.items[p]
		c.index[items[i].Path] = int32(i)
	}
	c.items = items
}

// Items returns the items in order. The slice must not be changed.
func (c *Closure) Items() []*Item { return c.items }

// Len returns the number of items.
func (c *Closure) Len() int { return len(c.items) }

// Lookup returns the item of a store path, or nil.
func (c *Closure) Lookup(path string) *Item {
	if i, ok := c.index[path]; ok {
		return c.items[i]
	}
	return nil
}

// NarSize returns the sum of the sizes that are known.
func (c *Closure) NarSize() int64 {
	total := int64(0)
	for _, it := range c.items {
		total += it.NarSize
	}
	return total
}

// Digest returns the SHA-256 of the closure's registration: two closures have the
// same if they hold the same items with the same contents and references.
func (c *Closure) Digest() Hash {
	var h hash.Hash = sha256.New()
	_ = c.WriteRegistration(h) // a hash takes every write
	return Hash(h.Sum(nil))
}

// Notes returns those of all items: data of sources that are left out.
func (c *Closure) Notes() (notes []string) {
	for _, it := range c.items {
		notes = append(notes, it.Notes...)
	}
	return notes
}

// Requisites returns the part of the closure that the given paths need: them, what
// they refer to, and so on.
func (c *Closure) Requisites(paths ...string) (*Closure, error) {
	items, missing := requisites(c.Lookup, paths)
	if missing != "" {
		return nil, fmt.Errorf("%s is not in the closure", missing)
	}
	return NewClosure(c.Flavour, items)
}

// requisites returns the items that paths need: them, what they refer to, and so on. lookup
// returns the item of a path, or nil; the first of paths that has none is missing.
func requisites(lookup func(path string) *Item, paths []string) (items []*Item, missing string) {
	seen := map[string]bool{}
	visit := func(path string) bool {
		it := lookup(path)
		if it != nil && !seen[path] {
			seen[path] = true
			items = append(items, it)
		}
		return it != nil
	}
	for _, p := range paths {
		if !visit(p) {
			return nil, p
		}
	}
	for i := 0; i < len(items); i++ {
		for _, ref := range items[i].References {
			visit(ref)
		}
	}
	return items, ""
}

// Containing returns the item that path is or lies in, or nil.
func (c *Closure) Containing(path string) *Item {
	below, ok := strings.CutPrefix(path, c.Flavour.StoreDir()+"/")
	if !ok {
		return nil
	}
	base, _, _ := strings.Cut(below, "/")
	return c.Lookup(c.Flavour.StoreDir() + "/" + base)
}
