package storedisk_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/image"
	"ingot/storedb"
	"ingot/storedb/storedisk"
	"ingot/tests/fstest"
	"ingot/tests/nixtest"
)

// closure reads the closure that real Nix has made, with its registration or without.
func closure(t *testing.T, c *nixtest.Closure, registered bool) *storedb.Closure {
	t.Helper()
	name, read := c.Graph, storedb.Nix.ReadGraph
	if registered {
		name, read = c.Registration, storedb.Nix.ReadRegistration
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	items, err := read(name, f)
	if err != nil {
		t.Fatal(err)
	}
	got, err := storedb.NewClosure(storedb.Nix, storedb.From(c.Store, items))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func disk(t *testing.T, o storedisk.Options) *storedisk.Disk {
	t.Helper()
	d, err := storedisk.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func digest(t *testing.T, m *image.Map) string {
	t.Helper()
	pieces, err := image.HashPieces(t.Context(), m, image.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return pieces.Digest().String()
}

// TestDisk has others look at the disk of a closure, with and without its database.
func TestDisk(t *testing.T) {
	c := nixtest.System(t)
	for _, none := range []bool{false, true} {
		d := disk(t, storedisk.Options{Closure: closure(t, c, true), NoDatabase: none})
		raw := filepath.Join(t.TempDir(), "store")
		if err := image.WriteRaw(t.Context(), d.Map, raw, image.WriteOptions{NoSync: true}); err != nil {
			t.Fatal(err)
		}
		fstest.Run(t, fstest.Judge(t, "e2fsck", "e2fsprogs"), "-fn", raw)
		debugfs := fstest.Judge(t, "debugfs", "e2fsprogs")
		ls := fstest.Run(t, debugfs, "-R", "stat /nix/store", raw)
		if !strings.Contains(ls, "Mode:  0555") || !strings.Contains(ls, "User:     0   Group:     0") || !strings.Contains(ls, "mtime: 0x00000001") {
			t.Errorf("the store's folder is not dr-xr-xr-x root of 1970:\n%s", ls)
		}
		db := fstest.Run(t, debugfs, "-R", "ls /nix/var/nix/db", raw)
		if strings.Contains(db, "db.sqlite") == none {
			t.Errorf("NoDatabase: %v, and the database's folder has\n%s", none, db)
		}
		uuid := fstest.Run(t, fstest.Judge(t, "blkid", "util-linux"), "-p", "-o", "value", "-s", "UUID", raw)
		if got := "ingot.store=UUID=" + strings.TrimSpace(uuid); got != d.Words()[0] {
			t.Errorf("Words = %q, and blkid has %s", d.Words(), got)
		}
	}
}

// TestSameDisk: what the closure was read from does not matter.
func TestSameDisk(t *testing.T) {
	c := nixtest.System(t)
	first := disk(t, storedisk.Options{Closure: closure(t, c, true)})
	second := disk(t, storedisk.Options{Closure: closure(t, c, false)})
	if a, b := digest(t, first.Map), digest(t, second.Map); a != b || first.UUID != second.UUID {
		t.Errorf("digests of the disk from a registration and from a graph: %s and %s; want the same", a, b)
	}
}

// TestHost lays out a whole store: one with a database, and a folder of items.
func TestHost(t *testing.T) {
	c := nixtest.System(t)
	got, known, err := storedisk.HostClosure(t.Context(), storedb.Nix, c.Root)
	if err != nil || !known || got.Len() < len(c.Paths) {
		t.Fatalf("HostClosure = %d paths, %v, %v; want at least the %d of the closure", got.Len(), known, err, len(c.Paths))
	}
	if _, err := storedisk.Host(t.Context(), storedb.Nix, c.Root); err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	store := filepath.Join(root, "nix/store")
	if err := os.MkdirAll(filepath.Join(store, ".links"), 0o755); err != nil {
		t.Fatal(err)
	}
	item := "/nix/store/" + strings.Repeat("a", 32) + "-item"
	if err := os.WriteFile(filepath.Join(root, item), []byte("hello\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	got, known, err = storedisk.HostClosure(t.Context(), storedb.Nix, root)
	if err != nil || known || got.Len() != 1 || got.Items()[0].Path != item {
		t.Errorf("HostClosure without a database = %v, %v, %v; want %s", got.Items(), known, err, item)
	}
	if _, err := storedisk.Host(t.Context(), storedb.Nix, root); err != nil {
		t.Error(err)
	}
	_, err = storedisk.Host(t.Context(), storedb.Guix, root)
	if err == nil || !strings.Contains(err.Error(), "this machine has no store of guix") {
		t.Errorf("Host of another flavour = %v; want an error that says so", err)
	}
}
