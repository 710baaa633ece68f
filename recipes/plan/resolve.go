package plan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"ingot/image"
	"ingot/internal/input"
	"ingot/recipes"
	"ingot/storedb"
	"ingot/storedb/archive"
	"ingot/storedb/cache"
)

// Host is what a recipe may take from the machine that builds.
type Host struct {
	// Program is ingot's own file, which becomes the init and the shell of the systems
	// that it makes. It must be linked statically for that.
	Program string
	// Kernel is the folder whose kernel a recipe has that wants the host's; / if it is empty.
	Kernel string
	// Path is where the tools of a boot loader, and mksquashfs, are looked for.
	Path []string
	// Temp is the folder for what is too large for memory, and has no name in it; /var/tmp
	// if it is empty.
	Temp string
	// Packed, if set, is told of bytes that were compressed, from several goroutines, and
	// how many there are.
	Packed func(bytes, total int64)
	// Hashed, if set, is told of bytes of store items that were hashed, from several
	// goroutines.
	Hashed func(bytes int64)
	// Fetch says how binary caches are read; flavour, keys and the like are the recipe's.
	Fetch cache.Options
	// CacheDir is the folder in which what was fetched is kept for the next time, in a
	// folder of its own for each flavour.
	CacheDir string
}

// store is the store of an image as it is being found.
type store struct {
	flavour storedb.Flavour
	closure *storedb.Closure
	system  string // the store path of what boots; empty if there is none
	made    *made  // the system, if ingot made it
	temp    string // the folder for what is too large for memory

	warnings []string
}

// resolve finds all items of the store: those of the closures, those that are added,
// and those of a system that ingot makes.
func resolve(ctx context.Context, r *recipes.Recipe, h Host) (*store, error) {
	s := &store{temp: h.Temp}
	var err error
	if s.flavour, err = storedb.ParseFlavour(r.Store.Flavour); err != nil {
		return nil, err
	}
	var sources [][]*storedb.Item
	for i := range r.Store.Closures {
		items, err := s.read(ctx, h, &r.Store.Closures[i])
		if err != nil {
			return nil, r.At(fmt.Sprintf("store.closures[%d]", i), err)
		}
		sources = append(sources, items)
	}
	for i, a := range r.Store.Add {
		item, err := s.add(a)
		if err != nil {
			return nil, r.At(fmt.Sprintf("store.add[%d].source", i), err)
		}
		sources = append(sources, []*storedb.Item{item})
	}
	if r.System != nil && r.System.Path == "" {
		if s.made, err = makeSystem(ctx, r, s.flavour, h, sources); err != nil {
			return nil, r.At("system", err)
		}
		s.system = s.made.toplevel
		sources = append(sources, s.made.items)
	} else if r.System != nil {
		s.system = r.System.Path
	}
	if s.closure, err = storedb.NewClosure(s.flavour, sources...); err != nil {
		return nil, r.At("store", err)
	}
	if s.system != "" && s.closure.Lookup(s.system) == nil {
		return nil, r.Errorf("system", "%s is not in the closures of the store", s.system)
	}
	for i, g := range r.Bootloader.Generations {
		if s.closure.Lookup(g) == nil {
			return nil, r.Errorf(fmt.Sprintf("bootloader.generations[%d]", i), "%s is not in the closures of the store", g)
		}
	}
	err = s.closure.Load(ctx, storedb.LoadOptions{Verify: r.Store.Verify, Files: r.Store.Deduplicate, Progress: h.Hashed})
	if err != nil {
		return nil, r.At("store.closures", err)
	}
	return s, nil
}

