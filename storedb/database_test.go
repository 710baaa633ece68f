package storedb

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"ingot/image"
)

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// generated returns n items with up to four references each, self references among
// them.
func generated(f Flavour, n int) []*Item {
	r := rand.New(rand.NewPCG(1, 2))
	items := make([]*Item, n)
	for i := range items {
		items[i] = f.item(fmt.Sprintf("package-%d-1.2.3", i))
		items[i].NarSize = int64(100 + i)
		binary.BigEndian.PutUint64(items[i].NarHash[8:], uint64(i))
	}
	for i, it := range items {
		for range 4 {
			it.References = append(it.References, items[r.IntN(i+1)].Path)
		}
	}
	for _, it := range items {
		it.References = sortedSet(it.References)
	}
	return items
}

func database(t testing.TB, c *Closure, o DatabaseOptions) image.Bytes {
	t.Helper()
	b, err := c.Database(o)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func save(t testing.TB, b []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "db.sqlite")
	if err := os.WriteFile(file, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestDatabaseIsSound(t *testing.T) {
	for _, f := range []Flavour{Nix, Guix} {
		for _, n := range []int{0, 1, 99, 100, 101, 3000} {
			b := database(t, closure(t, f, generated(f, n)...), DatabaseOptions{})
			db := save(t, b)
			got := sqlite(t, db, "pragma integrity_check; pragma foreign_key_check; pragma journal_mode; pragma page_size; pragma freelist_count; select count(*), min(id), max(id), min(registrationTime), max(registrationTime), count(deriver) from ValidPaths")
			want := fmt.Sprintf("ok\ndelete\n4096\n0\n%d|1|%d|1|1|0\n", n, n)
			if n == 0 {
				want = "ok\ndelete\n4096\n0\n0|||||0\n"
			}
			if got != want {
				t.Errorf("%s, %d items: sqlite3 says %q; want %q", f, n, got, want)
			}
			// What stands in the file after SQLite packed it: the same.
			sqlite(t, db, "vacuum")
			packed, err := os.ReadFile(db)
			if err != nil {
				t.Fatal(err)
			}
			if err := canonicalise(packed); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(packed, b) {
				t.Errorf("%s, %d items: VACUUM changes the file (%d bytes before, %d after)", f, n, len(b), len(packed))
			}
		}
	}
}

func TestDatabaseIsCanonical(t *testing.T) {
	want := database(t, closure(t, Nix, generated(Nix, 2000)...), DatabaseOptions{})
	for seed := range uint64(3) {
		items := generated(Nix, 2000)
		rand.New(rand.NewPCG(seed, 0)).Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
		items[7].Deriver, items[8].Sigs, items[9].Ultimate = Nix.path("x.drv"), []string{"k:x"}, true
		c, err := NewClosure(Nix, items[:500], items[400:])
		if err != nil {
			t.Fatal(err)
		}
		if got := database(t, c, DatabaseOptions{}); !bytes.Equal(got, want) {
			t.Errorf("items in another order give another database")
		}
		if got := database(t, c, DatabaseOptions{Provenance: true}); bytes.Equal(got, want) {
			t.Errorf("Provenance makes no difference")
		}
	}
}

func TestDatabaseHeader(t *testing.T) {
	b := database(t, closure(t, Nix, generated(Nix, 10)...), DatabaseOptions{})
	for _, c := range []struct {
		what string
		at   int
		want uint32
	}{
		{"change counter", 24, 1}, {"pages", 28, uint32(len(b) / 4096)}, {"free list", 32, 0}, {"free pages", 36, 0},
		{"schema cookie", 40, 1}, {"schema format", 44, 4}, {"text encoding", 56, 1}, {"version valid for", 92, 1},
		{"library", 96, 3040001},
	} {
		if got := binary.BigEndian.Uint32(b[c.at:]); got != c.want {
			t.Errorf("header, %s = %d; want %d", c.what, got, c.want)
		}
	}
	if b[18] != 1 || b[19] != 1 {
		t.Errorf("header, versions = %d, %d; want 1, 1", b[18], b[19])
	}
}

// TestDatabaseIsWhatNixLoads compares, table by table, with what nix-store --load-db
// makes of the registration.
func TestDatabaseIsWhatNixLoads(t *testing.T) {
	root := writable(t, t.TempDir())
	c := closure(t, Nix, generated(Nix, 300)...)
	var reg bytes.Buffer
	if err := c.WriteRegistration(&reg); err != nil {
		t.Fatal(err)
	}
	nixStore(t, root, reg.String(), "--load-db")
	query := `select path, hash, deriver, narSize, ultimate, sigs, ca from ValidPaths order by path;
		select a.path, b.path from Refs join ValidPaths a on a.id = referrer join ValidPaths b on b.id = reference order by 1, 2;
		select * from DerivationOutputs;`
	ours := save(t, database(t, c, DatabaseOptions{}))
	got, want := sqlite(t, ours, query), sqlite(t, filepath.Join(root, Nix.DatabasePath()), query)
	if got != want || len(got) < 1000 {
		t.Errorf("rows differ from those of nix-store --load-db:\n%.2000s\nwant\n%.2000s", got, want)
	}
	// And Nix dumps from ours what it dumps from its own.
	want = nixStore(t, root, "", "--dump-db")
	if err := os.Rename(ours, filepath.Join(root, Nix.DatabasePath())); err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		os.Remove(filepath.Join(root, Nix.DatabasePath()+suffix))
	}
	if got := nixStore(t, root, "", "--dump-db"); sorted(got) != sorted(want) {
		t.Errorf("nix-store --dump-db differs:\n%.2000s\nwant\n%.2000s", got, want)
	}
}

func sorted(s string) string { return strings.Join(sortedLines(s), "\n") }

func sortedLines(s string) []string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	out := append([]string(nil), lines...)
	return sortedSet(out)
}

