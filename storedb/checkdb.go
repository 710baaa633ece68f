package storedb

import (
	"bytes"
	"cmp"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/mattn/go-sqlite3"

	"ingot/image"
	"ingot/internal/printable"
)

// journalMagic begins a rollback journal that still counts; one that does not is
// empty, or begins with zeros (https://sqlite.org/fileformat2.html, section 3).
const journalMagic = "\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"

// databaseInTree reads the database out of the tree, with what its log holds.
func (c *checker) databaseInTree(read func(*dbReader) error) error {
	name := c.Flavour.DatabasePath()
	b, err := c.fileInTree(name)
	if err != nil {
		return err
	}
	log, err := c.fileInTree(name + "-wal")
	if err != nil {
		return err
	}
	b, err = replayLog(c.ctx, b, log)
	if ended := c.ctx.Err(); ended != nil {
		return ended
	}
	if err != nil {
		c.find(FaultDatabase, name+"-wal", "%v", err)
		return nil
	}
	return withDatabaseBytes(c.ctx, name, b, read)
}

// Files of the state directory are read as a whole, into memory.
const (
	// fileChunk is how much is read at a time.
	fileChunk = 1 << 20
	// maxZeros is how many more zeros than other bytes a file may have. Databases have
	// few; a sparse file can have any number in an image of any size.
	maxZeros = 64 << 20
)

// fileInTree returns what a file holds; nothing, if there is none.
func (c *checker) fileInTree(name string) ([]byte, error) {
	n := c.tree.Lookup(name)
	if n == nil || n.Data == nil {
		return nil, nil
	}
	size, most := n.Data.Size(), cmp.Or(c.MaxDatabase, defaultMaxDatabase)
	if size > most {
		return nil, &DatabaseSizeError{Path: name, Size: size, Limit: most}
	}
	var b []byte
	zeros := int64(0)
	for int64(len(b)) < size {
		if err := c.ctx.Err(); err != nil {
			return nil, err
		}
		at := len(b)
		b = slices.Grow(b, int(min(fileChunk, size-int64(at))))[:min(int64(at)+fileChunk, size)]
		if err := readFull(n.Data, b[at:], int64(at)); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		zeros += int64(bytes.Count(b[at:], []byte{0}))
		if zeros > int64(len(b))-zeros+maxZeros {
			return nil, fmt.Errorf("%s: is sparse: %d of its first %d bytes are zeros: it is no database in use", name, zeros, len(b))
		}
	}
	return b, nil
}

// defaultMaxDatabase is enough for ten million paths.
const defaultMaxDatabase = 4 << 30

// DatabaseSizeError is a database, or its log, in an image that is larger than what may
// be read into memory.
type DatabaseSizeError struct {
	Path        string
	Size, Limit int64 // in bytes
}

func (e *DatabaseSizeError) Error() string {
	return fmt.Sprintf("%s: has %d bytes; %d are allowed", e.Path, e.Size, e.Limit)
}

// database reads what is registered, and checks what it is made of.
func (c *checker) database() error {
	name := c.Flavour.DatabasePath()
	switch n := c.tree.Lookup(name); {
	case n == nil:
		c.find(FaultDatabase, name, "is not there: nothing is registered")
		return nil
	case n.Mode&fs.ModeSymlink != 0:
		c.find(FaultDatabase, name, "is a symlink to %s, and is not followed; a regular file was expected", printable.Quote(n.Link))
		return nil
	case !n.Mode.IsRegular():
		c.find(FaultDatabase, name, "is %s; a regular file was expected", image.Kind(n.Mode))
		return nil
	case n.Size() == 0:
		c.find(FaultDatabase, name, "is empty: nothing is registered")
		return nil
	}
	if err := c.schemaFile(path.Dir(name) + "/schema"); err != nil {
		return err
	}
	journal := c.tree.Lookup(name + "-journal")
	if journal != nil && journal.Data != nil {
		magic := make([]byte, len(journalMagic))
		if err := readFull(journal.Data, magic, 0); err == nil && string(magic) == journalMagic {
			c.find(FaultDatabase, name+"-journal", "a transaction was cut off: the next process that opens the database has to roll it back")
		}
	}
	err := c.withDatabase(c.rows)
	var e sqlite3.Error
	if errors.As(err, &e) && (e.Code == sqlite3.ErrCorrupt || e.Code == sqlite3.ErrNotADB || e.Code == sqlite3.ErrError) {
		c.find(FaultDatabase, name, "is damaged: %s", e.Error())
		return nil
	}
	return err
}

// schemaFile checks the number of the schema, which Nix and Guix read before they
// open the database. They take a newline for damage.
func (c *checker) schemaFile(name string) error {
	b, err := c.fileInTree(name)
	if err != nil {
		return err
	}
	want := strconv.Itoa(c.Flavour.Schema())
	switch got := string(b); {
	case len(b) == 0:
		c.find(FaultSchema, name, "is not there; it should hold %s", want)
	case got != want:
		c.find(FaultSchema, name, "holds %.20q; %q was expected", got, want)
	}
	return nil
}

// requiredColumns are those without which neither Nix nor Guix can work.
var requiredColumns = map[Flavour][]string{
	Nix: {"ValidPaths: id path hash registrationTime deriver narSize ultimate sigs ca",
		"Refs: referrer reference", "DerivationOutputs: drv id path"},
	Guix: {"ValidPaths: id path hash registrationTime deriver narSize",
		"Refs: referrer reference", "DerivationOutputs: drv id path", "FailedPaths: path time"},
}