// read returns the items of one source.
func (s *store) read(ctx context.Context, h Host, c *recipes.Closure) ([]*storedb.Item, error) {
	if len(c.Cache) > 0 {
		return s.fetch(ctx, h, c)
	}
	var items []*storedb.Item
	for _, p := range c.Graph {
		more, err := readItems(ctx, p, s.flavour.ReadGraph)
		if err != nil {
			return nil, err
		}
		items = append(items, more...)
	}
	graphs := items
	for _, known := range []struct {
		files recipes.Paths
		read  func(string, io.Reader) ([]*storedb.Item, error)
	}{{c.Registration, s.flavour.ReadRegistration}, {c.PathInfo, s.flavour.ReadPathInfo}} {
		for _, p := range known.files {
			more, err := readItems(ctx, p, known.read)
			if err != nil {
				return nil, err
			}
			if len(c.Graph) > 0 {
				more = about(more, graphs)
			}
			items = append(items, more...)
		}
	}
	from := c.From.Host
	if c.Path != "" {
		more, err := s.readLive(ctx, c)
		if err != nil {
			return nil, err
		}
		if items = append(items, more...); from == "" && !c.Root.IsZero() {
			from = c.Root.Host + s.flavour.StoreDir()
		}
	}
	return storedb.From(from, items), nil
}

// about keeps of a registration what tells of the given items: beside a graph, which
// says what the closure is, it only supplies hashes and sizes.
func about(registration, items []*storedb.Item) []*storedb.Item {
	wanted := make(map[string]bool, len(items))
	for _, it := range items {
		wanted[it.Path] = true
	}
	return slices.DeleteFunc(registration, func(it *storedb.Item) bool { return !wanted[it.Path] })
}

// readItems reads a file, or what a shell's <(…) prints.
func readItems(ctx context.Context, p recipes.Path, read func(string, io.Reader) ([]*storedb.Item, error)) ([]*storedb.Item, error) {
	f, err := input.Open(ctx, p.Host)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return storedb.NotEmpty(read)(p.Host, f)
}

// add makes the item of a file or folder that joins the store.
func (s *store) add(a recipes.Addition) (*storedb.Item, error) {
	var n *image.Node
	var err error
	if a.Unpack {
		n, err = archive.Read(a.Source.Host, archive.Options{Strip: a.Strip, Temp: s.temp, Storable: true, LeftOut: s.leftOut(a.Source)})
	} else {
		n, err = image.Scan(a.Source.Host, image.ScanOptions{Canonical: true})
	}
	if err != nil {
		return nil, err
	}
	return s.flavour.AddPath(a.Name, n)
}

// mostLeftOut is how many entries of one archive are warned of.
const mostLeftOut = 10

// leftOut warns of the first entries of an archive that are left out, and says that there
// are more.
func (s *store) leftOut(from recipes.Path) func(entry string, why error) {
	n := 0
	return func(entry string, why error) {
		switch n++; {
		case n <= mostLeftOut:
			s.warnings = append(s.warnings, fmt.Sprintf("%s: %s %v", from.Text, entry, why))
		case n == mostLeftOut+1:
			s.warnings = append(s.warnings, from.Text+": and further entries")
		}
	}
}

// fetch returns the closure of a store path out of binary caches.
func (s *store) fetch(ctx context.Context, h Host, c *recipes.Closure) ([]*storedb.Item, error) {
	if h.CacheDir == "" {
		return nil, errors.New("there is no folder to keep what binary caches send: set XDG_CACHE_HOME or HOME")
	}
	o := h.Fetch
	o.Flavour, o.Unsigned = s.flavour, c.Unsigned
	o.InPlace, o.Trust = true, true
	keys := c.Keys
	if len(keys) == 0 {
		keys = s.flavour.DefaultKeys()
	}
	for _, text := range keys {
		more, err := storedb.ParsePublicKeys(text)
		if err != nil {
			return nil, err
		}
		o.Keys = append(o.Keys, more...)
	}
	var locations []string
	for _, p := range c.Cache {
		locations = append(locations, location(p))
	}
	remote, err := cache.Open(ctx, o, locations...)
	if err != nil {
		return nil, err
	}
	return remote.Read(ctx, filepath.Join(h.CacheDir, s.flavour.String()+"-store"), c.Path)
}

// location returns the URL or the path of the host that p is.
func location(p recipes.Path) string {
	if strings.Contains(p.Text, "://") {
		return p.Text
	}
	return p.Host
}

// readLive returns the closure of a store path out of the database of its store.
func (s *store) readLive(ctx context.Context, c *recipes.Closure) ([]*storedb.Item, error) {
	return s.flavour.ReadRootDatabase(ctx, cmp.Or(c.Root.Host, "/"), c.Path)
}
