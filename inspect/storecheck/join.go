package storecheck

import (
	"path"
	"strings"

	"ingot/image"
	"ingot/inspect"
	"ingot/storedb"
)

// A disk does not say where its volumes are mounted. Its files do: a store without /nix above it
// is that of a volume mounted at /nix or /nix/store, and its database may lie in another.

// A part is a volume, and the root that a system sees in it.
type part struct {
	*inspect.Volume
	tree *image.Tree // of the volume
	root *image.Tree // what is checked: the tree, or one put together of several volumes
}

// join puts the roots together whose store, or its database, has a volume of its own.
func join(parts []part) []part {
	for i := range parts {
		for _, f := range []storedb.Flavour{storedb.Nix, storedb.Guix} {
			if store := storeIn(parts[i].tree, f); store != nil {
				joinStore(parts, i, f, store)
			}
		}
	}
	return parts
}

// joinStore makes the root of the volume with a store. Without its database there is none.
func joinStore(parts []part, at int, f storedb.Flavour, store *image.Node) {
	own := parts[at].tree
	state := own.Lookup(f.StateDir())
	if above := path.Dir(f.StoreDir()); state == nil && path.Dir(f.StateDir()) == above+"/var" {
		state = own.Lookup("/var/" + path.Base(f.StateDir())) // /nix as a whole
	}
	for j := range parts {
		if hasDatabase(state) {
			break
		}
		if j != at && emptyDir(parts[j].tree.Lookup(f.StoreDir())) {
			if other := stateIn(parts[j].tree, f); hasDatabase(other) || state == nil && other != nil {
				state = other
				parts[j].root = without(parts[j].tree, f)
			}
		}
	}
	if state == nil || state == own.Lookup(f.StateDir()) && store == own.Lookup(f.StoreDir()) {
		return
	}
	if store == own.Root {
		store = withoutLost(store)
	}
	root := image.NewTree()
	if root.Put(f.StoreDir(), store) != nil || root.Put(f.StateDir(), state) != nil {
		return
	}
	parts[at].root = root
	for j := range parts { // a root has places to mount both
		if t := parts[j].tree; j != at && emptyDir(t.Lookup(f.StoreDir())) && emptyDir(t.Lookup(f.StateDir())) {
			parts[j].root = without(t, f)
		}
	}
}

// stateIn returns what a volume has of the folder with the database: whole, where the volume is a
// root, or in one that is mounted at it or above it.
func stateIn(t *image.Tree, f storedb.Flavour) *image.Node {
	for at := f.StateDir(); ; at = path.Dir(at) {
		inside := path.Join("/", strings.TrimPrefix(f.StateDir(), at))
		if at == "/" {
			inside = f.StateDir()
		}
		if n := t.Lookup(inside); at == "/" || hasDatabase(n) {
			return n
		}
	}
}

// hasDatabase reports whether the folder of a database has one.
func hasDatabase(state *image.Node) bool {
	if state == nil || !state.IsDir() {
		return false
	}
	db := (&image.Tree{Root: state}).Lookup(database)
	return db != nil && db.Mode.IsRegular()
}

// database is where it lies in its folder.
const database = "/db/db.sqlite"

// withoutLost returns the root of a file system without the folder that ext4 and others have
// there for e2fsck.
func withoutLost(store *image.Node) *image.Node {
	dir := image.NewDir(0)
	dir.Mode, dir.UID, dir.GID, dir.Mtime, dir.Xattrs = store.Mode, store.UID, store.GID, store.Mtime, store.Xattrs
	for _, e := range store.Entries() {
		if e.Name != "lost+found" {
			_ = dir.Add(e.Name, e.Node) // the names were good before
		}
	}
	return dir
}

// without returns an empty root, for a volume whose own place for the store is a mount point;
// one of another store stays.
func without(t *image.Tree, f storedb.Flavour) *image.Tree {
	for _, other := range []storedb.Flavour{storedb.Nix, storedb.Guix} {
		if other != f && !emptyDir(t.Lookup(other.StoreDir())) {
			return t
		}
	}
	return image.NewTree()
}

// emptyDir reports whether a node is an empty directory, or missing.
func emptyDir(n *image.Node) bool { return n == nil || n.IsDir() && len(n.Entries()) == 0 }

// storeIn returns the store in a volume that is mounted at the store directory, or at the one
// above it; nil in others.
func storeIn(t *image.Tree, f storedb.Flavour) *image.Node {
	if n := t.Lookup(f.StoreDir()); !emptyDir(n) {
		if !n.IsDir() || hasDatabase(t.Lookup(f.StateDir())) || without(t, f) == t {
			return nil // it is whole as it is
		}
		return n
	}
	for _, n := range []*image.Node{t.Lookup("/" + path.Base(f.StoreDir())), t.Root} {
		if n != nil && n.IsDir() && hasItems(n, f) {
			return n
		}
	}
	return nil
}

// hasItems reports whether a directory has the names of store items.
func hasItems(dir *image.Node, f storedb.Flavour) bool {
	for _, e := range dir.Entries() {
		if f.CheckPath(f.StoreDir()+"/"+e.Name) == nil {
			return true
		}
	}
	return false
}
