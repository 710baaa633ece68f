package storedb

import (
	"bytes"
	"context"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ingot/image"
)

// endless is SQL that never ends.
const endless = "with recursive n(i) as (select 1 union all select i + 1 from n) select i from n"

// foreignSQL makes databases that have other things in them than Nix and Guix make.
var foreignSQL = []struct{ name, sql, want string }{
	{"view for a table", "drop table Refs; create view Refs as select i as referrer, i as reference from (" + endless + ")", `view "Refs"`},
	{"another view", "create view v as " + endless, `view "v"`},
	{"trigger on insertion", "create trigger t after insert on ValidPaths begin update ValidPaths set hash = 'x'; end", `trigger "t"`},
	{"trigger of a known name", "drop trigger DeleteSelfRefs; create trigger DeleteSelfRefs before delete on ValidPaths begin delete from Refs; end", `trigger "DeleteSelfRefs"`},
	{"virtual table", "create virtual table r using rtree(id, a, b)", `virtual table "r"`},
	{"virtual table for a table", "drop table Refs; create virtual table Refs using fts3(referrer, reference)", `virtual table "Refs"`},
	{"generated column", "create table g (a, b as (abs(a)))", `table "g": "as"`},
	{"generated column of a store's table", "alter table ValidPaths add column x as (length(path))", `table "ValidPaths": "as"`},
	{"check of a store's table", "drop table Refs; create table Refs (referrer integer not null check (abs(referrer) > 0), reference integer not null, primary key (referrer, reference))", `table "Refs": "check"`},
	{"collation", "drop table Refs; create table Refs (referrer integer collate nocase, reference integer, primary key (referrer, reference))", `table "Refs": "collate"`},
	{"computed default", "alter table DerivationOutputs add column x default (1 + 1)", `table "DerivationOutputs": "("`},
	{"table without numbers", "drop table Refs; create table Refs (referrer integer, reference integer, primary key (referrer, reference)) without rowid", `table "Refs": "without"`},
	{"index of an expression", "create index i on ValidPaths(length(path))", `index "i": "("`},
	{"partial index", "create index i on ValidPaths(path) where path like 'x%'", `index "i": "where"`},
	{"name with an escape", "create view \"\x1b[2J\" as " + endless, `view "\x1b[2J"`},
	{"many", "create view a as select 1; create view b as select 1; create view c as select 1; create view d as select 1; create view e as select 1; create view f as select 1", "; and 1 more"},
}

// SQL that a database brings is never run, by none of those who read or write it.
func TestForeignSchema(t *testing.T) {
	for _, test := range foreignSQL {
		t.Run(test.name, func(t *testing.T) {
			s := newSound(t, Nix)
			s.sql(t, test.sql)
			var found []Finding
			for _, f := range s.check(t, CheckOptions{}).Findings {
				if f.Path == Nix.DatabasePath() {
					found = append(found, f)
				}
			}
			if len(found) != 1 || found[0].Fault != FaultSchema || !strings.Contains(found[0].Detail, test.want) {
				t.Errorf("found\n%s; want %s", describe(found), test.want)
			}
			root := writable(t, filepath.Join(t.TempDir(), "root"))
			checkout(t, s.tree, root)
			file := filepath.Join(root, Nix.DatabasePath())
			if _, err := Nix.ReadDatabase(background, file); !errors.Is(err, ErrForeignSchema) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("ReadDatabase: %v; want %s", err, test.want)
			}
			before, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Register(background, root, closure(t, Nix, s.given(t)), RegisterOptions{NoSync: true})
			if !errors.Is(err, ErrForeignSchema) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Register: %v; want %s", err, test.want)
			}
			if after, err := os.ReadFile(file); err != nil || !bytes.Equal(before, after) {
				t.Errorf("Register has changed the database: %v", err)
			}
		})
	}
}

