package storedb

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"ingot/tests/fstest"
)

// live returns the database of a store that nix-store loaded c into. It is in WAL
// mode.
func live(t *testing.T, c *Closure) string {
	t.Helper()
	root := writable(t, t.TempDir())
	var reg strings.Builder
	if err := c.WriteRegistration(&reg); err != nil {
		t.Fatal(err)
	}
	nixStore(t, root, reg.String(), "--load-db")
	return filepath.Join(root, Nix.DatabasePath())
}

func TestReadDatabase(t *testing.T) {
	want := closure(t, Nix, generated(Nix, 200)...)
	db := live(t, want)
	items, err := Nix.ReadDatabase(background, db)
	if err != nil {
		t.Fatal(err)
	}
	if got := closure(t, Nix, items...); got.Digest() != want.Digest() {
		t.Error("the closure read is not the one that nix-store loaded")
	}
	root := want.Items()[150].Path
	part, err := want.Requisites(root)
	if err != nil {
		t.Fatal(err)
	}
	items, err = Nix.ReadDatabase(background, db, root, root)
	if err != nil {
		t.Fatal(err)
	}
	if got := closure(t, Nix, items...); got.Digest() != part.Digest() || got.Len() >= want.Len() {
		t.Errorf("closure of %s: %d items; want %d others", root, got.Len(), part.Len())
	}
	entries, _ := filepath.Glob(db + "*")
	if fmt.Sprint(entries) != fmt.Sprint([]string{db}) {
		t.Errorf("reading left %v", entries)
	}
}

// TestReadDatabaseWithLog reads while a writer holds committed rows in the log that
// are not in the file yet, and others that are not committed.
func TestReadDatabaseWithLog(t *testing.T) {
	want := closure(t, Nix, generated(Nix, 20)...)
	db := live(t, want)
	writer, err := openFile(db)
	if err != nil {
		t.Fatal(err)
	}
	defer writer.Close()
	insert := "insert into ValidPaths (path, hash, registrationTime, narSize, deriver, ultimate, sigs, ca) values ('%s', '%s', 1, %d, '%s', 1, '" + sigOf("k", 2) + " " + sigOf("k", 1) + "', '%s');"
	extra := Nix.textItem(t, "extra")
	extra.Deriver, extra.Ultimate, extra.Sigs = Nix.path("x.drv"), true, []string{sigOf("k", 1), sigOf("k", 2)}
	for _, sql := range []string{
		"pragma wal_autocheckpoint = 0;" + fmt.Sprintf(insert, extra.Path, extra.NarHash, extra.NarSize, extra.Deriver, extra.CA),
		"begin;" + fmt.Sprintf(insert, Nix.path("uncommitted"), extra.NarHash, 112, "", ""),
	} {
		if err := writer.exec(sql); err != nil {
			t.Fatal(err)
		}
	}
	items, err := Nix.ReadDatabase(background, db)
	if err != nil {
		t.Fatal(err)
	}
	got := closure(t, Nix, items...)
	if got.Len() != want.Len()+1 || got.Lookup(extra.Path) == nil {
		t.Fatalf("%d items; want %d", got.Len(), want.Len()+1)
	}
	it := got.Lookup(extra.Path)
	it.Origin, it.References = extra.Origin, extra.References
	if !reflect.DeepEqual(it, extra) {
		t.Errorf("item = %+v; want %+v", it, extra)
	}
}