// rows reads all rows, whatever they hold. What prevents that becomes a finding.
func (c *checker) rows(r *dbReader) error {
	fault := FaultDatabase
	err := c.readRows(r)
	switch {
	case errors.Is(err, ErrForeignSchema):
		fault = FaultSchema
	case errors.Is(err, ErrDatabaseWork), err == errNoPair:
	default:
		return err
	}
	c.find(fault, c.Flavour.DatabasePath(), "%v", err)
	return nil
}

func (c *checker) readRows(r *dbReader) error {
	name := c.Flavour.DatabasePath()
	if err := r.begin(); err != nil {
		return err
	}
	err := r.db.query("pragma integrity_check(20)", nil, func(row []driver.Value) error {
		if s := text(row[0]); s != "ok" {
			c.find(FaultDatabase, name, "is damaged: %s", s)
		}
		return nil
	})
	if err != nil {
		return err
	}
	usable := true
	for _, table := range requiredColumns[c.Flavour] {
		table, columns, _ := strings.Cut(table, ": ")
		ok := c.columns(r.tables.table(table), table, strings.Fields(columns))
		usable = usable && (ok || table == "FailedPaths" || table == "DerivationOutputs")
	}
	if !usable {
		return nil
	}
	if err := r.paths(func(row []driver.Value) error { return c.pathRow(r, row) }); err != nil {
		return err
	}
	return r.references(func(from, to int64) error {
		c.reference(r, from, to)
		return nil
	})
}

// columns says whether a table has the columns that reading it takes, and finds those
// that it has not.
func (c *checker) columns(t *dbTable, table string, want []string) bool {
	if t == nil {
		c.find(FaultSchema, c.Flavour.DatabasePath(), "has no table %s", table)
		return false
	}
	ok := true
	for _, column := range want {
		if !t.has(column) {
			c.find(FaultSchema, c.Flavour.DatabasePath(), "its table %s has no column %s", table, column)
			ok = ok && !slices.Contains([]string{"path", "referrer", "reference", "id", "hash"}, column)
		}
	}
	return ok
}

func (c *checker) pathRow(r *dbReader, row []driver.Value) error {
	id, _ := row[0].(int64)
	it := &Item{Path: text(row[1])}
	it.NarSize, _ = row[3].(int64)
	r.ids[id] = it
	if err := c.Flavour.CheckPath(it.Path); err != nil {
		c.find(FaultDatabase, c.Flavour.DatabasePath(), "row %d of ValidPaths: %v", id, err)
		return nil
	}
	var err error
	if it.NarHash, err = ParseHash(text(row[2])); err != nil {
		c.find(FaultDatabase, it.Path, "is registered with a hash that is none: %v", err)
	}
	if row[4] != nil && text(row[4]) == "" {
		c.find(FaultDatabase, it.Path, "is registered with an empty deriver, at which Nix gives up; NULL was expected")
	}
	if it.Deriver = text(row[4]); it.Deriver != "" {
		if err := c.Flavour.checkDeriver(it.Deriver); err != nil {
			c.find(FaultDatabase, it.Path, "%v", err)
		}
	}
	for _, s := range strings.Fields(text(row[6])) {
		if _, _, err := parseSignature(s); err != nil {
			c.find(FaultDatabase, it.Path, "is registered with what is no signature: %v", err)
		}
	}
	it.CA = text(row[7])
	c.registered[it.Path] = it
	return nil
}

// address checks a content address that is registered, as far as that takes no contents.
func (c *checker) address(it *Item) {
	if it.CA == "" {
		return
	}
	ca, err := parseCA(it.CA)
	if err != nil {
		c.find(FaultAddress, it.Path, "%v; Nix gives up at that", err)
		it.CA = ""
		return
	}
	if err := ca.mismatch(c.Flavour, it); err != nil {
		c.find(FaultAddress, it.Path, "%v", err)
		it.CA = ""
	} else if err := it.checkNarAddress(); err != nil && c.NoContents {
		c.find(FaultAddress, it.Path, "%v", err)
	}
}

// relations checks what takes the references of all paths.
func (c *checker) relations() {
	all := slices.Sorted(maps.Keys(c.registered))
	items, index := make([]*Item, len(all)), make(map[string]int32, len(all))
	for i, path := range all {
		items[i], index[path] = c.registered[path], int32(i)
		items[i].References = sortedSet(items[i].References)
		c.address(items[i])
	}
	for _, circle := range circles(items, index) {
		c.find(FaultReference, circle[0].Path, "%s", circleText(circle))
	}
}

func (c *checker) reference(r *dbReader, from, to int64) {
	switch {
	case r.ids[from] == nil:
		c.find(FaultReference, c.Flavour.DatabasePath(), "row %d of ValidPaths refers to row %d and is not there", from, to)
	case r.ids[to] == nil:
		c.find(FaultReference, r.ids[from].Path, "refers to row %d of ValidPaths, which is not there", to)
		r.ids[from].CA = "" // nothing can be computed from it
	default:
		referrer := r.ids[from]
		referrer.References = append(referrer.References, r.ids[to].Path)
	}
}