// given is an item that Register writes by itself.
func (s *soundStore) given(t testing.TB) *Item {
	t.Helper()
	return added(t, s.flavour, "new", folder(t, map[string]*image.Node{"/x": image.NewFile(0o444, image.Bytes("x"))}))
}

// What real versions of Nix and Guix have in their databases passes.
func TestKnownSchemas(t *testing.T) {
	content := `create table Realisations (
		id integer primary key autoincrement not null, drvPath text not null, outputName text not null, -- "out", mostly
		outputPath integer not null, signatures text, foreign key (outputPath) references ValidPaths(id) on delete cascade);
		create index IndexRealisations on Realisations(drvPath, outputName);
		create table RealisationsRefs (referrer integer not null, realisationReference integer,
			foreign key (referrer) references Realisations(id) on delete cascade, foreign key (realisationReference) references Realisations(id) on delete restrict);
		create trigger DeleteSelfRefsViaRealisations before delete on ValidPaths
		begin
			delete from RealisationsRefs where realisationReference %s (
				select id from Realisations where outputPath = old.id -- those of its own
			);
		end;`
	for _, test := range []struct {
		name    string
		flavour Flavour
		sql     string
	}{
		{"nix", Nix, ""},
		{"guix", Guix, ""},
		{"an index of older versions", Nix, "create index IndexReferrer on Refs(referrer)"},
		{"brought up to date from schema 7", Nix, "alter table ValidPaths drop column ca; alter table ValidPaths drop column sigs; alter table ValidPaths drop column ultimate; " +
			"alter table ValidPaths add column ultimate integer; alter table ValidPaths add column sigs text; alter table ValidPaths add column ca text"},
		{"content-addressed derivations", Nix, fmt.Sprintf(content, "in")},
		{"the first of these", Nix, fmt.Sprintf(content, "=")},
		{"the list of migrations", Nix, "create table SchemaMigrations (migration text primary key not null)"},
		{"derivations in the database", Nix, "create table Derivations (id integer primary key not null, path text unique not null check (path like '%.drv'), " +
			"args jsonb not null default '[]' check (json_type(args) = 'array'), unique (id, path), foreign key (id) references ValidPaths(id) on delete cascade); " +
			"insert into Derivations (id, path) values (1, 'x.drv')"},
		{"counted by analyze", Nix, "analyze"},
		{"quoted names", Nix, `drop table Refs; create table "Refs"("referrer" INTEGER NOT NULL REFERENCES "ValidPaths" ON DELETE CASCADE,"reference" INTEGER NOT NULL DEFAULT 7,` +
			`CONSTRAINT "unique_refs" PRIMARY KEY ("referrer" ASC,[reference])); /* as some write it */ insert into Refs values (2, 1)`},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSound(t, test.flavour)
			s.sql(t, test.sql)
			if r := s.check(t, CheckOptions{}); len(r.Findings) != 0 || r.Paths != 2 {
				t.Errorf("%d paths; found\n%s", r.Paths, describe(r.Findings))
			}
			root := writable(t, filepath.Join(t.TempDir(), "root"))
			checkout(t, s.tree, root)
			if items, err := test.flavour.ReadDatabase(background, filepath.Join(root, test.flavour.DatabasePath())); err != nil || len(items) != 2 {
				t.Errorf("ReadDatabase: %d items, %v", len(items), err)
			}
			if did, err := Register(background, root, closure(t, test.flavour, s.given(t)), RegisterOptions{NoSync: true}); err != nil || did.Added != 1 {
				t.Errorf("Register: %+v, %v", did, err)
			}
		})
	}
}

