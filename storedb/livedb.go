package storedb

import (
	"cmp"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/mattn/go-sqlite3"
	"golang.org/x/sys/unix"

	"ingot/image"
	"ingot/internal/printable"
)

// ReadDatabase reads the closures of roots, which are store paths, from the database
// of a live store, or all of it if there are no roots. Nothing is written, and no
// right to write is needed.
//
// Nix and Guix keep their databases in WAL mode. As long as there is a log, reading
// goes through SQLite's locks and sees the state of the last commit. Without a log,
// SQLite could only open the database by making one; it is read as a file that does
// not change instead, and it is an error if it does all the same.
//
// The database need not be trusted: one that has other things in it than Nix and Guix
// make is refused ([ErrForeignSchema]), work and memory are bounded by its size
// ([ErrDatabaseWork]), and reading ends when ctx does.
func (f Flavour) ReadDatabase(ctx context.Context, path string, roots ...string) ([]*Item, error) {
	for _, root := range roots {
		if err := f.CheckPath(root); err != nil {
			return nil, err
		}
	}
	var items []*Item
	err := withDatabase(ctx, path, func(r *dbReader) (err error) {
		r.flavour = f
		items, err = r.read(roots)
		return err
	})
	if err != nil {
		return nil, err
	}
	return items, nil
}

// ReadRootDatabase is [Flavour.ReadDatabase] of the store in a root. In any but "/", neither the
// database nor a folder that leads there may be a symlink, which could lead out of the root.
func (f Flavour) ReadRootDatabase(ctx context.Context, root string, roots ...string) ([]*Item, error) {
	if err := f.checkRootDatabase(root); err != nil {
		return nil, err
	}
	return f.ReadDatabase(ctx, filepath.Join(root, f.DatabasePath()), roots...)
}

// checkRootDatabase refuses a database that is reached by symlinks.
func (f Flavour) checkRootDatabase(root string) error {
	return f.inRoot(root, func(db *rootDir) error { return db.checkRegular(filepath.Base(f.DatabasePath())) })
}

// inRoot refuses a root, other than "/", whose store or database lies behind a symlink, and
// calls use, if given, with the database's directory, if it is there.
func (f Flavour) inRoot(root string, use func(db *rootDir) error) error {
	if filepath.Clean(root) == "/" {
		return nil
	}
	top, err := openRoot(root, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the reader reports it
	}
	if err != nil {
		return err
	}
	defer top.close()
	store, err := top.walk(f.StoreDir(), (*rootDir).open)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	store.close()
	db, err := top.walk(filepath.Dir(f.DatabasePath()), (*rootDir).open)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer db.close()
	if use == nil {
		return nil
	}
	return use(db)
}

// checkRegular refuses what is there and is no regular file.
func (d *rootDir) checkRegular(name string) error {
	st, err := d.stat(name)
	if err == unix.ENOENT {
		return nil
	}
	if err != nil {
		return d.fail("lstat", name, err)
	}
	if mode := image.ModeFromUnix(uint16(st.Mode)); !mode.IsRegular() {
		return fmt.Errorf("%s is %s; a regular file was expected", filepath.Join(d.path, name), image.Kind(mode))
	}
	return nil
}

// withDatabase calls read with the database of a live store.
func withDatabase(ctx context.Context, path string, read func(*dbReader) error) error {
	real, err := filepath.EvalSymlinks(path) // SQLite's logs lie beside the file itself
	if err != nil {
		var at *os.PathError // it may name no more than the first folder that is not there
		if errors.As(err, &at) {
			err = &os.PathError{Op: "open", Path: path, Err: at.Err}
		}
		return err
	}
	if real, err = filepath.Abs(real); err != nil {
		return err
	}
	before, err := stateOf(real, path)
	if err != nil {
		return err
	}
	err = openDatabase(ctx, real, path, before, read)
	if err != nil || before.hasLog() {
		return err
	}
	after, err := stateOf(real, path)
	if err == nil && after != before {
		err = fmt.Errorf("%s: was written to while it was read: try again", path)
	}
	return err
}

