package storedb

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/mattn/go-sqlite3"

	"ingot/image"
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
	if b, err = replayLog(b, log); err != nil {
		c.find(FaultDatabase, name+"-wal", "%v", err)
		return nil
	}
	return withDatabaseBytes(name, b, read)
}

// fileInTree returns what a file holds; nothing, if there is none.
func (c *checker) fileInTree(name string) ([]byte, error) {
	n := c.tree.Lookup(name)
	if n == nil || n.Data == nil {
		return nil, nil
	}
	b, err := image.ReadAll(n.Data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return b, nil
}

// database reads what is registered, and checks what it is made of.
func (c *checker) database() error {
	name := c.Flavour.DatabasePath()
	if n := c.tree.Lookup(name); n == nil || !n.Mode.IsRegular() || n.Size() == 0 {
		c.find(FaultDatabase, name, "is not there: nothing is registered")
		return nil
	}
	if err := c.schemaFile(path.Dir(name) + "/schema"); err != nil {
		return err
	}
	journal := c.tree.Lookup(name + "-journal")
	if journal != nil && journal.Data != nil {
		magic := make([]byte, len(journalMagic))
		if err := readFull(journal.Data, magic, 0); err == nil && string(magic) == journalMagic {
			c.find(FaultDatabase, name+"-journal", "a transaction was cut off: whoever opens the database next has to roll it back")
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

// rows reads all rows, whatever they hold.
func (c *checker) rows(r *dbReader) error {
	name := c.Flavour.DatabasePath()
	if _, err := r.conn.Exec("begin", nil); err != nil {
		return err
	}
	err := r.query("pragma integrity_check(20)", func(row []driver.Value) error {
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
		ok, err := c.columns(r, table, strings.Fields(columns))
		if err != nil {
			return err
		}
		usable = usable && (ok || table == "FailedPaths" || table == "DerivationOutputs")
	}
	if !usable {
		return nil
	}
	columns, err := r.columns()
	if err != nil {
		return err
	}
	if err := r.query("select id, "+columns+" from ValidPaths", func(row []driver.Value) error { return c.pathRow(r, row) }); err != nil {
		return err
	}
	return r.references(func(from, to int64) error {
		c.reference(r, from, to)
		return nil
	})
}

// columns says whether a table has its columns, and finds those that it has not.
func (c *checker) columns(r *dbReader, table string, want []string) (bool, error) {
	var have []string
	err := r.query("pragma table_info("+table+")", func(row []driver.Value) error {
		have = append(have, text(row[1]))
		return nil
	})
	if err != nil {
		return false, err
	}
	if len(have) == 0 {
		c.find(FaultSchema, c.Flavour.DatabasePath(), "has no table %s", table)
		return false, nil
	}
	ok := true
	for _, column := range want {
		if !slices.Contains(have, column) {
			c.find(FaultSchema, c.Flavour.DatabasePath(), "its table %s has no column %s", table, column)
			ok = ok && !slices.Contains([]string{"path", "referrer", "reference", "id", "hash"}, column)
		}
	}
	return ok, nil
}

func (c *checker) pathRow(r *dbReader, row []driver.Value) error {
	id, _ := row[0].(int64)
	it := &Item{Path: text(row[1])}
	it.NarSize, _ = row[3].(int64)
	r.ids.set(id, it)
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
	c.registered[it.Path] = it
	return nil
}

func (c *checker) reference(r *dbReader, from, to int64) {
	switch {
	case r.ids.get(from) == nil:
		c.find(FaultReference, c.Flavour.DatabasePath(), "row %d of ValidPaths refers to row %d and is not there", from, to)
	case r.ids.get(to) == nil:
		c.find(FaultReference, r.ids.get(from).Path, "refers to row %d of ValidPaths, which is not there", to)
	}
}
