package plan

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"ingot/recipes"
	"ingot/storedb"
	"ingot/storedb/closures"
)

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
		s.system = string(r.System.Path)
	}
	if s.closure, err = storedb.NewClosure(s.flavour, sources...); err != nil {
		return nil, r.At("store", err)
	}
	if s.system != "" && s.closure.Lookup(s.system) == nil {
		if dir := s.flavour.StoreDir(); path.Dir(s.system) != dir {
			return nil, r.Errorf("system", "%s does not lie in %s: ingot makes a store nowhere else", s.system, dir)
		}
		return nil, r.Errorf("system", "%s is not in the closures of the store", s.system)
	}
	for i, g := range r.Bootloader.Generations {
		if s.closure.Lookup(string(g.Path)) == nil {
			return nil, r.Errorf(fmt.Sprintf("bootloader.generations[%d]", i), "%s is not in the closures of the store", g.Path)
		}
	}
	err = s.closure.Load(ctx, storedb.LoadOptions{Verify: r.Store.Verify, Files: r.Store.Deduplicate, Progress: h.Hashed})
	if err != nil {
		return nil, r.At("store.closures", err)
	}
	if s.made != nil {
		s.warnings = append(s.warnings, s.made.warnings...)
	}
	s.warnings = append(s.warnings, s.closure.Notes()...)
	return s, nil
}

// read returns the items of one source.
func (s *store) read(ctx context.Context, h Host, c *recipes.Closure) ([]*storedb.Item, error) {
	items, err := readClosure(ctx, s.flavour, h, c)
	if kind := (*closures.KindError)(nil); errors.As(err, &kind) {
		return nil, fmt.Errorf("%w: it belongs to the key %s", err, kind.Is)
	}
	return items, err
}

func hosts(paths recipes.Paths) (list []string) {
	for _, p := range paths {
		list = append(list, p.Host)
	}
	return list
}

// add makes the item of a file or folder that joins the store.
func (s *store) add(a recipes.Addition) (*storedb.Item, error) {
	added := closures.Addition{Name: a.Name, Path: a.Source.Host, Unpack: a.Unpack, Strip: a.Strip, Temp: s.temp, LeftOut: s.leftOut(a.Source)}
	return added.Item(s.flavour)
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

// location returns the URL or the path of the host that p is.
func location(p recipes.Path) string {
	if strings.Contains(p.Text, "://") {
		return p.Text
	}
	return p.Host
}
