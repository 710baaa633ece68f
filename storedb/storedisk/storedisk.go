package storedisk

import (
	"context"
	"fmt"
	"io/fs"
	"path"

	"ingot/image"
	"ingot/partition/ext4"
	"ingot/storedb"
)

// Options say what a guest will see.
type Options struct {
	Closure *storedb.Closure
	// NoDatabase leaves out the database and the GC roots: no hash is needed then.
	NoDatabase bool
	// Roots are GC roots, by name. Nil stands for the paths of the closure that no other
	// one refers to, each under its base name.
	Roots map[string]string
	// Hashed is called with the bytes that are read for hashes that no source has, from several
	// goroutines. It may be nil.
	Hashed func(bytes int64)
}

// A Disk is a store as a block device. It may be attached to several machines.
type Disk struct {
	Map     *image.Map
	Flavour storedb.Flavour
	UUID    string // of the file system
}

// Label is that of the file system, and Serial that of the disk.
const (
	Label  = "ingot-store"
	Serial = "ingot-store"
)

// New lays out the closure. It reads the metadata of its files, and contents only for hashes
// that are unknown.
func New(ctx context.Context, o Options) (*Disk, error) {
	c := o.Closure
	tree := image.NewTree()
	populate := populated
	if o.NoDatabase {
		populate = bare
	}
	if err := populate(ctx, tree, o); err != nil {
		return nil, fmt.Errorf("store for the guest: %w", err)
	}
	// This folder is read-only: new items go to a layer over it.
	store := tree.Lookup(c.Flavour.StoreDir())
	store.Mode, store.UID, store.GID, store.Mtime = fs.ModeDir|0o555, 0, 0, image.Epoch
	digest := c.Digest()
	v := image.Volume{Label: Label, Size: image.Fit(0), Seed: image.NewSeed(append([]byte("store disk"), digest[:]...))}
	format := ext4.FileSystem{NoJournal: true}
	m, err := format.Layout(tree, v)
	if err != nil {
		return nil, fmt.Errorf("store for the guest: %w", err)
	}
	return &Disk{m, c.Flavour, format.UUID(v)}, nil
}

// populated puts the store with everything around it into the tree.
func populated(ctx context.Context, t *image.Tree, o Options) error {
	roots := o.Roots
	if roots == nil {
		roots = map[string]string{}
		for _, it := range o.Closure.Roots() {
			roots[path.Base(it.Path)] = it.Path
		}
	}
	return storedb.Populate(ctx, t, o.Closure, storedb.Options{
		LoadOptions: storedb.LoadOptions{Progress: o.Hashed},
		Roots:       roots,
	})
}

// bare puts the items into the tree and nothing else.
func bare(ctx context.Context, t *image.Tree, o Options) error {
	if err := o.Closure.Scan(ctx); err != nil {
		return err
	}
	store, err := t.MakeDirs(o.Closure.Flavour.StoreDir())
	if err != nil {
		return err
	}
	for _, it := range o.Closure.Items() {
		if err := store.Add(path.Base(it.Path), it.Node); err != nil {
			return fmt.Errorf("%s: %w", it.Path, err)
		}
	}
	return nil
}
