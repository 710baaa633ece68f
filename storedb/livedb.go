package storedb

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/mattn/go-sqlite3"
)

// ReadDatabase reads the closures of roots, which are store paths, from the database
// of a live store, or all of it if there are no roots. Nothing is written, and no
// right to write is needed.
//
// Nix and Guix keep their databases in WAL mode. As long as there is a log, reading
// goes through SQLite's locks and sees the state of the last commit. Without a log,
// SQLite could only open the database by making one; it is read as a file that does
// not change instead, and it is an error if it does all the same.
func (f Flavour) ReadDatabase(path string, roots ...string) ([]*Item, error) {
	for _, root := range roots {
		if err := f.CheckPath(root); err != nil {
			return nil, err
		}
	}
	var items []*Item
	err := withDatabase(path, func(r *dbReader) (err error) {
		items, err = r.read(roots)
		return err
	})
	if err != nil {
		return nil, err
	}
	return items, nil
}

// withDatabase calls read with the database of a live store.
func withDatabase(path string, read func(*dbReader) error) error {
	before, err := stateOf(path)
	if err != nil {
		return err
	}
	err = openDatabase(path, before.hasLog(), read)
	if err != nil || before.hasLog() {
		return err
	}
	after, err := stateOf(path)
	if err == nil && after != before {
		err = fmt.Errorf("%s: was written to while it was read: try again", path)
	}
	return err
}

// dbState is what shows that a database without a log is written to.
type dbState struct{ size, mtime, log int64 }

func (s dbState) hasLog() bool { return s.log > 0 }

func stateOf(path string) (dbState, error) {
	db, err := os.Stat(path)
	if err != nil {
		return dbState{}, err
	}
	s := dbState{size: db.Size(), mtime: db.ModTime().UnixNano()}
	for _, suffix := range []string{"-wal", "-journal"} {
		if log, err := os.Stat(path + suffix); err == nil {
			s.log += log.Size()
		}
	}
	return s, nil
}

func openDatabase(path string, log bool, read func(*dbReader) error) error {
	mode := "immutable=1&_mutex=no" // the connection stays within one goroutine
	if log {
		mode = "mode=ro&_mutex=no&_busy_timeout=30000"
	}
	file := url.URL{Path: filepath.Clean(path)}
	conn, err := (&sqlite3.SQLiteDriver{}).Open("file:" + file.EscapedPath() + "?" + mode)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer conn.Close()
	err = read(&dbReader{conn: conn.(*sqlite3.SQLiteConn), path: path})
	var e sqlite3.Error
	if errors.As(err, &e) {
		if log && (e.Code == sqlite3.ErrCantOpen || e.Code == sqlite3.ErrReadonly) {
			err = fmt.Errorf("%w (its log, %s-wal, cannot be shared with other readers: try as root, or use nix-store --dump-db)", err, filepath.Base(path))
		}
		err = fmt.Errorf("%s: %w", path, err)
	}
	return err
}

