package storedb

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ingot/internal/lazy"
)

// A database brings SQL of its own: views and triggers, virtual tables, checks,
// expressions in indexes and columns. None of it is ever run. What a database consists
// of is read first (sqlite_schema), and compared with what Nix and Guix make; anything
// else is refused by name.

// dbTable is a table of the database that is read or written here.
type dbTable struct {
	columns []string   // in lower case
	rowID   string     // the column that is the row's number (INTEGER PRIMARY KEY), if one is
	unique  [][]string // sets of columns that no two rows have the same values in
}

func (t *dbTable) has(column string) bool {
	return t != nil && slices.Contains(t.columns, strings.ToLower(column))
}

// isUnique says whether the columns have an index in which each set of values stands
// once.
func (t *dbTable) isUnique(columns ...string) bool {
	return slices.ContainsFunc(t.unique, func(u []string) bool { return slices.Equal(u, columns) })
}

// dbSchema is what is in a database, of the tables that matter here, by their names in
// lower case.
type dbSchema map[string]*dbTable

func (s dbSchema) table(name string) *dbTable { return s[strings.ToLower(name)] }

// require says which of a table and its columns is missing.
func (s dbSchema) require(table string, columns ...string) error {
	t := s.table(table)
	if t == nil {
		return fmt.Errorf("it has no table %s", table)
	}
	for _, c := range columns {
		if !t.has(c) {
			return fmt.Errorf("its table %s has no column %s", table, c)
		}
	}
	return nil
}

// storeTables are those that are read or written here. Others, such as those of new
// or experimental features of Nix, may have columns of any kind that SQLite stores;
// nothing looks at their rows.
var storeTables = []string{"validpaths", "refs", "derivationoutputs", "failedpaths", "sqlite_sequence"}

// storeTriggers are those that Nix and Guix make, as words. They are known so that they
// pass; they are not run, since nothing is deleted here.
var storeTriggers = func() map[string]bool {
	known := map[string]bool{}
	viaRealisations := func(is, column string) string {
		return "create trigger DeleteSelfRefsViaRealisations before delete on ValidPaths begin delete from RealisationsRefs " +
			"where realisationReference " + is + " ( select id from Realisations where " + column + " = old.id ) ; end"
	}
	for _, sql := range []string{
		deleteSelfRefs,
		// content-addressed derivations of Nix 2.4 and later (ca-specific-schema.sql)
		viaRealisations("=", "outputPath"), viaRealisations("in", "outputPath"), viaRealisations("in", "output_path"),
	} {
		words, _ := sqlTokens(sql)
		known[spell(words)] = true
	}
	return known
}()

// ErrForeignSchema is what a database is refused with that has other things in it than
// Nix and Guix make.
var ErrForeignSchema = errors.New("is not a database that nix or guix made")

// mostForeign is how many foreign things an error names.
const mostForeign = 5