// dbState is what shows that a database without a log is written to.
type dbState struct{ size, mtime, log int64 }

func (s dbState) hasLog() bool { return s.log > 0 }

// stateOf looks at the files of the database that lies at real, and is called path in
// errors. SQLite opens all of them, and readers share memory by the file -shm, which they
// make, write, and give to the database's owner: it must not be another name of a file
// elsewhere.
func stateOf(real, path string) (s dbState, err error) {
	for _, suffix := range []string{"", "-wal", "-journal", "-shm"} {
		var st unix.Stat_t
		err := unix.Lstat(real+suffix, &st)
		switch {
		case err == unix.ENOENT && suffix != "":
			continue
		case err != nil:
			return s, &os.PathError{Op: "lstat", Path: path + suffix, Err: err}
		case st.Mode&unix.S_IFMT != unix.S_IFREG:
			return s, fmt.Errorf("%s%s is %s; a file of a database was expected", path, suffix, image.Kind(image.ModeFromUnix(uint16(st.Mode))))
		case suffix == "-shm" && st.Nlink > 1:
			return s, fmt.Errorf("%s%s has %d names (hard links), and one that is written to must have one: remove it", path, suffix, st.Nlink)
		case suffix == "":
			s.size, s.mtime = st.Size, st.Mtim.Nano()
		case suffix != "-shm":
			s.log += st.Size
		}
	}
	return s, nil
}

// readBusy is how long reading waits for a writer, in milliseconds.
const readBusy = 30_000

func openDatabase(ctx context.Context, real, path string, state dbState, read func(*dbReader) error) error {
	file := url.URL{Path: real}
	o := guardOptions{name: "file:" + file.EscapedPath(), flags: openReadOnly | openNoMutex | openNoFollow, size: state.size + state.log}
	if state.hasLog() {
		o.busy = readBusy
	} else {
		o.name += "?immutable=1"
	}
	db, err := openGuarded(ctx, o)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer db.Close()
	err = read(&dbReader{db: db, path: path, ids: map[int64]*Item{}})
	var e sqlite3.Error
	switch {
	case !errors.As(err, &e):
	case e.ExtendedCode == sqlite3.ErrReadonlyRollback:
		err = fmt.Errorf("%w (a transaction was cut off, and reading does not roll it back: a registration does, and so does nix-store --dump-db)", err)
	case state.hasLog() && (e.Code == sqlite3.ErrCantOpen || e.Code == sqlite3.ErrReadonly):
		err = fmt.Errorf("%w (its log, %s-wal, cannot be shared with other readers: try as root, or use nix-store --dump-db)", err, filepath.Base(path))
	}
	return namedDatabase(path, err)
}

// namedDatabase puts the name of the database before what SQLite, or what watches over
// it, says.
func namedDatabase(name string, err error) error {
	var e sqlite3.Error
	if errors.As(err, &e) || errors.Is(err, ErrDatabaseWork) || errors.Is(err, ErrForeignSchema) || err == errNoPair {
		return fmt.Errorf("%s: %w", name, err)
	}
	return err
}

// withDatabaseBytes calls read with the database whose file is b, which it changes.
// name stands for it in errors.
func withDatabaseBytes(ctx context.Context, name string, b []byte, read func(*dbReader) error) error {
	if len(b) > headerSize {
		// In memory there are no logs, and a database in WAL mode could not be opened.
		b[headerWriteVersion], b[headerReadVersion] = rollbackJournal, rollbackJournal
	}
	db, err := openGuarded(ctx, guardOptions{name: memdbName, flags: openReadWrite | openCreate | openNoMutex, size: int64(len(b)), bytes: b})
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer db.Close()
	return namedDatabase(name, read(&dbReader{db: db, path: name, ids: map[int64]*Item{}}))
}

// dbReader reads items, all within one transaction.
type dbReader struct {
	db      *guardedDB
	flavour Flavour
	path    string
	tables  dbSchema
	ids     map[int64]*Item // by the numbers of their rows
	items   []*Item
	rows    int64 // that were read
	text    int64 // bytes of text that they had
}

