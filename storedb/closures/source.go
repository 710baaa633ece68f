package closures

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"ingot/image"
	"ingot/internal/printable"
	"ingot/storedb"
	"ingot/storedb/archive"
	"ingot/storedb/cache"
)

// A Source says where a closure is read from.
type Source struct {
	Graphs, Registrations, PathInfos []string // files

	Paths []string // store paths whose closures a live store has, or the caches
	Root  string   // of the file system with the live store; Default: "/".
	From  string   // the folder with the items; Default: the store of Root.

	Caches   []string // binary caches, asked in turn: URLs or folders
	Keys     []storedb.PublicKey
	Unsigned bool // take what no key of Keys has signed, too; Default for Keys: the flavour's.
}

// Empty says whether the source names nothing.
func (s *Source) Empty() bool {
	return len(s.Graphs)+len(s.Registrations)+len(s.PathInfos)+len(s.Paths) == 0
}

// Place is the folder with the items; "" is the store directory itself.
func (s *Source) Place(f storedb.Flavour) string {
	if s.From == "" && s.Root != "" {
		return filepath.Join(s.Root, f.StoreDir())
	}
	return s.From
}

// Options say how sources are read.
type Options struct {
	Files *Files // nil: there is no standard input
	// Fetch says how binary caches are read; flavour, keys and the like are the source's.
	Fetch cache.Options
	// CacheDir is the folder in which what caches send is kept for the next time, in a folder
	// of its own for each flavour.
	CacheDir string
	// Later leaves what caches have where it is, until [Found.Fetch]: the items then come
	// from there.
	Later bool
}

// A NoStoreError says that a root has no store with a database.
type NoStoreError struct {
	Root string
	Err  error
}

func (e *NoStoreError) Error() string {
	return fmt.Sprintf("%s: no store with a database is here to read the closure from: %v", printable.Name(e.Root), e.Err)
}
func (e *NoStoreError) Unwrap() error { return e.Err }

// Found is what a source has.
type Found struct {
	Items []*storedb.Item

	// Remote are the caches that have items which lie there still, or nil.
	Remote *cache.Cache
	paths  []*cache.Path // the items of Remote
	dir    string
}

// Read reads the source.
func (s *Source) Read(ctx context.Context, f storedb.Flavour, o Options) (*Found, error) {
	found := &Found{dir: o.CacheDir}
	var wanted map[string]bool // by the graphs
	for k, names := range [][]string{Graph: s.Graphs, Registration: s.Registrations, PathInfo: s.PathInfos} {
		for _, name := range names {
			items, err := o.Files.read(ctx, f, Kind(k), name)
			if err != nil {
				return nil, err
			}
			found.Items = append(found.Items, about(items, wanted)...)
		}
		if Kind(k) == Graph {
			wanted = pathsOf(found.Items)
		}
	}
	if len(s.Paths) > 0 && len(s.Caches) == 0 {
		root := cmp.Or(s.Root, "/")
		items, err := f.ReadRootDatabase(ctx, root, s.Paths...)
		if errors.Is(err, fs.ErrNotExist) {
			err = &NoStoreError{root, err}
		}
		if err != nil {
			return nil, err
		}
		found.Items = append(found.Items, items...)
	}
	storedb.From(s.Place(f), found.Items)
	if len(s.Caches) > 0 {
		return found, s.ask(ctx, f, o, found)
	}
	return found, nil
}

// about keeps of items those that are wanted; all, if wanted is nil.
func about(items []*storedb.Item, wanted map[string]bool) []*storedb.Item {
	if wanted == nil {
		return items
	}
	return slices.DeleteFunc(items, func(it *storedb.Item) bool { return !wanted[it.Path] })
}

// pathsOf returns the paths of items, nil if there are none.
func pathsOf(items []*storedb.Item) map[string]bool {
	if len(items) == 0 {
		return nil
	}
	paths := map[string]bool{}
	for _, it := range items {
		paths[it.Path] = true
	}
	return paths
}

// ask adds what binary caches have of the closures of the paths.
func (s *Source) ask(ctx context.Context, f storedb.Flavour, o Options, found *Found) error {
	c := o.Fetch
	c.Flavour, c.Unsigned, c.Trust = f, s.Unsigned, true
	if c.Keys = s.Keys; len(c.Keys) == 0 {
		for _, text := range f.DefaultKeys() {
			keys, err := storedb.ParsePublicKeys(text)
			if err != nil {
				return err
			}
			c.Keys = append(c.Keys, keys...)
		}
	}
	if !o.Later && o.CacheDir == "" {
		return errNoFolder
	}
	remote, err := cache.Open(ctx, c, s.Caches...)
	if err != nil {
		return err
	}
	paths, err := remote.Closure(ctx, s.Paths...)
	if err != nil {
		return err
	}
	var items []*storedb.Item
	if o.Later {
		found.Remote, found.paths = remote, paths
		items = remote.Items(paths)
	} else if items, err = remote.Fetch(ctx, paths, kept(o.CacheDir, f)); err != nil {
		return err
	}
	found.Items = append(found.Items, items...)
	return nil
}

var errNoFolder = errors.New("there is no folder to keep what binary caches send: set XDG_CACHE_HOME or HOME")

// kept is the folder of what was fetched of a flavour.
func kept(dir string, f storedb.Flavour) string { return filepath.Join(dir, f.String()+"-store") }

// Fetch brings what binary caches have of a closure, which was made of the items, into the
// folder of what is kept, where its files are needed on the host.
func (f *Found) Fetch(ctx context.Context, closure *storedb.Closure) error {
	if f.Remote == nil {
		return nil
	}
	if f.dir == "" {
		return errNoFolder
	}
	items, err := f.Remote.Fetch(ctx, f.paths, kept(f.dir, closure.Flavour))
	if err != nil {
		return err
	}
	for _, it := range items {
		here := closure.Lookup(it.Path)
		here.From, here.Remote = it.From, nil
	}
	return nil
}

// An Addition is a file or a folder that joins the store, under its content address.
type Addition struct {
	Name, Path string
	Unpack     bool   // the file is an archive, and what is in it joins
	Strip      int    // of an archive: how many leading folders its names lose
	Temp       string // the folder for what is too large for memory
	// LeftOut is called with each entry of an archive that no store can hold.
	LeftOut func(entry string, why error)
}

// Item makes the item.
func (a Addition) Item(f storedb.Flavour) (*storedb.Item, error) {
	var n *image.Node
	var err error
	if a.Unpack {
		n, err = archive.Read(a.Path, archive.Options{Strip: a.Strip, Temp: a.Temp, Storable: true, LeftOut: a.LeftOut})
	} else {
		n, err = image.Scan(a.Path, image.ScanOptions{Canonical: true})
	}
	if err != nil {
		return nil, err
	}
	return f.AddPath(a.Name, n)
}