func TestDatabaseRefusesTheUnknown(t *testing.T) {
	it := Nix.item("x")
	it.NarHash = Hash{}
	if _, err := closure(t, Nix, it).Database(DatabaseOptions{}); err == nil || err.Error() != it.Path+" cannot be registered: its hash or its size is unknown" {
		t.Errorf("Database of an item without hash: %v", err)
	}
}

// TestDerivationOutputs compares with what Nix registers for derivations that it
// made itself.
func TestDerivationOutputs(t *testing.T) {
	root := writable(t, t.TempDir())
	expr := filepath.Join(t.TempDir(), "x.nix")
	text := `let mk = name: more: derivation ({ inherit name; system = "x86_64-linux"; builder = "/bin/sh"; } // more);
		a = mk "a" { outputs = [ "out" "dev" ]; quoted = "\"\\\n\t"; };
		b = mk "b" { outputHash = "0000000000000000000000000000000000000000000000000000"; outputHashAlgo = "sha256"; };
		in mk "c" { inherit a b; script = builtins.toFile "script" "exit 0\n"; }`
	if err := os.WriteFile(expr, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	nixTool(t, "nix-instantiate", root, "", expr)
	live := filepath.Join(root, Nix.DatabasePath())
	items, err := Nix.ReadDatabase(background, live)
	if err != nil {
		t.Fatal(err)
	}
	c := closure(t, Nix, From(filepath.Join(root, Nix.StoreDir()), items)...)
	if err := c.Load(background, LoadOptions{Verify: true}); err != nil {
		t.Fatal(err)
	}
	query := `select d.path, o.id, o.path from DerivationOutputs o join ValidPaths d on d.id = o.drv order by 1, 2;
		select path, hash, narSize, ca from ValidPaths order by path`
	got, want := sqlite(t, save(t, database(t, c, DatabaseOptions{})), query), sqlite(t, live, query)
	if got != want || strings.Count(got, "\n") != 4+4 {
		t.Errorf("derivation outputs\n%s\nwant\n%s", got, want)
	}
}

func TestParseOutputs(t *testing.T) {
	for in, want := range map[string]string{
		`Derive([("dev","/d","",""),("out","/o","r:sha256","00")],[],`: "[{dev /d} {out /o}]",
		`Derive([("out","","r:sha256","")],[`:                          "[]",
		`Derive([],[`:                                                  "[]",
		`DrvWithVersion("xp-dyn-drv",[("out","/a\"\\\n\t\rb","","")],`: "[{out /a\"\\\n\t\rb}]",
	} {
		got, err := parseOutputs([]byte(in))
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("parseOutputs(%s) = %v, %v; want %s", in, got, err, want)
		}
	}
	for in, want := range map[string]string{
		"":                         `it does not begin with "Derive("`,
		"Derive(":                  `"[" was expected before ""`,
		`Derive([("out"`:           `"," was expected before ""`,
		`Derive([("out`:            "a string does not end",
		`Derive([("out\`:           "a string does not end",
		`Derive([("a","b","","")x`: `"," or "]" was expected before "x"`,
		`DrvWithVersion(x`:         `a string was expected before "x"`,
	} {
		if _, err := parseOutputs([]byte(in)); err == nil || err.Error() != want {
			t.Errorf("parseOutputs(%s): %v; want %s", in, err, want)
		}
	}
}

func BenchmarkDatabase(b *testing.B) {
	c := closure(b, Nix, generated(Nix, 50000)...)
	for b.Loop() {
		database(b, c, DatabaseOptions{})
	}
}
