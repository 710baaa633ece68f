package storedb

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// rootDB is the database of a target root that Nix or Guix may be using.
type rootDB struct {
	*guardedDB
	flavour Flavour
	path    string
	tables  dbSchema
}

// dbRow is a row of ValidPaths.
type dbRow struct {
	id int64
	Item
}

// columns of ValidPaths, in the order of Item.row.
var validPathsColumns = []string{"id", "path", "hash", "registrationTime", "deriver", "narSize", "ultimate", "sigs", "ca"}

func (f Flavour) columns() []string {
	if f == Guix {
		return validPathsColumns[:6]
	}
	return validPathsColumns
}

// hasDatabase says whether a database lies in the directory dir.
func (f Flavour) hasDatabase(dir *rootDir) (bool, error) {
	name := filepath.Base(f.DatabasePath())
	st, err := dir.stat(name)
	switch {
	case err == unix.ENOENT:
	case err != nil:
		return false, dir.fail("lstat", name, err)
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return false, fmt.Errorf("%s is no regular file, and no database", filepath.Join(dir.path, name))
	case st.Size > 0:
		return true, f.checkSchema(dir)
	}
	for _, suffix := range []string{"-wal", "-journal"} {
		if log, err := dir.stat(name + suffix); err == nil && log.Size > 0 {
			return false, fmt.Errorf("%s is the log of a database that is gone: put %s back, or remove the log",
				filepath.Join(dir.path, name+suffix), name)
		}
	}
	return false, nil
}

// checkSchema refuses a database of another schema. One without a number is looked at
// when it is opened: Guix makes images without.
func (f Flavour) checkSchema(dir *rootDir) error {
	b, err := dir.readFile("schema")
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	path := filepath.Join(dir.path, "schema")
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return fmt.Errorf("%s is corrupt: it holds %.20q, and no number", path, b)
	}
	if n != f.Schema() {
		return fmt.Errorf("%s: the database is of schema %d, and ingot registers in schema %d of %s%s", path, n, f.Schema(), f, schemaAdvice(f, n))
	}
	return nil
}

func schemaAdvice(f Flavour, n int) string {
	switch {
	case n == Guix.Schema() && f == Nix:
		return "; is the flavour guix?"
	case n == Nix.Schema() && f == Guix:
		return "; is the flavour nix?"
	case n < f.Schema():
		return "; a newer " + f.String() + " brings it up to date when it opens it"
	}
	return ""
}

// writeBusy is how long registering waits for another writer, in milliseconds.
const writeBusy = 300_000

