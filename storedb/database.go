package storedb

import (
	"cmp"
	"database/sql/driver"
	"encoding/binary"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/mattn/go-sqlite3"

	"ingot/image"
)

// DatabaseOptions says what a database holds of its items. The zero value stores only what
// every source has, so that a closure gives the same database whether it was read from a
// reference graph or from a live store.
type DatabaseOptions struct {
	// Provenance keeps derivers, signatures and the mark of what was built on the spot.
	Provenance bool
}

// registrationTime is one second, as in every image that Guix makes: Nix takes 0 for
// "now".
const registrationTime = 1

// Database returns the file db.sqlite in its canonical bytes: rows in the order of
// the closure with ids from 1 on, registered at time 1, pages packed as VACUUM packs
// them, no free pages, a rollback journal, and the header's counters fixed. All
// hashes must be known, as they are after [Closure.Load]. Derivations (.drv) whose
// Node is known have their outputs registered, too.
func (c *Closure) Database(o DatabaseOptions) (image.Bytes, error) {
	if err := c.checkCircles(); err != nil {
		return nil, err
	}
	c.tidy()
	db, err := openMemory()
	if err != nil {
		return nil, err
	}
	defer db.Close()
	schema := schemas[c.Flavour]
	steps := []func() error{
		func() error { return db.exec(schema.tables + "begin;") },
		func() error { return c.insertPaths(db, o) },
		func() error { return c.insertReferences(db) },
		func() error { return c.insertOutputs(db) },
		// Filling an index at once is faster than keeping it up to date. VACUUM then
		// packs table by table and index by index, so that the layout no longer
		// depends on the way here.
		func() error {
			c.tidy()
			return db.exec("commit;" + schema.indexes + schema.trigger + "vacuum;")
		},
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	b, err := db.bytes()
	if err != nil {
		return nil, err
	}
	return b, canonicalise(b)
}

// manyItems is from how many on tidy does anything.
const manyItems = 100_000

// tidy gives back what reading and writing many items left behind, before SQLite,
// which the collector does not know of, takes as much again. Of a million, that is
// 0.3 GiB in a quarter of a second.
func (c *Closure) tidy() {
	if len(c.items) > manyItems {
		debug.FreeOSMemory()
	}
}

// memoryDB is a database in memory. Going around database/sql saves half of the time.
type memoryDB struct{ *sqlite3.SQLiteConn }

// openMemory opens an empty database that never touches a file: temporary tables of
// VACUUM stay in memory, too. What is deleted is overwritten (secure_delete): SQLite
// leaves pieces of moved rows between others otherwise, and which depends on how the
// library was built.
func openMemory() (*memoryDB, error) {
	conn, err := (&sqlite3.SQLiteDriver{}).Open(memdbName)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	db := &memoryDB{conn.(*sqlite3.SQLiteConn)}
	err = db.exec(fmt.Sprintf("pragma page_size=%d; pragma temp_store=memory; pragma journal_mode=off; "+
		"pragma synchronous=off; pragma foreign_keys=off; pragma locking_mode=exclusive; pragma secure_delete=on; pragma cache_size=-16384;", pageSize))
	if err == nil {
		err = db.unlimit()
	}
	if err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

func (db *memoryDB) exec(sql string) error {
	if _, err := db.Exec(sql, nil); err != nil {
		return fmt.Errorf("sqlite: %w", err)
	}
	return nil
}

// rowsAtOnce is how many rows one statement inserts: with 100, a third of the time
// that single rows take, and more gains little.
const rowsAtOnce = 100

// inserter inserts rows into a table.
type inserter struct {
	db     *memoryDB
	table  string
	width  int
	many   *sqlite3.SQLiteStmt
	values []driver.Value
}

func (db *memoryDB) inserter(table string, width int) (*inserter, error) {
	in := &inserter{db: db, table: table, width: width, values: make([]driver.Value, 0, rowsAtOnce*width)}
	var err error
	in.many, err = in.prepare(rowsAtOnce)
	return in, err
}

func (in *inserter) prepare(rows int) (*sqlite3.SQLiteStmt, error) {
	row := "(" + strings.Repeat("?,", in.width-1) + "?)"
	stmt, err := in.db.Prepare("insert into " + in.table + " values " + strings.Repeat(row+",", rows-1) + row)
	if err != nil {
		return nil, fmt.Errorf("sqlite: %w", err)
	}
	return stmt.(*sqlite3.SQLiteStmt), nil
}

// add adds a row.
func (in *inserter) add(values ...driver.Value) error {
	in.values = append(in.values, values...)
	if len(in.values) < rowsAtOnce*in.width {
		return nil
	}
	return in.flush(in.many)
}

func (in *inserter) flush(stmt *sqlite3.SQLiteStmt) error {
	if _, err := stmt.Exec(in.values); err != nil {
		return fmt.Errorf("sqlite: %s: %w", in.table, err)
	}
	in.values = in.values[:0]
	return nil
}

// close inserts what is left.
func (in *inserter) close() error {
	defer in.many.Close()
	if len(in.values) == 0 {
		return nil
	}
	rest, err := in.prepare(len(in.values) / in.width)
	if err != nil {
		return err
	}
	defer rest.Close()
	return in.flush(rest)
}

// insert calls rows with an inserter for table.
func (db *memoryDB) insert(table string, width int, rows func(*inserter) error) error {
	in, err := db.inserter(table, width)
	if err != nil {
		return err
	}
	return cmp.Or(rows(in), in.close())
}

func (c *Closure) insertPaths(db *memoryDB, o DatabaseOptions) error {
	width := len(c.Flavour.columns())
	return db.insert("ValidPaths", width, func(in *inserter) error {
		for i, it := range c.items {
			if it.NarHash.IsZero() || it.NarSize <= 0 {
				return fmt.Errorf("%s cannot be registered: its hash or its size is unknown", it.Path)
			}
			row := it.row(i, o)
			if err := in.add(row[:width]...); err != nil {
				return err
			}
		}
		return nil
	})
}

// row returns the item's row in ValidPaths; Guix has only the first six columns.
// What is empty must be NULL: Nix aborts on an empty deriver.
func (it *Item) row(i int, o DatabaseOptions) [9]driver.Value {
	row := [9]driver.Value{int64(i + 1), it.Path, it.NarHash.String(), int64(registrationTime), nil, it.NarSize}
	if o.Provenance {
		row[4] = textOrNull(it.Deriver)
		if it.Ultimate {
			row[6] = int64(1)
		}
		row[7] = textOrNull(strings.Join(it.Sigs, " "))
	}
	row[8] = textOrNull(it.CA)
	return row
}

func textOrNull(s string) driver.Value {
	if s == "" {
		return nil
	}
	return s
}

func (c *Closure) insertReferences(db *memoryDB) error {
	return db.insert("Refs", 2, func(in *inserter) error {
		for i, it := range c.items {
			for _, ref := range it.References {
				if err := in.add(int64(i+1), int64(c.index[ref]+1)); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func (c *Closure) insertOutputs(db *memoryDB) error {
	return db.insert("DerivationOutputs", 3, func(in *inserter) error {
		for i, it := range c.items {
			outputs, err := it.outputs(c.Flavour)
			if err != nil {
				return err
			}
			for _, out := range outputs {
				if err := in.add(int64(i+1), out.name, out.path); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// canonicalise gives the database b what would otherwise depend on how it was made
// and by which version of SQLite: counters in its header, and what is left over in
// pages from earlier uses.
func canonicalise(b []byte) error {
	if len(b) < headerSize || len(b)%pageSize != 0 {
		return fmt.Errorf("sqlite: a database of %d bytes is not whole pages of %d", len(b), pageSize)
	}
	if free := binary.BigEndian.Uint32(b[headerFreePages:]); free != 0 {
		return fmt.Errorf("sqlite: the database has %d free pages", free)
	}
	put := binary.BigEndian.PutUint32
	b[headerWriteVersion], b[headerReadVersion] = rollbackJournal, rollbackJournal
	put(b[headerChangeCounter:], 1)
	put(b[headerPages:], uint32(len(b)/pageSize))
	put(b[headerSchemaCookie:], 1)
	put(b[headerValidFor:], 1)
	put(b[headerLibrary:], libraryVersion)
	for at := 0; at < len(b); at += pageSize {
		clearUnused(b[at:at+pageSize], at == 0)
	}
	return nil
}

// clearUnused zeroes what lies between the pointers and the cells of a B-tree page.
// Other pages, which hold the rest of long rows, begin with the number of a page:
// with a zero, in databases below 64 GiB.
func clearUnused(page []byte, first bool) {
	header := page
	if first {
		header = page[headerSize:]
	}
	end := len(page) - len(header)
	switch header[btreeType] {
	case leafIndex, leafTable:
		end += leafHeaderSize
	case interiorIndex, interiorTable:
		end += interiorHeaderSize
	default:
		return
	}
	end += 2 * int(binary.BigEndian.Uint16(header[btreeCells:]))
	content := int(binary.BigEndian.Uint16(header[btreeContent:]))
	if end < content && content <= len(page) {
		clear(page[end:content])
	}
}