// withDatabaseBytes calls read with the database whose file is b, which it changes.
// name stands for it in errors.
func withDatabaseBytes(name string, b []byte, read func(*dbReader) error) error {
	db, err := openMemory()
	if err != nil {
		return err
	}
	defer db.Close()
	if len(b) > headerSize {
		// In memory there are no logs, and a database in WAL mode could not be opened.
		b[headerWriteVersion], b[headerReadVersion] = rollbackJournal, rollbackJournal
	}
	if err := db.Deserialize(b, "main"); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	err = read(&dbReader{conn: db.SQLiteConn, path: name})
	var e sqlite3.Error
	if errors.As(err, &e) {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return err
}

// dbReader reads items, all within one transaction.
type dbReader struct {
	conn  *sqlite3.SQLiteConn
	path  string
	ids   rowItems
	items []*Item
}

func (r *dbReader) read(roots []string) ([]*Item, error) {
	if _, err := r.conn.Exec("begin", nil); err != nil {
		return nil, err
	}
	columns, err := r.columns()
	if err != nil {
		return nil, err
	}
	// Reading all and then leaving out is slower than following references only if the
	// store is hundreds of times as large as the closure, and it needs no temporary
	// tables.
	if err := r.query("select id, "+columns+" from ValidPaths", r.item); err != nil {
		return nil, err
	}
	if err := r.references(r.reference); err != nil {
		return nil, err
	}
	for _, it := range r.items {
		it.References = sortedSet(it.References)
	}
	if len(roots) == 0 {
		return r.items, nil
	}
	return r.requisites(roots)
}

// requisites returns the items that roots need. What else the store holds is not
// looked at.
func (r *dbReader) requisites(roots []string) ([]*Item, error) {
	byPath := make(map[string]*Item, len(r.items))
	for _, it := range r.items {
		byPath[it.Path] = it
	}
	var items []*Item
	visit := func(path string) bool {
		it, ok := byPath[path]
		if it != nil {
			items = append(items, it)
			byPath[path] = nil
		}
		return ok
	}
	for _, root := range roots {
		if !visit(root) {
			return nil, fmt.Errorf("%s: %s is not a valid path of this store", r.path, root)
		}
	}
	for i := 0; i < len(items); i++ {
		for _, ref := range items[i].References {
			visit(ref)
		}
	}
	return items, nil
}

// columns returns those that are wanted of ValidPaths, NULL for those that an older
// schema, or Guix's, does not have.
func (r *dbReader) columns() (string, error) {
	var have []string
	err := r.query("pragma table_info(ValidPaths)", func(row []driver.Value) error {
		have = append(have, text(row[1]))
		return nil
	})
	if err == nil && len(have) == 0 {
		err = fmt.Errorf("%s: is not the database of a store: it has no table ValidPaths", r.path)
	}
	wanted := []string{"path", "hash", "narSize", "deriver", "ultimate", "sigs", "ca"}
	for i, name := range wanted {
		if !slices.Contains(have, name) {
			wanted[i] = "null"
		}
	}
	return strings.Join(wanted, ", "), err
}

// query calls row for each row of the answer.
func (r *dbReader) query(sql string, row func([]driver.Value) error) error {
	rows, err := r.conn.Query(sql, nil)
	if err != nil {
		return err
	}
	return eachRow(rows, row)
}

// eachRow calls row for each of rows, and closes them. The values are reused.
func eachRow(rows driver.Rows, row func([]driver.Value) error) error {
	defer rows.Close()
	values := make([]driver.Value, len(rows.Columns()))
	for {
		if err := rows.Next(values); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := row(values); err != nil {
			return err
		}
	}
}

func (r *dbReader) item(row []driver.Value) error {
	id, _ := row[0].(int64)
	it := &Item{Path: text(row[1]), Deriver: text(row[4]), CA: text(row[7]), Origin: Origin{File: r.path}}
	hash, err := ParseHash(text(row[2]))
	if err != nil {
		return fmt.Errorf("%s: %s: %w", r.path, it.Path, err)
	}
	it.NarHash = hash
	it.NarSize, _ = row[3].(int64)
	ultimate, _ := row[5].(int64)
	it.Ultimate = ultimate != 0
	it.Sigs = sortedSet(strings.Fields(text(row[6])))
	r.ids.set(id, it)
	r.items = append(r.items, it)
	return nil
}

// refsAtOnce is how many rows of Refs become one. Fetching a row costs a call into C,
// which is most of what it costs: with 65,536 a closure of 50,000 paths is read in
// half of the time that it takes with single rows.
const refsAtOnce = 1 << 16

// references calls found for each row of Refs.
func (r *dbReader) references(found func(from, to int64) error) error {
	first, last := int64(1), int64(0)
	err := r.query("select min(rowid), max(rowid) from Refs", func(row []driver.Value) error {
		if row[0] != nil {
			first, last = row[0].(int64), row[1].(int64)
		}
		return nil
	})
	for at := first; err == nil && at <= last; at += refsAtOnce {
		sql := fmt.Sprintf("select group_concat(referrer || ' ' || reference, ' ') from Refs where rowid between %d and %d", at, at+refsAtOnce-1)
		err = r.query(sql, func(row []driver.Value) error { return r.pairs(text(row[0]), found) })
		if at > math.MaxInt64-refsAtOnce {
			break
		}
	}
	return err
}

// pairs reads pairs of numbers.
func (r *dbReader) pairs(s string, found func(from, to int64) error) error {
	var pair [2]int64
	for i := 0; s != ""; i++ {
		var number string
		number, s, _ = strings.Cut(s, " ")
		var err error
		if pair[i%2], err = strconv.ParseInt(number, 10, 64); err != nil {
			return fmt.Errorf("%s: is corrupt: a reference has %q instead of a row's number", r.path, number)
		}
		if i%2 == 1 {
			if err := found(pair[0], pair[1]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *dbReader) reference(from, to int64) error {
	referrer, reference := r.ids.get(from), r.ids.get(to)
	if referrer == nil || reference == nil {
		return fmt.Errorf("%s: is corrupt: it has a reference from row %d to row %d, which are not both there", r.path, from, to)
	}
	if referrer.References == nil {
		referrer.References = make([]string, 0, 4) // as most have
	}
	referrer.References = append(referrer.References, reference.Path)
	return nil
}

// rowItems are items by the ids of their rows: in a slice as long as most ids in a
// row are used, which saves a tenth of the time over a map.
type rowItems struct {
	dense  []*Item
	sparse map[int64]*Item
	n      int64
}

func (r *rowItems) set(id int64, it *Item) {
	r.n++
	if id < 0 || id > 4*r.n+1024 {
		if r.sparse == nil {
			r.sparse = map[int64]*Item{}
		}
		r.sparse[id] = it
		return
	}
	for int64(len(r.dense)) <= id {
		r.dense = append(r.dense, nil)
	}
	r.dense[id] = it
}

func (r *rowItems) get(id int64) *Item {
	if id >= 0 && id < int64(len(r.dense)) && r.dense[id] != nil {
		return r.dense[id]
	}
	return r.sparse[id]
}

// text returns a column that is text, or "" where it is NULL.
func text(v driver.Value) string {
	switch v := v.(type) {
	case string:
		return v
	case []byte:
		return string(v)
	}
	return ""
}