// Work is by rows, whatever numbers they have.
func TestFarApartRows(t *testing.T) {
	s := newSound(t, Nix)
	s.sql(t, `update Refs set rowid = -9223372036854775807 where rowid = 1; insert into Refs (rowid, referrer, reference) values (9223372036854775807, 1, 1);
		insert into ValidPaths (id, path, hash, registrationTime) values (9223372036854775806, '`+Nix.path("far")+`', 'sha256:`+strings.Repeat("0", 64)+`', 1)`)
	r := s.check(t, CheckOptions{})
	// "lib" refers to itself now, of which its content address knows nothing.
	if r.Paths != 3 || len(r.Findings) != 2 || r.Findings[0].Fault != FaultMissing || r.Findings[1].Fault != FaultAddress {
		t.Errorf("%d paths; found\n%s", r.Paths, describe(r.Findings))
	}
	root := writable(t, filepath.Join(t.TempDir(), "root"))
	checkout(t, s.tree, root)
	items, err := Nix.ReadDatabase(background, filepath.Join(root, Nix.DatabasePath()))
	if err != nil || len(items) != 3 {
		t.Errorf("ReadDatabase: %d items, %v", len(items), err)
	}
	if did, err := Register(background, root, closure(t, Nix, s.given(t)), RegisterOptions{NoSync: true}); err != nil || did.Added != 1 {
		t.Errorf("Register: %+v, %v", did, err)
	}
	other := added(t, Nix, "other", folder(t, nil))
	_, err = Register(background, root, closure(t, Nix, other), RegisterOptions{NoSync: true})
	if err == nil || !strings.Contains(err.Error(), "no number left") {
		t.Errorf("Register of one more: %v", err)
	}
}

// TestRowsThatAreNoNumbers has text where numbers belong.
func TestRowsThatAreNoNumbers(t *testing.T) {
	s := newSound(t, Nix)
	s.sql(t, "insert into Refs values ('1 2 3', 1)")
	found := s.check(t, CheckOptions{}).Findings
	if len(found) != 1 || found[0].Fault != FaultDatabase || !strings.Contains(found[0].Detail, "row's number") {
		t.Errorf("found\n%s", describe(found))
	}
}

// bomb returns the file of a database of a few pages whose table Refs has more rows
// than anybody can count: its pages lead to one and the same page again and again.
func bomb(t testing.TB) []byte {
	t.Helper()
	return repeated(t, "Refs", 15, func(leaf []byte, _ int) []byte { return leaf })
}

