package storedb

import (
	"bytes"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"ingot/image"
)

// fuzzRecords checks that what a reader accepts can be written, and read again as the
// same.
func fuzzRecords(f *testing.F, withHash bool) {
	a, b := Nix.path("a"), Nix.path("b")
	hash := ""
	if withHash {
		hash = "sha256:" + strings.Repeat("0", 52) + "\n17\n"
	}
	f.Add([]byte(""))
	f.Add([]byte(a + "\n" + hash + "\n1\n" + a + "\n"))
	f.Add([]byte(a + "\n" + hash + b + "\n1\n" + b + "\n" + b + "\n" + hash + "\n0\n"))
	f.Add([]byte(a + "\n" + hash + "\n18446744073709551615\n"))
	f.Add([]byte(a + "\n" + hash + "\n1\n" + a[:40]))
	f.Fuzz(func(t *testing.T, in []byte) {
		items, err := Nix.readRecords("in", bytes.NewReader(in), withHash)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "in:") {
				t.Errorf("error does not say where: %v", err)
			}
			return
		}
		c, err := NewClosure(Nix, items)
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := c.writeRecords(&out, withHash); err != nil {
			t.Fatal(err)
		}
		again, err := Nix.readRecords("out", &out, withHash)
		if err != nil {
			t.Fatal(err)
		}
		if closure(t, Nix, again...).Digest() != c.Digest() {
			t.Error("written and read again, it is another closure")
		}
	})
}

func FuzzGraph(f *testing.F)        { fuzzRecords(f, false) }
func FuzzRegistration(f *testing.F) { fuzzRecords(f, true) }

