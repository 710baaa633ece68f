package storedisk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"ingot/storedb"
)

// HostClosure returns all of the host's own store below root ("" is "/"): the paths of its
// database, or, without a database, the entries of the store's folder that are called like
// store paths. known says that there is a database.
func HostClosure(ctx context.Context, f storedb.Flavour, root string) (c *storedb.Closure, known bool, err error) {
	root = cmp.Or(root, "/")
	store := filepath.Join(root, f.StoreDir())
	if _, err := os.Stat(store); err != nil {
		return nil, false, fmt.Errorf("this machine has no store of %s: %w", f, err)
	}
	items, err := f.ReadRootDatabase(ctx, root)
	known = err == nil
	if errors.Is(err, fs.ErrNotExist) {
		items, err = listed(f, store)
	}
	if err != nil {
		return nil, false, err
	}
	c, err = storedb.NewClosure(f, storedb.From(store, items))
	return c, known, err
}

// listed returns the entries of the folder, of which only their names are known.
func listed(f storedb.Flavour, store string) ([]*storedb.Item, error) {
	entries, err := os.ReadDir(store)
	if err != nil {
		return nil, err
	}
	var items []*storedb.Item
	for _, e := range entries {
		path := f.StoreDir() + "/" + e.Name()
		if f.CheckPath(path) == nil { // not .links, nor a lock
			items = append(items, &storedb.Item{Path: path, Origin: storedb.Origin{File: store}})
		}
	}
	return items, nil
}

// Host lays out all of the host's own store below root; "" is "/".
func Host(ctx context.Context, f storedb.Flavour, root string) (*Disk, error) {
	c, known, err := HostClosure(ctx, f, root)
	if err != nil {
		return nil, err
	}
	// No GC roots: the guest's collector cannot delete from a read-only disk.
	return New(ctx, Options{Closure: c, NoDatabase: !known, Roots: map[string]string{}})
}