// schema reads what the database consists of.
func (db *guardedDB) schema() (dbSchema, error) {
	tables := dbSchema{}
	var foreign []string
	err := db.query("select sql, name, type from sqlite_schema", nil, func(row []driver.Value) error {
		name, table, err := parseSchema(text(row[0]), text(row[1]))
		if err != nil {
			foreign = append(foreign, fmt.Sprintf("%.20s %.60q: %v", kindOf(text(row[0]), text(row[2])), text(row[1]), err))
		}
		if table != nil {
			tables[name] = table
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for name, table := range tables { // SQLite adds these unique indexes in their own rows, without SQL
		if !slices.Contains(storeTables, name) {
			delete(tables, name)
		} else if table.rowID != "" {
			table.unique = append(table.unique, []string{table.rowID})
		}
	}
	if len(foreign) > mostForeign {
		foreign = append(foreign[:mostForeign], fmt.Sprintf("and %d more", len(foreign)-mostForeign))
	}
	if len(foreign) > 0 {
		return nil, fmt.Errorf("%w: it has %s", ErrForeignSchema, strings.Join(foreign, "; "))
	}
	return tables, nil
}

// kindOf says what a row of sqlite_schema is about. What counts is its SQL: SQLite does
// not look at the type that the row names.
func kindOf(sql, typ string) string {
	tokens, _ := sqlTokens(sql[:min(len(sql), 200)])
	p := &ddl{tokens: tokens}
	p.word("create")
	for _, kind := range []string{"table", "index", "trigger", "view"} {
		if p.at(kind) {
			return kind
		}
	}
	if p.word("unique") {
		return "index"
	}
	if p.word("virtual") {
		return "virtual table"
	}
	switch typ {
	case "table", "index", "trigger", "view":
		return typ
	}
	return "object"
}

// parseSchema reads the SQL of one row of sqlite_schema. Of a table, it returns the
// name that it gives itself, in lower case.
func parseSchema(sql, name string) (string, *dbTable, error) {
	if sql == "" {
		if strings.HasPrefix(name, "sqlite_autoindex_") { // of a primary key, or of what is unique
			return "", nil, nil
		}
		return "", nil, errors.New("it has no SQL")
	}
	tokens, err := sqlTokens(sql)
	if err != nil {
		return "", nil, err
	}
	p := &ddl{tokens: tokens}
	switch {
	case p.words("create", "table"):
		return p.table()
	case p.words("create", "index"), p.words("create", "unique", "index"):
		return "", nil, p.index()
	case p.words("create", "trigger"):
		if storeTriggers[spell(tokens)] {
			return "", nil, nil
		}
		return "", nil, errors.New("it is no trigger of nix or guix")
	}
	return "", nil, errors.New("a store's database has tables, indexes and few triggers")
}

// sqlToken is a word, a number, a string, a quoted name or a sign. Only words that
// are not quoted can be keywords.
type sqlToken struct {
	kind byte // 'w' word, 'n' number, 's' string, 'q' quoted name, else the sign
	text string
}

// sqlLexeme is what SQL begins with: space, a comment, a word, a number, a string, a quoted
// name or a sign (https://sqlite.org/lang.html), as far as schemas need it.
var sqlLexeme = lazy.Regexp("(?s)^(?:[ \\t\\n\\f\\r]+|--[^\\n]*|/\\*.*?\\*/|" +
	"([A-Za-z_[:^ascii:]][A-Za-z0-9_$[:^ascii:]]*)|([0-9][A-Za-z0-9_.[:^ascii:]]*)|" +
	"('(?:[^']|'')*')|(\"(?:[^\"]|\"\")*\"|`(?:[^`]|``)*`|\\[[^\\]]*\\])|([!-~]))")

// sqlTokens splits SQL as SQLite's tokenizer does.
func sqlTokens(sql string) (tokens []sqlToken, err error) {
	for sql != "" {
		m := sqlLexeme().FindStringSubmatch(sql)
		switch {
		case m == nil:
			return nil, fmt.Errorf("its SQL has the byte %#02x", sql[0])
		case m[1] != "":
			tokens = append(tokens, sqlToken{'w', m[1]})
		case m[2] != "":
			tokens = append(tokens, sqlToken{'n', m[2]})
		case m[3] != "":
			tokens = append(tokens, sqlToken{'s', unquote(m[3])})
		case m[4] != "":
			tokens = append(tokens, sqlToken{'q', unquote(m[4])})
		case m[5] == "":
		case strings.Contains("'\"`[", m[5]):
			return nil, errors.New("its SQL has a quotation without an end")
		case strings.HasPrefix(sql, "/*"):
			return nil, errors.New("its SQL has a comment without an end")
		default:
			tokens = append(tokens, sqlToken{m[5][0], m[5]})
		}
		sql = sql[len(m[0]):]
	}
	return tokens, nil
}

// unquote takes off the quotes, and one of those that stand twice.
func unquote(s string) string {
	quote := s[:1]
	if quote == "[" {
		return s[1 : len(s)-1]
	}
	return strings.ReplaceAll(s[1:len(s)-1], quote+quote, quote)
}

// spell returns tokens as SQL of one spelling. A semicolon at the end is left out.
func spell(tokens []sqlToken) string {
	var words []string
	for _, t := range tokens {
		if t.kind == 'w' {
			t.text = strings.ToLower(t.text)
		}
		words = append(words, t.text)
		if t.kind == 's' || t.kind == 'q' { // so that it is no keyword
			words[len(words)-1] = fmt.Sprintf("%q", t.text)
		}
	}
	return strings.TrimSuffix(strings.Join(words, " "), " ;")
}

// ddl reads the statements that make tables and indexes.
type ddl struct {
	tokens []sqlToken
}

func (p *ddl) done() bool { return len(p.tokens) == 0 }

// at says whether a keyword, or a sign, comes next.
func (p *ddl) at(word string) bool {
	if p.done() {
		return false
	}
	t := p.tokens[0]
	return t.kind == 'w' && strings.EqualFold(t.text, word) || t.kind == word[0] && len(word) == 1
}

// word takes a keyword, or a sign, if it comes next.
func (p *ddl) word(word string) bool {
	ok := p.at(word)
	if ok {
		p.tokens = p.tokens[1:]
	}
	return ok
}

// words takes keywords if they all come next.
func (p *ddl) words(words ...string) bool {
	before := p.tokens
	for _, w := range words {
		if !p.word(w) {
			p.tokens = before
			return false
		}
	}
	return true
}

// name takes a name, which it returns in lower case.
func (p *ddl) name() (string, error) {
	if p.done() || p.tokens[0].kind != 'w' && p.tokens[0].kind != 'q' {
		return "", p.unexpected()
	}
	name := strings.ToLower(p.tokens[0].text)
	p.tokens = p.tokens[1:]
	return name, nil
}

// unexpected is the error about what comes next.
func (p *ddl) unexpected() error {
	if p.done() {
		return errors.New("its SQL ends too early")
	}
	return fmt.Errorf("%.40q is not expected in its SQL", p.tokens[0].text)
}

// end expects nothing more.
func (p *ddl) end() error {
	p.word(";")
	if !p.done() {
		return p.unexpected()
	}
	return nil
}

// names takes names in parentheses. Those of indexes may have an order.
func (p *ddl) names(ordered bool) (names []string, err error) {
	if !p.word("(") {
		return nil, p.unexpected()
	}
	for {
		name, err := p.name()
		if err != nil {
			return nil, err
		}
		names = append(names, name)
		if ordered && !p.word("asc") {
			p.word("desc")
		}
		if p.word(",") {
			continue
		}
		if !p.word(")") {
			return nil, p.unexpected()
		}
		return names, nil
	}
}

// index reads the rest of CREATE INDEX: columns, and neither expressions nor a WHERE.
func (p *ddl) index() error {
	if _, err := p.name(); err != nil {
		return err
	}
	if !p.word("on") {
		return p.unexpected()
	}
	if _, err := p.name(); err != nil {
		return err
	}
	if _, err := p.names(true); err != nil {
		return err
	}
	return p.end()
}

// table reads the rest of CREATE TABLE.
func (p *ddl) table() (string, *dbTable, error) {
	name, err := p.name()
	if err != nil {
		return "", nil, err
	}
	if !slices.Contains(storeTables, name) {
		return name, nil, p.otherTable()
	}
	t := &dbTable{}
	if !p.word("(") {
		return name, nil, p.unexpected()
	}
	for {
		if err = p.constraint(t); err == errNoConstraint {
			err = p.column(t)
		}
		if err != nil {
			return name, nil, err
		}
		if !p.word(",") {
			break
		}
	}
	if !p.word(")") {
		return name, nil, p.unexpected()
	}
	return name, t, p.end()
}

// otherTable looks through a table whose rows nobody reads. Computed columns (AS) are
// what SQLite would evaluate when it looks whether the table is damaged; an AS deeper
// down is that of a CAST in a CHECK, and those are not evaluated.
func (p *ddl) otherTable() error {
	depth := 0
	for ; !p.done(); p.tokens = p.tokens[1:] {
		switch {
		case p.at("("):
			depth++
		case p.at(")"):
			depth--
		case depth <= 1 && (p.at("as") || p.at("generated")):
			return p.unexpected()
		}
	}
	return nil
}

// errNoConstraint says that a column stands where a constraint of a table could.
var errNoConstraint = errors.New("no constraint")

// constraint reads a constraint of a table.
func (p *ddl) constraint(t *dbTable) error {
	if p.word("constraint") {
		if _, err := p.name(); err != nil {
			return err
		}
	}
	switch {
	case p.words("primary", "key"), p.at("unique") && p.word("unique"):
		columns, err := p.names(true)
		t.unique = append(t.unique, columns)
		return err
	case p.words("foreign", "key"):
		if _, err := p.names(false); err != nil {
			return err
		}
		if !p.word("references") {
			return p.unexpected()
		}
		return p.references()
	}
	return errNoConstraint
}

// references reads what follows REFERENCES.
func (p *ddl) references() error {
	if _, err := p.name(); err != nil {
		return err
	}
	if p.at("(") {
		if _, err := p.names(false); err != nil {
			return err
		}
	}
	for p.word("on") {
		if !p.word("delete") && !p.word("update") {
			return p.unexpected()
		}
		if !p.word("cascade") && !p.word("restrict") && !p.words("no", "action") && !p.words("set", "null") {
			return p.unexpected()
		}
	}
	return nil
}

// columnTypes are the types that columns of a store's tables have had.
var columnTypes = []string{"integer", "text", "varchar", "boolean"}

// column reads a column: its name, type, and constraints that need no evaluation.
func (p *ddl) column(t *dbTable) error {
	name, err := p.name()
	if err != nil {
		return err
	}
	t.columns = append(t.columns, name)
	integer := p.at("integer")
	for _, typ := range columnTypes {
		if p.word(typ) {
			break
		}
	}
	for {
		if p.word("constraint") {
			if _, err := p.name(); err != nil {
				return err
			}
		}
		switch {
		case p.words("primary", "key"):
			if integer {
				t.rowID = name
			} else {
				t.unique = append(t.unique, []string{name})
			}
			p.word("asc")
			p.word("autoincrement")
		case p.word("unique"):
			t.unique = append(t.unique, []string{name})
		case p.words("not", "null"), p.word("null"):
		case p.word("references"):
			if err := p.references(); err != nil {
				return err
			}
		case p.word("default"):
			p.word("-")
			if p.done() || !strings.ContainsRune("ns", rune(p.tokens[0].kind)) && !p.at("null") {
				return p.unexpected()
			}
			p.tokens = p.tokens[1:]
		default:
			return nil // what comes next, a comma or the end, is the table's
		}
	}
}
