package storedb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"ingot/image"
)

// Fault is a kind of thing that can be wrong with a store.
type Fault string

const (
	FaultMissing      Fault = "missing"      // registered, and not there
	FaultUnregistered Fault = "unregistered" // there, and not registered
	FaultHash         Fault = "hash"         // contents are not those that were registered
	FaultSize         Fault = "size"         // nor is their size
	FaultUnreadable   Fault = "unreadable"   // contents cannot be read
	FaultReference    Fault = "reference"    // to what is not registered, or in a circle
	FaultAddress      Fault = "address"      // a content address that is not the path's
	FaultMode         Fault = "mode"         // permissions that are not those of a store
	FaultOwner        Fault = "owner"
	FaultTime         Fault = "time"
	FaultXattr        Fault = "xattr"    // an extended attribute, where a store has none
	FaultType         Fault = "type"     // a kind of file that a store does not hold
	FaultLink         Fault = "link"     // a file of .links that is not what its name says
	FaultRoot         Fault = "root"     // a GC root that leads nowhere
	FaultProfile      Fault = "profile"  // a profile, or a generation of one, that leads nowhere
	FaultSchema       Fault = "schema"   // a database of another form
	FaultDatabase     Fault = "database" // a database that is damaged or holds nonsense
)

// A Finding is something that is wrong with a store.
type Finding struct {
	Fault Fault `json:"fault"`
	// Path is what it is wrong with, as the system that runs from the store sees it.
	Path string `json:"path"`
	// Detail says what it is and what it should be.
	Detail string `json:"detail"`
	// More is how many files of the same item have the same fault.
	More int `json:"more,omitempty"`
}

// A Report is what [CheckRoot] and [CheckTree] found.
type Report struct {
	Flavour Flavour
	// Paths is how many paths are registered, Items how many are there. Bytes is the
	// size of the NARs that were hashed.
	Paths, Items int
	Bytes        int64
	// Findings are sorted by path.
	Findings []Finding
}

// CheckOptions says how a store is checked. The zero value checks all.
type CheckOptions struct {
	Flavour Flavour
	// NoContents leaves out hashing what the items hold.
	NoContents bool
	// AnyOwner expects all items to belong to the owner of the store directory, instead of
	// root: an ordinary user's own root is right that way.
	AnyOwner bool
	// MaxDatabase is how many bytes the database of an image, and its log, may have, which
	// are read into memory; 4 GiB if 0.
	MaxDatabase int64
	// MaxContents is how many bytes are hashed at most; 0 is any number. An image can have
	// files of petabytes, all holes.
	MaxContents int64
	// Progress, if set, is called with the bytes hashed since the last call, and with their
	// total, from several goroutines.
	Progress func(bytes, total int64)
}

// CheckTree compares the store of a whole system in t with its database, which is read from t
// as well. Faults of the store are in the Report; an error means that it could not be checked.
func CheckTree(ctx context.Context, t *image.Tree, o CheckOptions) (*Report, error) {
	c := newChecker(t, o)
	c.lookup = t.Lookup
	c.withDatabase = c.databaseInTree
	return c.run(ctx)
}