// TestDatabaseLeft: what a process leaves that is killed within a transaction is read, or
// refused where reading would have to write, and the next registration goes on from there.
func TestDatabaseLeft(t *testing.T) {
	for _, c := range []struct{ mode, log, wrong string }{
		{"wal", "-wal", ""}, // and -shm is gone: SQLite removes it first
		{"delete", "-journal", "a transaction was cut off"},
	} {
		root := newRoot(t)
		prepare(t, root, c.mode)
		before := state(t, root)
		db := filepath.Join(root, Nix.DatabasePath())
		writer, err := openFile(db)
		if err != nil {
			t.Fatal(err)
		}
		if err := writer.exec("pragma wal_autocheckpoint=0; begin; update ValidPaths set deriver = null; delete from Refs"); err != nil {
			t.Fatal(err)
		}
		if c.mode == "wal" {
			err = writer.exec("commit")
		}
		log, logErr := os.ReadFile(db + c.log)
		file, fileErr := os.ReadFile(db)
		if err := errors.Join(err, logErr, fileErr, writer.Close()); err != nil {
			t.Fatal(err)
		}
		if c.mode == "delete" { // SQLite writes that when the journal is on the disk, before it changes the database
			copy(log, journalMagic)
			binary.BigEndian.PutUint32(log[len(journalMagic):], 1) // page
		}
		if err := errors.Join(os.WriteFile(db, file, 0o644), os.WriteFile(db+c.log, log, 0o644)); err != nil {
			t.Fatal(err)
		}
		if _, err := Nix.ReadDatabase(background, db); c.wrong == "" && err != nil || c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)) {
			t.Errorf("%s: ReadDatabase: %v; want %q", c.mode, err, c.wrong)
		}
		if got := state(t, root); (got == before) != (c.mode == "delete") {
			t.Errorf("%s: the database is %s; it was %s", c.mode, got, before)
		}
		h := many(t, 3)
		h.register(t, root, RegisterOptions{Copy: true})
		items, err := Nix.ReadDatabase(background, db)
		if err != nil || !slices.ContainsFunc(items, func(it *Item) bool { return it.Path == h.extra[0].Path }) {
			t.Errorf("%s: after a registration: %d items, %v", c.mode, len(items), err)
		}
	}
}

func TestReadDatabaseOfGuix(t *testing.T) {
	want := closure(t, Guix, generated(Guix, 50)...)
	items, err := Guix.ReadDatabase(background, save(t, database(t, want, DatabaseOptions{})))
	if err != nil {
		t.Fatal(err)
	}
	if closure(t, Guix, items...).Digest() != want.Digest() {
		t.Error("another closure than was written")
	}
}

// TestReadDatabaseReadOnly reads where nothing can be created.
func TestReadDatabaseReadOnly(t *testing.T) {
	db := live(t, closure(t, Nix, generated(Nix, 5)...))
	odd := filepath.Join(t.TempDir(), "a b%?#", "x")
	if err := os.MkdirAll(odd, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(odd, "db.sqlite")
	if err := os.Rename(db, file); err != nil {
		t.Fatal(err)
	}
	os.Chmod(file, 0o444)
	os.Chmod(odd, 0o555)
	defer os.Chmod(odd, 0o755)
	if items, err := Nix.ReadDatabase(background, file); err != nil || len(items) != 5 {
		t.Errorf("ReadDatabase = %d items, %v", len(items), err)
	}
}

func TestReadDatabaseErrors(t *testing.T) {
	dir := t.TempDir()
	good := save(t, database(t, closure(t, Nix, generated(Nix, 3)...), DatabaseOptions{}))
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("not a database\n", 1000)), 0o644); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, "other")
	sqlite(t, other, "create table x (y)")
	broken := filepath.Join(dir, "broken")
	fstest.Run(t, "cp", good, broken)
	sqlite(t, broken, "insert into Refs values (1, 77)")
	badHash := filepath.Join(dir, "bad-hash")
	fstest.Run(t, "cp", good, badHash)
	sqlite(t, badHash, "update ValidPaths set hash = 'x' where id = 2")
	for _, c := range []struct {
		file, root, want string
	}{
		{filepath.Join(dir, "none"), "", "no such file"},
		{text, "", text + ": file is not a database"},
		{other, "", other + ": is not the database of a store: it has no table ValidPaths"},
		{broken, "", broken + ": is corrupt: it has a reference from row 1 to row 77"},
		{badHash, "", `"x" is not a SHA-256`},
		{good, Nix.path("nobody"), good + ": " + Nix.path("nobody") + " is not a valid path of this store"},
		{good, "/etc/passwd", `"/etc/passwd" is not a store path`},
	} {
		var roots []string
		if c.root != "" {
			roots = []string{c.root}
		}
		if _, err := Nix.ReadDatabase(background, c.file, roots...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("ReadDatabase(%s, %v): %v; want %s", c.file, roots, err, c.want)
		}
	}
}