// repeated returns the file of a database in which a table has the rows of a page 500
// times, and 500 times as many for each further depth. That page, and others that follow,
// are those that end makes of the table's own; number is that of the first.
func repeated(t testing.TB, table string, depth int, end func(leaf []byte, number int) []byte) []byte {
	t.Helper()
	s := newSound(t, Nix)
	s.sql(t, "delete from Refs; insert into Refs values (2, 1)")
	b, err := image.ReadAll(s.tree.Lookup(Nix.DatabasePath()).Data)
	if err != nil {
		t.Fatal(err)
	}
	db, err := openMemory()
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	root := int64(0)
	if err := db.Deserialize(bytes.Clone(b), "main"); err != nil {
		t.Fatal(err)
	}
	rows, err := db.Query("select rootpage from sqlite_schema where name = '"+table+"'", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := eachRow(rows, func(row []driver.Value) error { root = row[0].(int64); return nil }); err != nil {
		t.Fatal(err)
	}
	put := binary.BigEndian
	const cells = 500
	leaf := bytes.Clone(b[(root-1)*pageSize:][:pageSize])
	next := func(child int) []byte {
		page := make([]byte, pageSize)
		page[btreeType] = interiorTable
		put.PutUint16(page[btreeCells:], cells)
		cell := pageSize - 5 // 4 bytes of the child, 1 of its highest row number; all cells are this one
		put.PutUint32(page[cell:], uint32(child))
		page[cell+4] = 1
		put.PutUint16(page[btreeContent:], uint16(cell))
		put.PutUint32(page[8:], uint32(child))
		for i := range cells {
			put.PutUint16(page[interiorHeaderSize+2*i:], uint16(cell))
		}
		return page
	}
	first := len(b)/pageSize + 1
	copy(b[(root-1)*pageSize:], next(first))
	for i := range depth {
		b = append(b, next(first+i+1)...)
	}
	b = append(b, end(leaf, first+depth)...)
	put.PutUint32(b[headerPages:], uint32(len(b)/pageSize))
	return b
}

// A small file with endless rows is given up when it has cost more than its size can,
// or when somebody wants to stop.
func TestEndlessRows(t *testing.T) {
	b := bomb(t)
	s := newSound(t, Nix)
	s.put(t, Nix.DatabasePath(), image.NewFile(0o644, image.Bytes(b)))
	found := s.check(t, CheckOptions{}).Findings
	if !strings.Contains(describe(found), ErrDatabaseWork.Error()) {
		t.Errorf("found\n%s", describe(found))
	}
	file := save(t, b)
	if _, err := Nix.ReadDatabase(background, file); !errors.Is(err, ErrDatabaseWork) || !strings.HasPrefix(err.Error(), file) {
		t.Errorf("ReadDatabase: %v", err)
	}
	ctx, cancel := context.WithCancel(background)
	err := withDatabaseBytes(ctx, "x", bytes.Clone(b), func(r *dbReader) error {
		r.db.allow(1 << 60)
		time.AfterFunc(time.Millisecond, cancel)
		return r.db.query("select max(referrer + 0) from Refs not indexed", nil, func([]driver.Value) error { return nil })
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestLongColumns has a column of nearly the size of the file in each row, whose pages are
// one that follows itself. Who reads a column behind it looks at that page 800 times.
func TestLongColumns(t *testing.T) {
	const size = 4 << 20
	b := repeated(t, "ValidPaths", 1, func(_ []byte, number int) []byte {
		// How much of a long row lies in the leaf, and in each page that follows.
		const local, further = (pageSize-12)*32/255 - 23, pageSize - 4
		const payload = local + size/further*8/10*further
		varint := func(n int) []byte {
			return []byte{byte(n>>21) | 0x80, byte(n>>14) | 0x80, byte(n>>7) | 0x80, byte(n & 0x7f)}
		}
		// The types: no id, path and hash of a letter, a long registrationTime, a deriver of a
		// byte, and zeros.
		types := slices.Concat([]byte{13, 0, 15, 15}, varint(12+2*(payload-13-2-1)), []byte{1, 8, 8, 8, 8})
		row := append(types, make([]byte, local-len(types))...)
		cell := slices.Concat(varint(payload), []byte{1}, row, binary.BigEndian.AppendUint32(nil, uint32(number+1)))
		pages := make([]byte, size)
		const cells = 8 // all are this one
		at := pageSize - len(cell)
		copy(pages[at:], cell)
		pages[btreeType] = leafTable
		binary.BigEndian.PutUint16(pages[btreeCells:], cells)
		binary.BigEndian.PutUint16(pages[btreeContent:], uint16(at))
		for i := range cells {
			binary.BigEndian.PutUint16(pages[leafHeaderSize+2*i:], uint16(at))
		}
		binary.BigEndian.PutUint32(pages[pageSize:], uint32(number+1))
		return pages
	})
	err := withDatabaseBytes(background, "x", b, func(r *dbReader) error {
		if err := r.begin(); err != nil {
			return err
		}
		return r.paths(func([]driver.Value) error { return nil })
	})
	if !errors.Is(err, ErrDatabaseWork) || !strings.Contains(err.Error(), "steps of work") {
		t.Errorf("paths: %v; want %v", err, ErrDatabaseWork)
	}
}

// A database of an image is as large as what is written in it, and not as it says.
func TestSparseDatabase(t *testing.T) {
	s := newSound(t, Nix)
	zeros := image.Computed(3<<30, func(p []byte, _ int64) error { clear(p); return nil })
	s.put(t, Nix.DatabasePath(), image.NewFile(0o644, zeros))
	if _, err := CheckTree(background, s.tree, CheckOptions{}); err == nil || !strings.Contains(err.Error(), "is sparse") {
		t.Errorf("CheckTree: %v", err)
	}
	s.put(t, Nix.DatabasePath(), image.NewFile(0o644, image.Computed(1<<43, func(p []byte, _ int64) error { clear(p); return nil })))
	_, err := CheckTree(background, s.tree, CheckOptions{})
	var size *DatabaseSizeError
	if !errors.As(err, &size) || size.Limit != defaultMaxDatabase {
		t.Errorf("CheckTree: %v", err)
	}
	ctx, cancel := context.WithCancel(background)
	s.put(t, Nix.DatabasePath(), image.NewFile(0o644, image.Computed(3<<30, func(p []byte, _ int64) error { cancel(); return nil })))
	if _, err := CheckTree(ctx, s.tree, CheckOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("CheckTree, cancelled: %v", err)
	}
}

// makeLog makes a write-ahead log with a transaction for each page.
func makeLog(size int, pages []walPage, count int) []byte {
	put := binary.BigEndian
	log := make([]byte, walHeaderSize)
	put.PutUint32(log, walMagic|1)
	put.PutUint32(log[walPageSize:], uint32(size))
	var sum walSum
	sum.add(put, log[:walChecksum])
	put.PutUint32(log[walChecksum:], sum[0])
	put.PutUint32(log[walChecksum+4:], sum[1])
	for _, p := range pages {
		head := make([]byte, frameHeaderSize)
		put.PutUint32(head[framePage:], uint32(p.number))
		put.PutUint32(head[framePages:], uint32(count))
		sum.add(put, head[:frameSalt])
		sum.add(put, p.data)
		put.PutUint32(head[frameChecksum:], sum[0])
		put.PutUint32(head[frameChecksum+4:], sum[1])
		log = append(append(log, head...), p.data...)
	}
	return log
}

// TestLogOfManyTransactions would copy 600 GB if each took the whole database.
func TestLogOfManyTransactions(t *testing.T) {
	const size, n = 512, 20000
	db := make([]byte, 32<<20)
	var pages []walPage
	for i := range n {
		pages = append(pages, walPage{i + 1, bytes.Repeat([]byte{byte(i)}, size)})
	}
	out, err := replayLog(background, db, makeLog(size, pages, len(db)/size))
	if err != nil || len(out) != len(db) || out[(n-1)*size] != byte((n-1)&0xff) {
		t.Errorf("replayLog: %d bytes, %v", len(out), err)
	}
	ctx, cancel := context.WithCancel(background)
	cancel()
	if _, err := replayLog(ctx, db, makeLog(size, pages, len(db)/size)); !errors.Is(err, context.Canceled) {
		t.Errorf("replayLog, cancelled: %v", err)
	}
}

// TestHostileRootFiles has other files where the files of a database belong: a journal
// that SQLite would take back and then remove what it names, names of files outside,
// FIFOs that nobody writes to.
func TestHostileRootFiles(t *testing.T) {
	for _, test := range []struct {
		name string
		put  func(root, outside, db string) error
		want string
	}{
		{"journal of several databases", func(root, outside, db string) error {
			b := append([]byte(journalMagic), make([]byte, 504)...)
			put := binary.BigEndian
			put.PutUint32(b[20:], 512) // bytes of a sector
			put.PutUint32(b[24:], pageSize)
			sum := uint32(0)
			for _, c := range []byte(outside) {
				sum += uint32(c)
			}
			b = put.AppendUint32(b, uint32(1<<30/pageSize+1)) // the page that locks are in
			b = append(b, outside...)
			b = put.AppendUint32(b, uint32(len(outside)))
			b = put.AppendUint32(b, sum)
			return os.WriteFile(db+"-journal", append(b, journalMagic...), 0o644)
		}, "several databases"},
		{"database with a name outside", func(root, outside, db string) error {
			return errors.Join(os.Remove(outside), os.Link(db, outside))
		}, "has 2 names"},
		{"lock with a name outside", func(root, outside, db string) error {
			return errors.Join(os.Remove(filepath.Dir(db)+"/big-lock"), os.Link(outside, filepath.Dir(db)+"/big-lock"))
		}, "has 2 names"},
		{"FIFO for a database", func(root, outside, db string) error {
			return errors.Join(os.Remove(db), unix.Mkfifo(db, 0o600))
		}, "no regular file"},
		{"FIFO for a log", func(root, outside, db string) error { return unix.Mkfifo(db+"-wal", 0o600) }, "no regular file"},
		{"FIFO for a lock", func(root, outside, db string) error {
			return errors.Join(os.Remove(filepath.Dir(db)+"/big-lock"), unix.Mkfifo(filepath.Dir(db)+"/big-lock", 0o600))
		}, "no regular file"},
		{"FIFO for the schema", func(root, outside, db string) error {
			return errors.Join(os.Remove(filepath.Dir(db)+"/schema"), unix.Mkfifo(filepath.Dir(db)+"/schema", 0o600))
		}, "no regular file"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSound(t, Nix)
			root := writable(t, filepath.Join(t.TempDir(), "root"))
			checkout(t, s.tree, root)
			c := closure(t, Nix, s.given(t))
			if _, err := Register(background, root, c, RegisterOptions{NoSync: true}); err != nil {
				t.Fatal(err)
			}
			outside := filepath.Join(t.TempDir(), "outside")
			if err := os.WriteFile(outside, []byte("mine\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := test.put(root, outside, filepath.Join(root, Nix.DatabasePath())); err != nil {
				t.Fatal(err)
			}
			_, err := Register(background, root, closure(t, Nix, added(t, Nix, "other", folder(t, nil))), RegisterOptions{NoSync: true})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Register: %v; want %s", err, test.want)
			}
			if _, err := os.Stat(outside); err != nil {
				t.Errorf("the file outside: %v", err)
			}
		})
	}
}

// TestReadLeavesFilesAlone has names of files elsewhere beside a database that is read.
// SQLite would empty the one that readers share memory by.
func TestReadLeavesFilesAlone(t *testing.T) {
	for _, test := range []struct {
		name string
		put  func(outside, db string) error
		want string
	}{
		{"memory with a name outside", func(outside, db string) error { return os.Link(outside, db+"-shm") }, "has 2 names"},
		{"memory behind a symlink", func(outside, db string) error { return os.Symlink(outside, db+"-shm") }, "is a symlink"},
		{"memory by a FIFO", func(outside, db string) error { return unix.Mkfifo(db+"-shm", 0o600) }, "is a FIFO"},
		{"log by a FIFO", func(outside, db string) error {
			return errors.Join(os.Remove(db+"-wal"), unix.Mkfifo(db+"-wal", 0o600))
		}, "is a FIFO"},
		{"database by a FIFO", func(outside, db string) error { return errors.Join(os.Remove(db), unix.Mkfifo(db, 0o600)) }, "is a FIFO"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "live")
			if err := os.WriteFile(file, database(t, closure(t, Nix, generated(Nix, 5)...), DatabaseOptions{}), 0o644); err != nil {
				t.Fatal(err)
			}
			writer, err := openFile(file)
			if err != nil {
				t.Fatal(err)
			}
			defer writer.Close()
			if err := writer.exec("pragma journal_mode=wal; update ValidPaths set registrationTime = 2"); err != nil {
				t.Fatal(err)
			}
			db, outside := filepath.Join(dir, "db.sqlite"), filepath.Join(dir, "outside")
			for from, to := range map[string]string{file: db, file + "-wal": db + "-wal"} {
				b, err := os.ReadFile(from)
				if err == nil {
					err = os.WriteFile(to, b, 0o644)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if items, err := Nix.ReadDatabase(background, db); err != nil || len(items) != 5 {
				t.Fatalf("ReadDatabase: %d items, %v", len(items), err)
			}
			const mine = "somebody's own"
			if err := errors.Join(os.RemoveAll(db+"-shm"), os.WriteFile(outside, []byte(mine), 0o600), test.put(outside, db)); err != nil {
				t.Fatal(err)
			}
			if _, err := Nix.ReadDatabase(background, db); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("ReadDatabase: %v; want %s", err, test.want)
			}
			if b, err := os.ReadFile(outside); err != nil || string(b) != mine {
				t.Errorf("the file outside holds %q, %v", b, err)
			}
		})
	}
}

// What a row says is no line of its own in what is made of it.
func TestRowsWithLineBreaks(t *testing.T) {
	for _, set := range []string{"deriver = 'x' || char(10) || 'y'", "ca = char(27) || '[2J'", "narSize = -5"} {
		s := newSound(t, Nix)
		s.sql(t, "update ValidPaths set "+set)
		b, err := image.ReadAll(s.tree.Lookup(Nix.DatabasePath()).Data)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Nix.ReadDatabase(background, save(t, b)); err == nil || !strings.Contains(err.Error(), "is corrupt: ") {
			t.Errorf("%s: %v", set, err)
		}
	}
}

// A lock that holds something is none: to wait for it would be to wait for ever.
func TestLockThatHoldsSomething(t *testing.T) {
	s := newSound(t, Nix)
	root := writable(t, filepath.Join(t.TempDir(), "root"))
	checkout(t, s.tree, root)
	lock := filepath.Join(root, s.state("profiles/system.lock"))
	if err := os.WriteFile(lock, []byte("d"), 0o600); err != nil {
		t.Fatal(err)
	}
	it := s.given(t)
	_, err := Register(background, root, closure(t, Nix, it), RegisterOptions{NoSync: true, Profiles: map[string]string{"system": it.Path}})
	if err == nil || !strings.Contains(err.Error(), "holds 1 byte,") {
		t.Errorf("Register: %v", err)
	}
}

// Rows that are being written are taken back when somebody wants to stop.
func TestRegisterCancelled(t *testing.T) {
	root := newRoot(t)
	if _, err := Register(background, root, closure(t, Nix, generatedItems(t, 1)...), RegisterOptions{NoSync: true}); err != nil {
		t.Fatal(err)
	}
	top, err := openRoot(root, false)
	if err != nil {
		t.Fatal(err)
	}
	defer top.close()
	dir, err := top.walk(filepath.Dir(Nix.DatabasePath()), (*rootDir).open)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.close()
	c := closure(t, Nix, generatedItems(t, 3)...)
	if err := c.Load(background, LoadOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, when := range []string{"begin immediate", "insert"} {
		ctx, cancel := context.WithCancel(background)
		db, err := Nix.openRootDB(ctx, dir, c)
		if err != nil {
			t.Fatal(err)
		}
		if when == "insert" {
			if err := db.exec("begin immediate"); err != nil {
				t.Fatal(err)
			}
			cancel()
			_, _, err = db.change(ctx, c, nil)
		} else {
			cancel()
			_, _, err = db.register(ctx, c, nil)
		}
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled before %s: %v", when, err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
	if items, err := Nix.ReadDatabase(background, filepath.Join(root, Nix.DatabasePath())); err != nil || len(items) != 1 {
		t.Errorf("%d rows, %v; want the one that was there", len(items), err)
	}
}

// generatedItems are items that Register writes by itself.
func generatedItems(t testing.TB, n int) (items []*Item) {
	t.Helper()
	for i := range n {
		items = append(items, added(t, Nix, fmt.Sprint("item", i), folder(t, map[string]*image.Node{"/x": image.NewFile(0o444, image.Bytes("x"))})))
	}
	return items
}