// leastRow is how many bytes a row takes at least: a pointer to it, its length, its
// number, and a header that tells the types of its columns.
const leastRow = 8

// row counts a row that was read. Each page of a sound database is read once. Where
// pages are shared, a small file can have more rows than memory.
func (r *dbReader) row(textBytes int) error {
	r.rows++
	r.text += int64(textBytes)
	if r.rows*leastRow > r.db.size || r.text > r.db.size {
		return fmt.Errorf("%w: it has more rows, or more text, than its %d bytes can hold", ErrDatabaseWork, r.db.size)
	}
	return nil
}

// begin begins the transaction, and refuses what is not the database of a store before
// any row of it is read.
func (r *dbReader) begin() (err error) {
	if err := r.db.exec("begin"); err != nil {
		return err
	}
	r.tables, err = r.db.schema()
	return err
}

func (r *dbReader) read(roots []string) ([]*Item, error) {
	if err := r.begin(); err != nil {
		return nil, err
	}
	if err := cmp.Or(r.tables.require("ValidPaths", "id", "path", "hash"), r.tables.require("Refs", "referrer", "reference")); err != nil {
		return nil, fmt.Errorf("%s: is not the database of a store: %w", r.path, err)
	}
	// Reading all and then leaving out is slower than following references only if the
	// store is hundreds of times as large as the closure, and it needs no temporary
	// tables.
	if err := r.paths(r.item); err != nil {
		return nil, err
	}
	if err := r.references(r.reference); err != nil {
		return nil, err
	}
	for _, it := range r.items {
		it.References = sortedSet(it.References)
		if err := it.settleCA(r.flavour); err != nil {
			it.leaveOut(&it.CA, err)
		}
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
	items, missing := requisites(func(path string) *Item { return byPath[path] }, roots)
	if missing != "" {
		return nil, fmt.Errorf("%s: %s is not a valid path of this store", r.path, missing)
	}
	return items, nil
}

// paths calls row for each row of ValidPaths: id, path, hash, narSize, deriver,
// ultimate, sigs and ca, NULL for those that an older schema, or Guix's, does not have.
func (r *dbReader) paths(row func([]driver.Value) error) error {
	wanted := []string{"path", "hash", "narSize", "deriver", "ultimate", "sigs", "ca"}
	for i, name := range wanted {
		if !r.tables.table("ValidPaths").has(name) {
			wanted[i] = "null"
		}
	}
	return r.db.query("select id, "+strings.Join(wanted, ", ")+" from ValidPaths", nil, func(values []driver.Value) error {
		size := 0
		for _, v := range values {
			size += len(text(v))
		}
		if err := r.row(size); err != nil {
			return err
		}
		return row(values)
	})
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
	if it.NarSize < 0 {
		return fmt.Errorf("%s: is corrupt: %s has a size of %d bytes", r.path, printable.Quote(it.Path), it.NarSize)
	}
	for _, s := range row { // that would be lines of their own in a registration
		if s := text(s); strings.ContainsFunc(s, unicode.IsControl) {
			return fmt.Errorf("%s: is corrupt: row %d of ValidPaths has %.80q", r.path, id, s)
		}
	}
	if it.Deriver != "" {
		it.leaveOut(&it.Deriver, r.flavour.checkDeriver(it.Deriver))
	}
	it.settleSigs()
	r.ids[id] = it
	r.items = append(r.items, it)
	return nil
}

// references calls found for each row of Refs.
func (r *dbReader) references(found func(from, to int64) error) error {
	return r.db.pairs("select referrer, reference from Refs", func(from, to int64) error {
		if err := r.row(0); err != nil {
			return err
		}
		return found(from, to)
	})
}

func (r *dbReader) reference(from, to int64) error {
	referrer, reference := r.ids[from], r.ids[to]
	if referrer == nil || reference == nil {
		return fmt.Errorf("%s: is corrupt: it has a reference from row %d to row %d, which are not both there", r.path, from, to)
	}
	if referrer.References == nil {
		referrer.References = make([]string, 0, 4) // as most have
	}
	referrer.References = append(referrer.References, reference.Path)
	return nil
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
