package recipes

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"ingot/image"
	"ingot/storedb"
)

// Host is what a recipe may take from the machine that builds.
type Host struct {
	// Program is ingot's own file, which becomes the init and the shell of the systems
	// that it makes. It must be linked statically for that.
	Program string
	// Path is where the tools of a boot loader are looked for.
	Path []string
	// Hashed, if set, is told of bytes of store items that were hashed, from several
	// goroutines.
	Hashed func(bytes int64)
}

// store is the store of an image as it is being found.
type store struct {
	flavour storedb.Flavour
	closure *storedb.Closure
	system  string // the store path of what boots; empty if there is none
	made    *made  // the system, if ingot made it
}

// resolve finds all items of the store: those of the closures, those that are added,
// and those of a system that ingot makes.
func (r *Recipe) resolve(ctx context.Context, h Host) (*store, error) {
	s := &store{}
	var err error
	if s.flavour, err = storedb.ParseFlavour(r.Store.Flavour); err != nil {
		return nil, err
	}
	var sources [][]*storedb.Item
	for i := range r.Store.Closures {
		items, err := s.read(&r.Store.Closures[i])
		if err != nil {
			return nil, r.src.wrap(fmt.Sprintf("store.closures[%d]", i), err)
		}
		sources = append(sources, items)
	}
	for i, a := range r.Store.Add {
		item, err := s.add(a)
		if err != nil {
			return nil, r.src.wrap(fmt.Sprintf("store.add[%d].source", i), err)
		}
		sources = append(sources, []*storedb.Item{item})
	}
	if r.System != nil && r.System.Path == "" {
		if s.made, err = r.makeSystem(s.flavour, h); err != nil {
			return nil, r.src.wrap("system", err)
		}
		s.system = s.made.toplevel
		sources = append(sources, s.made.items)
	} else if r.System != nil {
		s.system = r.System.Path
	}
	if s.closure, err = storedb.NewClosure(s.flavour, sources...); err != nil {
		return nil, r.src.wrap("store", err)
	}
	if s.system != "" && s.closure.Lookup(s.system) == nil {
		return nil, r.src.errorf("system", "%s is not in the closures of the store", s.system)
	}
	for i, g := range r.Bootloader.Generations {
		if s.closure.Lookup(g) == nil {
			return nil, r.src.errorf(fmt.Sprintf("bootloader.generations[%d]", i), "%s is not in the closures of the store", g)
		}
	}
	err = s.closure.Load(ctx, storedb.LoadOptions{Verify: r.Store.Verify, Files: r.Store.Deduplicate, Progress: h.Hashed})
	if err != nil {
		return nil, r.src.wrap("store.closures", err)
	}
	return s, nil
}

// read returns the items of one source.
func (s *store) read(c *Closure) ([]*storedb.Item, error) {
	var items []*storedb.Item
	for _, p := range c.Graph {
		more, err := readFile(p, s.flavour.ReadGraph)
		if err != nil {
			return nil, err
		}
		items = append(items, more...)
	}
	for _, p := range c.Registration {
		more, err := readFile(p, s.flavour.ReadRegistration)
		if err != nil {
			return nil, err
		}
		if len(c.Graph) > 0 {
			more = about(more, items)
		}
		items = append(items, more...)
	}
	from := c.From.Host
	if c.Path != "" {
		more, err := s.readLive(c)
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

func readFile[R any](p Path, read func(name string, r io.Reader) (R, error)) (R, error) {
	f, err := os.Open(p.Host)
	if err != nil {
		var none R
		return none, err
	}
	defer f.Close()
	return read(p.Host, f)
}

// add makes the item of a file or folder that joins the store.
func (s *store) add(a Addition) (*storedb.Item, error) {
	n, err := image.Scan(a.Source.Host, image.ScanOptions{Canonical: true})
	if err != nil {
		return nil, err
	}
	return s.flavour.AddPath(a.Name, n)
}

// readLive returns the closure of a store path out of the database of its store.
func (s *store) readLive(c *Closure) ([]*storedb.Item, error) {
	return s.flavour.ReadDatabase(filepath.Join(cmp.Or(c.Root.Host, "/"), s.flavour.DatabasePath()), c.Path)
}
