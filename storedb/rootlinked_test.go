package storedb

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ingot/image"
)

// TestDatabaseOfAnotherKind says what lies in the place of a database, and never reads what is
// behind a symlink: it may be out of the root.
func TestDatabaseOfAnotherKind(t *testing.T) {
	s := newSound(t, Nix)
	for name, c := range map[string]struct {
		change      func(t *testing.T, db string)
		check, read string // "" if it is found, and read
	}{
		"fifo": {func(t *testing.T, db string) {
			if err := os.Remove(db); err != nil {
				t.Fatal(err)
			}
			if err := unix.Mkfifo(db, 0o644); err != nil {
				t.Fatal(err)
			}
		}, "is a FIFO; a regular file was expected", "is a FIFO; a regular file was expected"},
		"folder": {func(t *testing.T, db string) {
			if err := os.Remove(db); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(db, 0o755); err != nil {
				t.Fatal(err)
			}
		}, "is a directory; a regular file was expected", "is a directory; a regular file was expected"},
		"symlink out of the root": {func(t *testing.T, db string) {
			if err := os.Rename(db, filepath.Join(t.TempDir(), "db")); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink("/etc/\x1bpasswd", db); err != nil {
				t.Fatal(err)
			}
		}, `is a symlink to "/etc/\x1bpasswd", and is not followed`, "is a symlink; a regular file was expected"},
		"symlink to itself in the folder": {func(t *testing.T, db string) {
			if err := os.Rename(db, db+".real"); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink("db.sqlite.real", db); err != nil {
				t.Fatal(err)
			}
		}, "is a symlink to", "is a symlink; a regular file was expected"},
		"empty": {func(t *testing.T, db string) {
			if err := os.Truncate(db, 0); err != nil {
				t.Fatal(err)
			}
		}, "is empty: nothing is registered", "has no table ValidPaths"},
		"nothing": {func(t *testing.T, db string) {
			if err := os.Remove(db); err != nil {
				t.Fatal(err)
			}
		}, "is not there: nothing is registered", "no such file"},
		"folder behind a symlink": {func(t *testing.T, db string) {
			dir, out := filepath.Dir(db), filepath.Join(t.TempDir(), "db")
			if err := os.Rename(dir, out); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(out, dir); err != nil {
				t.Fatal(err)
			}
		}, "ERROR is a symlink: a store and what leads to it must be directories of the root", "is a symlink: a store"},
		"as it was": {func(*testing.T, string) {}, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			root := writable(t, filepath.Join(t.TempDir(), "root"))
			checkout(t, s.tree, root)
			c.change(t, filepath.Join(root, Nix.DatabasePath()))
			items, err := Nix.ReadRootDatabase(background, root)
			if c.read == "" && (err != nil || len(items) != 2) || c.read != "" && (err == nil || !strings.Contains(err.Error(), c.read)) {
				t.Errorf("ReadRootDatabase: %d items, %v; want %q", len(items), err, c.read)
			}
			r, err := CheckRoot(background, root, CheckOptions{AnyOwner: true, NoContents: true})
			if want, ok := strings.CutPrefix(c.check, "ERROR "); ok {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("CheckRoot: %v; want %s", err, want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			at := slices.IndexFunc(r.Findings, func(f Finding) bool { return f.Fault == FaultDatabase })
			if (at >= 0) != (c.check != "") || at >= 0 && !strings.Contains(r.Findings[at].Detail, c.check) {
				t.Errorf("found\n%s\nwant %q", describe(r.Findings), c.check)
			}
		})
	}
}

// TestRefusedLeavesNothing refuses closures for several reasons, after which there is nothing
// that was not there before.
func TestRefusedLeavesNothing(t *testing.T) {
	a, b := Nix.path("a"), Nix.path("b")
	from := t.TempDir()
	if err := os.WriteFile(filepath.Join(from, filepath.Base(a)), []byte("contents"), 0o444); err != nil {
		t.Fatal(err)
	}
	item := func() *Item { return &Item{Path: a, From: from} }
	for name, c := range map[string]struct {
		items func() []*Item
		o     RegisterOptions
		want  string
	}{
		"not in the store":     {func() []*Item { return []*Item{item()} }, RegisterOptions{}, "is in the closure, but not in the store "},
		"not where it is from": {func() []*Item { return []*Item{{Path: b, From: from}} }, RegisterOptions{Copy: true}, "is in the closure, but not on the disk"},
		"other contents":       {func() []*Item { return []*Item{{Path: a, From: from, NarHash: Hash{1}}} }, RegisterOptions{Copy: true, Verify: true}, "has been changed"},
		"in a circle": {func() []*Item {
			return []*Item{{Path: a, From: from, References: []string{b}}, {Path: b, From: from, References: []string{a}}}
		}, RegisterOptions{Copy: true}, "refers to itself"},
		"of another address": {func() []*Item {
			it := Nix.textItem(t, "x")
			if err := os.WriteFile(filepath.Join(from, filepath.Base(it.Path)), []byte("another text"), 0o644); err != nil {
				t.Fatal(err)
			}
			it.NarHash, it.NarSize, it.From = Hash{}, 0, from
			return []*Item{it}
		}, RegisterOptions{Copy: true}, "what it holds has the content address text:sha256:"},
	} {
		for _, before := range []string{"", "/", "/nix/var", "/nix/store", "/nix/var/nix/db"} {
			root := writable(t, filepath.Join(t.TempDir(), "root"))
			if before != "" {
				if err := os.MkdirAll(root+before, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			had := namesBelow(t, root)
			if _, err := Register(background, root, closure(t, Nix, c.items()...), c.o); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v; want %s", name, err, c.want)
			}
			// Locks in a folder that was there may be somebody's, and stay.
			got := slices.DeleteFunc(namesBelow(t, root), func(n string) bool { return strings.HasSuffix(n, "lock") })
			if !slices.Equal(got, had) {
				t.Errorf("%s, with root%s there: left are %q; want %q", name, before, got, had)
			}
		}
	}
}

// namesBelow returns what there is in a root, if there is one.
func namesBelow(t testing.TB, root string) (names []string) {
	t.Helper()
	if _, err := os.Lstat(root); err != nil {
		return nil
	}
	n, err := image.Scan(root, image.ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	tree := &image.Tree{Root: n}
	if err := tree.Walk(func(p string, _ *image.Node) error { names = append(names, "/"+strings.Trim(p, "/")); return nil }); err != nil {
		t.Fatal(err)
	}
	return names
}