// openRootDB opens the database in the directory dir, to write the rows of the closure
// to it. All work on it is bounded by its size and the closure's, and ends with ctx.
func (f Flavour) openRootDB(ctx context.Context, dir *rootDir, c *Closure) (*rootDB, error) {
	name := filepath.Base(f.DatabasePath())
	path := filepath.Join(dir.path, name)
	size := int64(0)
	for _, suffix := range []string{"", "-wal", "-shm", "-journal"} {
		st, err := dir.stat(name + suffix)
		switch {
		case err != nil && suffix != "":
			continue
		case err != nil:
			return nil, dir.fail("lstat", name, err)
		case st.Mode&unix.S_IFMT != unix.S_IFREG:
			return nil, fmt.Errorf("%s%s is no regular file", path, suffix)
		case st.Nlink > 1: // SQLite's locks and logs go by the name
			return nil, fmt.Errorf("%s%s has %d names (hard links); a database that is written to must have one: replace it by a copy", path, suffix, st.Nlink)
		}
		size += st.Size
	}
	if err := dir.checkJournal(name + "-journal"); err != nil {
		return nil, err
	}
	abs, err := filepath.EvalSymlinks(dir.path) // the root itself may lie below one
	if err != nil {
		return nil, err
	}
	if abs, err = filepath.Abs(abs); err != nil {
		return nil, err
	}
	file := url.URL{Path: filepath.Join(abs, name)}
	rows := int64(1)
	for _, it := range c.items {
		rows += 2 + int64(len(it.References))
	}
	guarded, err := openGuarded(ctx, guardOptions{
		name: "file:" + file.EscapedPath(), flags: openReadWrite | openFullMutex | openNoFollow, size: size, rows: rows, busy: writeBusy,
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	db := &rootDB{guardedDB: guarded, flavour: f, path: path}
	// Nix trusts SQLite with less in WAL mode; a row must not be lost once we are done.
	// Without cache_spill, SQLite waits for other readers at the commit alone.
	if err = db.exec("pragma synchronous=full; pragma cache_spill=off"); err == nil {
		err = db.check()
	}
	if err != nil {
		db.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return db, nil
}

// checkJournal refuses the journal of a transaction over several databases. SQLite
// would open the file that it names, wherever that is, and may remove it. Neither Nix nor
// Guix has such transactions.
func (d *rootDir) checkJournal(name string) error {
	fd, err := d.openRegular(name, unix.O_RDONLY)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return d.fail("fstat", name, err)
	}
	magic := make([]byte, len(journalMagic))
	if st.Size < int64(len(magic)) {
		return nil
	}
	if n, err := unix.Pread(fd, magic, st.Size-int64(len(magic))); err != nil || n < len(magic) || string(magic) != journalMagic {
		return d.fail("read", name, err)
	}
	return fmt.Errorf("%s is the journal of a transaction over several databases, which neither nix nor guix makes: remove it, or have SQLite take it back in the root itself", filepath.Join(d.path, name))
}

// check looks whether the tables are those of the flavour, and have the indexes that
// rows are found by.
func (db *rootDB) check() error {
	tables, err := db.schema()
	if err != nil {
		return err
	}
	db.tables = tables
	if err := tables.require("ValidPaths", db.flavour.columns()...); err != nil {
		return fmt.Errorf("is not a database of %s: %w", db.flavour, err)
	}
	if db.flavour == Guix && tables.table("ValidPaths").has("ca") {
		return errors.New("is not a database of guix: its table ValidPaths has a column ca, as that of nix has")
	}
	for _, key := range []struct {
		table   string
		columns []string
	}{{"ValidPaths", []string{"id"}}, {"ValidPaths", []string{"path"}}, {"Refs", []string{"referrer", "reference"}}, {"DerivationOutputs", []string{"drv", "id"}}} {
		if t := tables.table(key.table); t == nil || !t.isUnique(key.columns...) {
			return fmt.Errorf("is not a database of %s: it has no table %s whose %s is unique", db.flavour, key.table, strings.Join(key.columns, ", "))
		}
	}
	return nil
}

// rows returns those of the items that are registered.
func (db *rootDB) rows(items []*Item) (map[string]*dbRow, error) {
	known := make(map[string]*dbRow, len(items))
	columns := strings.Join(db.flavour.columns(), ", ")
	for batch := range slices.Chunk(items, rowsAtOnce) {
		if err := db.ctx.Err(); err != nil {
			return nil, err
		}
		args := make([]driver.Value, len(batch))
		for i, it := range batch {
			args[i] = it.Path
		}
		sql := "select " + columns + " from ValidPaths where path in (?" + strings.Repeat(",?", len(batch)-1) + ")"
		err := db.query(sql, args, func(row []driver.Value) error {
			r, err := db.row(row)
			if err == nil {
				known[r.Path] = r
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", db.path, err)
		}
	}
	return known, nil
}

func (db *rootDB) row(v []driver.Value) (*dbRow, error) {
	r := &dbRow{Item: Item{Path: text(v[1]), Deriver: text(v[4]), Origin: Origin{File: db.path}}}
	r.id, _ = v[0].(int64)
	r.NarSize, _ = v[5].(int64)
	if len(v) > 6 {
		ultimate, _ := v[6].(int64)
		r.Ultimate = ultimate != 0
		r.Sigs = sortedSet(strings.Fields(text(v[7])))
		r.CA = text(v[8])
	}
	var err error
	if r.NarHash, err = ParseHash(text(v[2])); err != nil {
		return nil, fmt.Errorf("%s: %w", r.Path, err)
	}
	return r, nil
}

// valid says whether a path is registered.
func (db *rootDB) valid(path string) (bool, error) {
	rows, err := db.rows([]*Item{{Path: path}})
	return len(rows) > 0, err
}

// judgement is what the store's contents say where its database and a source differ.
type judgement int

const (
	sameHash    judgement = iota // they do not differ
	rowRight                     // the row describes what lies in the store
	sourceRight                  // the source does
)

// register adds the items of the closure, or brings their rows up to date, in one
// transaction.
func (db *rootDB) register(ctx context.Context, c *Closure, judged map[string]judgement) (added, updated int, err error) {
	if err := db.exec("begin immediate"); err != nil {
		return 0, 0, fmt.Errorf("%s: %w", db.path, err)
	}
	added, updated, err = db.change(ctx, c, judged)
	changed := err == nil && added+updated > 0
	if changed {
		err = db.exec("commit")
	}
	if !changed || err != nil { // a database in which nothing changes is left alone
		db.exec("rollback")
	}
	if err != nil {
		return 0, 0, fmt.Errorf("%s: %w", db.path, db.explain(err))
	}
	return added, updated, nil
}

func (db *rootDB) change(ctx context.Context, c *Closure, judged map[string]judgement) (added, updated int, err error) {
	known, err := db.rows(c.items)
	if err != nil {
		return 0, 0, err
	}
	w := &rowWriter{rootDB: db, closure: c, known: known, judged: judged, ids: make([]int64, len(c.items))}
	steps := []func() error{w.number, w.paths, ctx.Err, w.references, w.outputs}
	for _, step := range steps {
		if err := step(); err != nil {
			return 0, 0, err
		}
	}
	return len(c.items) - len(known), len(w.changed), nil
}

// rowWriter changes the tables within a transaction.
type rowWriter struct {
	*rootDB
	closure *Closure
	known   map[string]*dbRow
	judged  map[string]judgement
	ids     []int64         // of the closure's items
	changed map[string]bool // rows that were there and are others now
}

// number gives each item its id; new ones go on where the table ends, as with
// AUTOINCREMENT: an id is never used twice.
func (w *rowWriter) number() error {
	next := int64(0)
	highest := []string{"select max(id) from ValidPaths"}
	if w.tables.table("sqlite_sequence") != nil {
		highest = append(highest, "select max(seq) from sqlite_sequence where name = 'ValidPaths'")
	}
	for _, sql := range highest {
		err := w.query(sql, nil, func(row []driver.Value) error {
			if n, ok := row[0].(int64); ok {
				next = max(next, n)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if next > math.MaxInt64-int64(len(w.closure.items)) {
		return fmt.Errorf("its rows are numbered up to %d: there is no number left for others", next)
	}
	for i, it := range w.closure.items {
		if r := w.known[it.Path]; r != nil {
			w.ids[i] = r.id
		} else {
			next++
			w.ids[i] = next
		}
	}
	w.changed = map[string]bool{}
	return nil
}

func (w *rowWriter) paths() error {
	columns := w.flavour.columns()
	var there []int
	err := w.insert("ValidPaths ("+strings.Join(columns, ", ")+")", len(columns), func(in *inserter) error {
		for i, it := range w.closure.items {
			if err := w.ctx.Err(); err != nil {
				return err
			}
			if w.known[it.Path] != nil {
				there = append(there, i)
				continue
			}
			row := it.row(i, DatabaseOptions{Provenance: true})
			row[0] = w.ids[i]
			if err := in.add(row[:len(columns)]...); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, i := range there {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		if err := w.update(w.closure.items[i]); err != nil {
			return err
		}
	}
	return nil
}

// update adds to a row what the source knows and the row does not. What Nix or Guix
// noted stays, the time of registration among it; what neither can read goes.
func (w *rowWriter) update(it *Item) error {
	row := w.known[it.Path]
	if row.NarHash != it.NarHash && w.judged[it.Path] == sameHash {
		return fmt.Errorf("%s was registered by another process meanwhile, with the hash %s: try again", it.Path, row.NarHash)
	}
	now := row.Item
	now.dropUnreadable(w.flavour)
	if w.judged[it.Path] != rowRight {
		now.NarHash, now.NarSize = it.NarHash, it.NarSize
		now.Deriver, now.CA = cmp.Or(now.Deriver, it.Deriver), cmp.Or(now.CA, it.CA)
		now.Sigs = sortedSet(slices.Concat(now.Sigs, it.Sigs))
		now.Ultimate = row.Ultimate || it.Ultimate
	}
	columns := w.flavour.columns()
	before, after := row.row(0, DatabaseOptions{Provenance: true}), now.row(0, DatabaseOptions{Provenance: true})
	if slices.Equal(before[4:len(columns)], after[4:len(columns)]) && before[2] == after[2] {
		return nil
	}
	set := []string{"hash = ?"}
	args := []driver.Value{after[2]}
	for i := 4; i < len(columns); i++ {
		set, args = append(set, columns[i]+" = ?"), append(args, after[i])
	}
	w.changed[it.Path] = true
	_, err := w.Exec("update ValidPaths set "+strings.Join(set, ", ")+" where id = ?", append(args, row.id))
	return err
}

func (w *rowWriter) references() error {
	return w.insert("Refs (referrer, reference)", 2, func(in *inserter) error {
		for i, it := range w.closure.items {
			if err := w.ctx.Err(); err != nil {
				return err
			}
			refs := it.References
			if w.known[it.Path] != nil {
				if w.judged[it.Path] == rowRight {
					continue
				}
				var err error
				if refs, err = w.missing(w.ids[i], it); err != nil {
					return err
				}
			}
			for _, ref := range refs {
				if err := in.add(w.ids[i], w.ids[w.closure.index[ref]]); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// missing returns the references of an item that is registered without them.
func (w *rowWriter) missing(id int64, it *Item) ([]string, error) {
	have := map[string]bool{}
	err := w.query("select path from Refs join ValidPaths on reference = id where referrer = ?", []driver.Value{id}, func(row []driver.Value) error {
		have[text(row[0])] = true
		return nil
	})
	refs := slices.DeleteFunc(slices.Clone(it.References), func(ref string) bool { return have[ref] })
	if len(refs) > 0 {
		w.changed[it.Path] = true
	}
	return refs, err
}

func (w *rowWriter) outputs() error {
	for i, it := range w.closure.items {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		if w.judged[it.Path] == rowRight {
			continue
		}
		outputs, err := it.outputs(w.flavour)
		if err != nil {
			return err
		}
		for _, out := range outputs {
			_, err := w.Exec("insert or replace into DerivationOutputs (drv, id, path) values (?, ?, ?)", []driver.Value{w.ids[i], out.name, out.path})
			if err != nil {
				return err
			}
		}
	}
	return nil
}