func FuzzPathInfo(f *testing.F) {
	a := Nix.path("a")
	f.Add([]byte(`[{"path":"` + a + `","narHash":"` + Hash{1}.SRI() + `","narSize":9,"references":["` + a + `"]}]`))
	f.Add([]byte(`{"` + a + `":null}`))
	f.Add([]byte(`{"` + a + `":{"references":["x"]}}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		items, err := Nix.ReadPathInfo("in", bytes.NewReader(in))
		for _, it := range items {
			if err := Nix.CheckPath(it.Path); err != nil || it.NarSize < 0 {
				t.Errorf("accepted %+v: %v", it, err)
			}
		}
		if err != nil && !strings.HasPrefix(err.Error(), "in:") {
			t.Errorf("error does not say where: %v", err)
		}
	})
}

func FuzzParseHash(f *testing.F) {
	for _, s := range []string{Hash{1}.String(), Hash{2}.Base32(), Hash{3}.SRI(), "sha256:", "sha1:00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		h, err := ParseHash(s)
		if err != nil {
			return
		}
		for _, spelling := range []string{h.String(), h.Base16(), h.Base32(), h.SRI()} {
			if again, err := ParseHash(spelling); err != nil || again != h {
				t.Errorf("ParseHash(%q) = %s, %v; want %s", spelling, again, err, h)
			}
		}
	})
}

func FuzzDerivation(f *testing.F) {
	f.Add([]byte(`Derive([("dev","/d","",""),("out","/o","r:sha256","00")],[],`))
	f.Add([]byte(`DrvWithVersion("xp-dyn-drv",[("out","/a\"\\\n\t\rb","","")],`))
	f.Fuzz(func(t *testing.T, in []byte) {
		outputs, err := parseOutputs(in)
		if err == nil && !bytes.HasPrefix(in, []byte("Derive(")) && !bytes.HasPrefix(in, []byte("DrvWithVersion(")) {
			t.Errorf("accepted as a derivation: %v", outputs)
		}
		for _, out := range outputs {
			if out.path == "" {
				t.Errorf("output %q has no path", out.name)
			}
		}
	})
}

// smallDatabase is the database of a sound store, in pages of 512 bytes.
func smallDatabase(t testing.TB, f Flavour) []byte {
	t.Helper()
	b, err := image.ReadAll(newSound(t, f).tree.Lookup(f.DatabasePath()).Data)
	if err != nil {
		t.Fatal(err)
	}
	file := save(t, b)
	db, err := openFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.exec("pragma page_size=512; vacuum"), db.Close()); err != nil {
		t.Fatal(err)
	}
	if b, err = os.ReadFile(file); err != nil {
		t.Fatal(err)
	}
	return b
}

// patch writes bytes into b: at each of the places, of two bytes, the one that follows.
// That is a smaller input than a whole file, of which most bytes mean nothing.
func patch(b, patches []byte) {
	for ; len(patches) >= 3 && len(b) > 0; patches = patches[3:] {
		b[int(binary.BigEndian.Uint16(patches))%len(b)] = patches[2]
	}
}

// FuzzDatabase feeds broken databases to those who read them, out of images (check)
// and of hosts: they must end with findings, an error, or items that are sound.
func FuzzDatabase(f *testing.F) {
	base := smallDatabase(f, Nix)
	for _, seed := range []string{"", "\x00\x10\x10", "\x00\x1c\xff\x00\x1d\xff", "\x02\x00\x05\x04\x00\x05\x06\x00\x02", "\x00\x64\x05\x00\x67\x7f"} {
		f.Add([]byte(seed))
	}
	at := func(word string) []byte { // a place that a word of the schema stands at
		return binary.BigEndian.AppendUint16(nil, uint16(bytes.Index(base, []byte(word))))
	}
	for _, word := range []string{"table ValidPaths", "TABLE ValidPaths", "TRIGGER DeleteSelfRefs", "INDEX IndexReference"} {
		if bytes.Contains(base, []byte(word)) {
			f.Add(append(at(word), 'V'))
		}
	}
	f.Fuzz(func(t *testing.T, patches []byte) {
		b := bytes.Clone(base)
		patch(b, patches[:min(len(patches), 300)])
		tree := image.NewTree()
		if err := tree.Put(Nix.DatabasePath(), image.NewFile(0o644, image.Bytes(b))); err != nil {
			t.Fatal(err)
		}
		c := newChecker(tree, CheckOptions{})
		c.ctx, c.withDatabase = t.Context(), c.databaseInTree
		if err := c.database(); err != nil && !strings.HasPrefix(err.Error(), Nix.DatabasePath()+": ") {
			t.Errorf("check: the error does not say where: %v", err)
		}
		err := withDatabaseBytes(t.Context(), "db", b, func(r *dbReader) error {
			items, err := r.read(nil)
			if err == nil {
				NewClosure(Nix, items)
			}
			return err
		})
		if err != nil && !strings.HasPrefix(err.Error(), "db: ") {
			t.Errorf("read: the error does not say where: %v", err)
		}
	})
}

// FuzzSchema feeds SQL to what looks through schemas: a table that it takes for known
// has the columns that SQLite gives it.
func FuzzSchema(f *testing.F) {
	for _, s := range strings.Split(schemas[Nix].tables+schemas[Guix].tables+schemas[Guix].indexes, ";") {
		f.Add(strings.TrimSpace(s))
	}
	f.Add(strings.TrimSpace(schemas[Nix].trigger))
	f.Add(`create table "Refs"([a] INTEGER NOT NULL REFERENCES v ON DELETE CASCADE, b text default -7 /* as */, constraint x primary key ("a" asc,b), unique (b)) -- end`)
	f.Add("create table Refs (a integer primary key autoincrement, `b` integer check (a > 0))")
	f.Fuzz(func(t *testing.T, sql string) {
		sql = sql[:min(len(sql), 500)]
		name, table, err := parseSchema(sql, "x")
		if err != nil || table == nil || strings.HasPrefix(name, "sqlite_") {
			return
		}
		db, err := openMemory()
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if db.exec(sql) != nil {
			return
		}
		var columns []string
		rows, err := db.Query("select name, hidden, cid from pragma_table_xinfo('"+name+"')", nil)
		if err != nil {
			t.Fatal(err)
		}
		err = eachRow(rows, func(row []driver.Value) error {
			columns = append(columns, strings.ToLower(text(row[0])))
			if row[1] != int64(0) {
				t.Errorf("column %d of %q is generated", row[2], sql)
			}
			return nil
		})
		if err != nil || !slices.Equal(columns, table.columns) {
			t.Errorf("%q has the columns %q, %v; read as %q", sql, columns, err, table.columns)
		}
	})
}

// FuzzPublicKeys reads files of trusted keys, of Nix and of Guix.
func FuzzPublicKeys(f *testing.F) {
	f.Add(NixOSKey + "\n")
	f.Add(" " + NixOSKey + "\n\n" + NixOSKey)
	f.Add("(public-key (ecc (curve Ed25519) (q #7D602902D3A2DBB83F8A0FB98602A754C5493B0B778C8D1DD4E0F41DE14DE34F#)))")
	f.Add("(acl (entry (public-key (rsa (n |AQAB|) (e #010001#))) (tag (guix import))) (entry (tag x)))")
	f.Fuzz(func(t *testing.T, text string) {
		keys, err := ParsePublicKeys(text)
		if err != nil {
			return
		}
		for _, k := range keys {
			again, err := ParsePublicKeys(k.String())
			if err != nil || len(again) != 1 || again[0].String() != k.String() {
				t.Errorf("%q has the key %q, which is read as %v, %v", text, k, again, err)
			}
		}
	})
}
