package plan

import (
	"context"
	"errors"
	"fmt"
	"path"
	"reflect"
	"slices"
	"strings"

	"ingot/bootloader"
	"ingot/image"
	"ingot/internal/paths"
	"ingot/recipes"
	"ingot/storedb"
	"ingot/storedb/closures"
)

// Sources remember the items that closures were read to have. So who looks into a system to
// derive its recipe, and then plans it, reads each closure once, and each item's folder.
type Sources struct {
	// Files reads what closures name; nil where there is no standard input.
	Files *closures.Files

	known []knownSource
}

type knownSource struct {
	from  closures.Source
	items []*storedb.Item
}

// find returns the items of a source that was read before.
func (s *Sources) find(from closures.Source) ([]*storedb.Item, bool) {
	if s == nil {
		return nil, false
	}
	for _, k := range s.known {
		if reflect.DeepEqual(k.from, from) {
			return k.items, true
		}
	}
	return nil, false
}

// readClosure returns the items of one source.
func readClosure(ctx context.Context, f storedb.Flavour, h Host, c *recipes.Closure) ([]*storedb.Item, error) {
	from := closures.Source{
		Graphs: hosts(c.Graph), Registrations: hosts(c.Registration), PathInfos: hosts(c.PathInfo),
		Root: c.Root.Host, From: c.From.Host, Unsigned: c.Unsigned,
	}
	if c.Path != "" {
		from.Paths = []string{string(c.Path)}
	}
	for _, p := range c.Cache {
		from.Caches = append(from.Caches, location(p))
	}
	for _, text := range c.Keys {
		more, err := storedb.ParsePublicKeys(text)
		if err != nil {
			return nil, err
		}
		from.Keys = append(from.Keys, more...)
	}
	if items, ok := h.Sources.find(from); ok {
		return items, nil
	}
	o := closures.Options{Fetch: h.Fetch, CacheDir: h.CacheDir}
	if h.Sources != nil {
		o.Files = h.Sources.Files
	}
	o.Fetch.InPlace = true
	found, err := from.Read(ctx, f, o)
	if err != nil {
		return nil, err
	}
	if h.Sources != nil {
		h.Sources.known = append(h.Sources.known, knownSource{from, found.Items})
	}
	return found.Items, nil
}

// A MissingError says that a closure lacks the store path that it is to be the closure of.
type MissingError struct {
	Path  string
	Paths int      // that the closure has
	Roots []string // those of them that look like systems
}

func (e *MissingError) Error() string {
	text := fmt.Sprintf("%s is not in the closure, which has %d store paths", e.Path, e.Paths)
	if len(e.Roots) > 0 {
		text += "; it has " + strings.Join(e.Roots, ", ")
	}
	return text
}

// An Opened is what closures hold, looked into before there is a recipe.
type Opened struct {
	flavour storedb.Flavour
	items   map[string]*storedb.Item
	failed  error
}

// Open reads closures that have a system in them. Only the items that are looked into are
// scanned. The sources of the host remember what was read.
func Open(ctx context.Context, f storedb.Flavour, toplevel string, list []recipes.Closure, h Host) (*Opened, error) {
	o := &Opened{flavour: f, items: map[string]*storedb.Item{}}
	for i := range list {
		items, err := readClosure(ctx, f, h, &list[i])
		if err != nil {
			return nil, err
		}
		for _, it := range items {
			if known := o.items[it.Path]; known == nil || known.Node == nil && it.Node != nil {
				o.items[it.Path] = it
			}
		}
	}
	if o.items[toplevel] == nil {
		return nil, &MissingError{toplevel, len(o.items), o.systems()}
	}
	return o, nil
}

// mostSystems bounds how many systems a message names.
const mostSystems = 3

// systems are the paths of the closure that look like systems by their names.
func (o *Opened) systems() (list []string) {
	for p := range o.items {
		if LooksLikeSystem(p) {
			list = append(list, p)
		}
	}
	slices.Sort(list)
	return list[:min(len(list), mostSystems)]
}

// LooksLikeSystem reports whether a store path has the name of a system: nixos-system-… or, of
// Guix, system.
func LooksLikeSystem(storePath string) bool {
	_, name, _ := strings.Cut(path.Base(storePath), "-")
	return strings.HasPrefix(name, "nixos-system-") || name == "system"
}

// Named returns the paths of the closure whose names begin with a word and a hyphen, sorted.
func (o *Opened) Named(word string) (list []string) {
	for p := range o.items {
		if _, name, _ := strings.Cut(path.Base(p), "-"); strings.HasPrefix(name, word+"-") {
			list = append(list, p)
		}
	}
	slices.Sort(list)
	return list
}

// Host returns where an item lies on the host.
func (o *Opened) Host(storePath string) string { return o.items[storePath].HostPath(o.flavour) }

// Look is a [bootloader.Lookup] into the items.
func (o *Opened) Look(name string) *image.Node {
	dir := o.flavour.StoreDir()
	if paths.In(dir, path.Clean(name)) {
		return image.NewDir(0o755)
	}
	rest, ok := strings.CutPrefix(path.Clean(name), dir+"/")
	if !ok {
		return nil
	}
	base, rest, _ := strings.Cut(rest, "/")
	it := o.items[dir+"/"+base]
	if it == nil {
		return nil
	}
	if it.Node == nil {
		if err := it.Scan(o.flavour); err != nil {
			o.failed = errors.Join(o.failed, err)
			return nil
		}
	}
	n := it.Node
	for part := range strings.SplitSeq(rest, "/") {
		if part == "" {
			continue
		}
		if n = n.Child(part); n == nil {
			return nil
		}
	}
	return n
}

var _ bootloader.Lookup = (*Opened)(nil).Look

// Failed returns the first reason why an item could not be looked into, rather than err, which
// follows from it.
func (o *Opened) Failed(err error) error {
	if o.failed != nil {
		return o.failed
	}
	return err
}