// CheckRoot does what [CheckTree] does for the root dir of the host, "/" or another.
// Where dir is absolute, links that lead to it are taken for links within the root.
//
// In a root that is not "/", the store and the database must not lie behind symlinks, which could
// lead out of it. Nothing is written. The database may be in use meanwhile; items that are added
// or removed during the check may be reported as missing or unregistered.
func CheckRoot(ctx context.Context, dir string, o CheckOptions) (*Report, error) {
	t := image.NewTree()
	f := o.Flavour
	if err := f.inRoot(dir, nil); err != nil {
		return nil, err
	}
	// The rest of the state directory has what an ordinary user may not see.
	for _, name := range []string{f.StoreDir(), f.StateDir() + "/db", f.StateDir() + "/gcroots", f.StateDir() + "/profiles"} {
		n, err := image.Scan(filepath.Join(dir, name), image.ScanOptions{HardLinks: true, Xattrs: true})
		if errors.Is(err, fs.ErrNotExist) && name != f.StoreDir() {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := t.Put(name, n); err != nil {
			return nil, err
		}
	}
	c := newChecker(t, o)
	if filepath.IsAbs(dir) && filepath.Clean(dir) != "/" {
		c.host = filepath.Clean(dir)
	}
	c.lookup = func(name string) *image.Node {
		if n := t.Lookup(name); n != nil {
			return n
		}
		return onHostAt(filepath.Join(dir, name))
	}
	c.withDatabase = func(read func(*dbReader) error) error {
		return withDatabase(ctx, filepath.Join(dir, f.DatabasePath()), read)
	}
	return c.run(ctx)
}

// onHostAt returns a node of the type of what lies there, with a symlink's target, or
// nil. It only serves to follow links.
func onHostAt(name string) *image.Node {
	info, err := os.Lstat(name)
	if err != nil {
		return nil
	}
	switch {
	case info.IsDir():
		return image.NewDir(info.Mode())
	case info.Mode()&fs.ModeSymlink == 0:
		return image.NewFile(info.Mode(), nil)
	}
	target, err := os.Readlink(name)
	if err != nil {
		return nil
	}
	return image.NewSymlink(target)
}

// checker is one check of a store.
type checker struct {
	CheckOptions
	ctx          context.Context
	tree         *image.Tree
	host         string                        // where the root lies on the host, if it does
	lookup       func(path string) *image.Node // follows no links
	withDatabase func(read func(*dbReader) error) error

	store      *image.Node
	registered map[string]*Item
	findings
}

func newChecker(t *image.Tree, o CheckOptions) *checker {
	return &checker{CheckOptions: o, tree: t, registered: map[string]*Item{}}
}

func (c *checker) run(ctx context.Context) (*Report, error) {
	c.ctx = ctx
	c.store = c.tree.Lookup(c.Flavour.StoreDir())
	if c.store == nil {
		return nil, fmt.Errorf("%s is not there: there is no %s store to check", c.Flavour.StoreDir(), c.Flavour)
	}
	r := &Report{Flavour: c.Flavour}
	c.storeDir()
	if err := c.database(); err != nil {
		return nil, err
	}
	c.relations()
	if err := c.items(ctx, r); err != nil {
		return nil, err
	}
	c.links("gcroots", FaultRoot)
	c.links("profiles", FaultProfile)
	r.Paths = len(c.registered)
	r.Findings = c.sorted()
	return r, nil
}

// storeDir checks the store directory itself. Which group may write to it, and
// whether it is sticky, differs between single-user and multi-user stores.
func (c *checker) storeDir() {
	dir := c.Flavour.StoreDir()
	switch perm := c.store.Mode.Perm(); {
	case !c.store.IsDir():
		c.find(FaultType, dir, "is %s; a directory was expected", image.Kind(c.store.Mode))
	case perm&0o002 != 0:
		c.find(FaultMode, dir, "has mode %#o: everybody may write to it", perm)
	case perm&0o555 != 0o555:
		c.find(FaultMode, dir, "has mode %#o: not everybody may read it", perm)
	}
	if c.store.UID != 0 && !c.AnyOwner {
		c.find(FaultOwner, dir, "belongs to user %d; root was expected", c.store.UID)
	}
}

// owner is the user that all items have to belong to.
func (c *checker) owner() uint32 {
	if c.AnyOwner {
		return c.store.UID
	}
	return 0
}

// findings is a list that grows.
type findings struct {
	list []Finding
}

func (f *findings) find(fault Fault, path, format string, args ...any) {
	f.list = append(f.list, Finding{Fault: fault, Path: path, Detail: fmt.Sprintf(format, args...)})
}

func (f *findings) sorted() []Finding {
	slices.SortStableFunc(f.list, func(a, b Finding) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), cmp.Compare(a.Fault, b.Fault))
	})
	return f.list
}

// ignored says whether what is called name in the store directory is the store's own
// and no item: the deduplicated files, locks, and what Guix is about to delete.
func ignored(name string) bool {
	return name == ".links" || name == "trash" || path.Ext(name) == ".lock"
}
