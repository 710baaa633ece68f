package storedb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"ingot/image"
)

// added returns an item of real contents.
func added(t testing.TB, f Flavour, name string, n *image.Node, refs ...string) *Item {
	t.Helper()
	it, err := f.AddPath(name, n, refs...)
	if err != nil {
		t.Fatal(err)
	}
	return it
}

func folder(t testing.TB, files map[string]*image.Node) *image.Node {
	t.Helper()
	tree := &image.Tree{Root: image.NewDir(0o755)}
	for name, n := range files {
		if err := tree.Put(name, n); err != nil {
			t.Fatal(err)
		}
	}
	return tree.Root
}

// soundStore is a store with nothing wrong: two items, a derivation, files in .links, a GC
// root, a profile of two generations.
type soundStore struct {
	tree      *image.Tree
	flavour   Flavour
	lib, prog string
}

func newSound(t testing.TB, f Flavour) *soundStore {
	t.Helper()
	big := image.Bytes(strings.Repeat("shared", 2000))
	lib := added(t, f, "lib", folder(t, map[string]*image.Node{
		"/lib/lib.so": image.NewFile(0o444, big), "/lib/lib.so.1": image.NewSymlink("lib.so"), "/doc": image.NewFile(0o444, nil),
	}))
	prog := added(t, f, "prog", folder(t, map[string]*image.Node{
		"/bin/prog": image.NewFile(0o555, image.Bytes("#!"+lib.Path)), "/bin/copy": image.NewFile(0o444, big),
	}), lib.Path)
	tree := image.NewTree()
	err := Populate(background, tree, closure(t, f, lib, prog), Options{
		LoadOptions: LoadOptions{}, Deduplicate: true,
		Roots:    map[string]string{"mine": lib.Path},
		Profiles: []Profile{{Name: "system", Generations: Generations(lib.Path, prog.Path)}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &soundStore{tree, f, lib.Path, prog.Path}
}

func (s *soundStore) state(name string) string { return s.flavour.StateDir() + "/" + name }

// put places a node, instead of what is there.
func (s *soundStore) put(t testing.TB, name string, n *image.Node) {
	t.Helper()
	if dir := s.tree.Lookup(path.Dir(name)); dir != nil {
		dir.Remove(path.Base(name))
	}
	if err := s.tree.Put(name, n); err != nil {
		t.Fatal(err)
	}
}

func (s *soundStore) remove(name string) { s.tree.Lookup(path.Dir(name)).Remove(path.Base(name)) }

// sql changes the database.
func (s *soundStore) sql(t testing.TB, sql string) {
	t.Helper()
	name := s.flavour.DatabasePath()
	b, err := image.ReadAll(s.tree.Lookup(name).Data)
	if err != nil {
		t.Fatal(err)
	}
	file := save(t, b)
	db, err := openFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.exec(sql), db.Close()); err != nil {
		t.Fatal(err)
	}
	if b, err = os.ReadFile(file); err != nil {
		t.Fatal(err)
	}
	s.put(t, name, image.NewFile(0o644, image.Bytes(b)))
}

func (s *soundStore) check(t testing.TB, o CheckOptions) *Report {
	t.Helper()
	o.Flavour = s.flavour
	r, err := CheckTree(background, s.tree, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func describe(found []Finding) string {
	var b strings.Builder
	for _, f := range found {
		fmt.Fprintf(&b, "\t%s %s: %s (%d more)\n", f.Fault, f.Path, f.Detail, f.More)
	}
	return b.String()
}

func TestCheckOfASoundStore(t *testing.T) {
	for _, f := range []Flavour{Nix, Guix} {
		s := newSound(t, f)
		var hashed, total atomic.Int64
		r := s.check(t, CheckOptions{Progress: func(n, of int64) { hashed.Add(n); total.Store(of) }})
		if len(r.Findings) != 0 || r.Paths != 2 || r.Items != 2 {
			t.Errorf("%s: %d paths, %d items; found\n%s", f, r.Paths, r.Items, describe(r.Findings))
		}
		if hashed.Load() != r.Bytes || total.Load() != r.Bytes || r.Bytes == 0 {
			t.Errorf("%s: hashed %d of %d bytes, reported %d", f, hashed.Load(), total.Load(), r.Bytes)
		}
	}
}

// Each fault is put into a sound store, and must be found where it is, and alone.
func TestFaults(t *testing.T) {
	change := func(name string, change func(n *image.Node)) func(*testing.T, *soundStore) {
		return func(t *testing.T, s *soundStore) { change(s.tree.Lookup(s.lib + name)) }
	}
	sql := func(sql string) func(*testing.T, *soundStore) {
		return func(t *testing.T, s *soundStore) { s.sql(t, sql) }
	}
	link := func(name, target string) func(*testing.T, *soundStore) {
		return func(t *testing.T, s *soundStore) { s.put(t, s.state(name), image.NewSymlink(target)) }
	}
	nowhere := Nix.path("nowhere")
	stray := Nix.path("stray")
	for _, test := range []struct {
		name string
		put  func(*testing.T, *soundStore)
		want []string // fault and path, LIB and STATE standing for those; then what the detail holds
	}{
		{"missing", func(t *testing.T, s *soundStore) { s.remove(s.prog) }, []string{
			"missing PROG registered, and not there", "profile STATE/profiles/system PROG, which is not there",
			"profile STATE/profiles/system-2-link PROG, which is not there"}},
		{"unregistered", func(t *testing.T, s *soundStore) { s.put(t, stray, image.NewDir(0o555)) }, []string{"unregistered " + stray + " there, and not registered"}},
		{"unregistered, no item", func(t *testing.T, s *soundStore) { s.put(t, "/nix/store/notes", image.NewFile(0o644, nil)) }, []string{"unregistered /nix/store/notes no item"}},
		{"contents", change("/doc", func(n *image.Node) { n.Data = image.Bytes("x") }), []string{"hash LIB registered", "size LIB registered", "link "}},
		{"contents of the same size", change("/lib/lib.so.1", func(n *image.Node) { n.Link = "lib.sp" }), []string{"hash LIB registered", "link "}},
		{"executable", change("/doc", func(n *image.Node) { n.Mode = 0o555 }), []string{"hash LIB registered", "size LIB registered", "link "}},
		{"hash that is registered", sql("update ValidPaths set hash = 'sha256:" + strings.Repeat("ab", 32) + "' where path like '%-lib'"), []string{"hash LIB abab"}},
		{"size that is registered", sql("update ValidPaths set narSize = 7 where path like '%-lib'"), []string{"size LIB 7 are registered"}},
		{"unreadable", change("/doc", func(n *image.Node) {
			n.Data = image.Computed(5, func([]byte, int64) error { return errors.New("input/output error") })
		}), []string{"size LIB", "unreadable LIB input/output error"}},
		{"content address that is none", sql("update ValidPaths set ca = 'nonsense' where path like '%-lib'"), []string{`address LIB content address "nonsense" is not of the form`}},
		{"content address of another path", sql("update ValidPaths set ca = 'fixed:r:sha256:" + strings.Repeat("0", 52) + "' where path like '%-lib'"), []string{"address LIB makes the path /nix/store/"}},
		{"hash that is not the content address", func(t *testing.T, s *soundStore) {
			n := image.NewFile(0o444, image.Bytes("x"))
			hash, size, err := HashNAR(n)
			if err != nil {
				t.Fatal(err)
			}
			s.put(t, s.lib, n)
			s.sql(t, fmt.Sprintf("update ValidPaths set hash = '%s', narSize = %d where path = '%s'", hash, size, s.lib))
		}, []string{"address LIB they should be the same"}},
		{"text that is not the content address", func(t *testing.T, s *soundStore) {
			it := Nix.textItem(t, "text")
			n := image.NewFile(0o444, image.Bytes("another"))
			hash, size, err := HashNAR(n)
			if err != nil {
				t.Fatal(err)
			}
			s.put(t, it.Path, n)
			s.sql(t, fmt.Sprintf("insert into ValidPaths (path, hash, registrationTime, narSize, ca) values ('%s', '%s', 1, %d, '%s')", it.Path, hash, size, it.CA))
		}, []string{"address " + Nix.textItem(t, "text").Path + " what it holds has the content address text:sha256:"}},
		{"deriver that is none", sql("update ValidPaths set deriver = 'x' where path like '%-lib'"), []string{`database LIB its deriver: "x" is not a store path`}},
		{"signature that is none", sql("update ValidPaths set sigs = 'k:1' where path like '%-lib'"), []string{`database LIB is registered with what is no signature: signature "k:1"`}},
		{"circle", sql("insert into Refs values (1, 2), (1, 1); update ValidPaths set ca = null"), []string{"reference LIB refers to itself by way of PROG: neither nix nor guix registers such a circle"}},
		{"reference to nothing", sql("delete from Refs; insert into Refs values (2, 77)"), []string{"reference PROG row 77"}},
		{"reference from nothing", sql("insert into Refs values (77, 1)"), []string{"reference DB row 77"}},
		{"mode of a file", change("/doc", func(n *image.Node) { n.Mode = 0o644 }), []string{"mode LIB/doc 0644; 0444"}},
		{"setuid", change("/doc", func(n *image.Node) { n.Mode |= fs.ModeSetuid }), []string{"mode LIB/doc 04444"}},
		{"mode of a folder", change("/lib", func(n *image.Node) { n.Mode = fs.ModeDir | 0o755 }), []string{"mode LIB/lib 0755; 0555"}},
		{"owner", change("", func(n *image.Node) { n.UID = 1000 }), []string{"owner LIB 1000"}},
		{"time", change("/doc", func(n *image.Node) { n.Mtime = image.Time{Sec: 86400 + 3, Nsec: 5} }), []string{"time LIB/doc 1970-01-02 00:00:03.000000005 UTC"}},
		{"xattr", change("/doc", func(n *image.Node) {
			n.Xattrs = []image.Xattr{{Name: "security.selinux"}, {Name: "user.note"}}
		}), []string{"xattr LIB/doc \"user.note\""}},
		{"type", func(t *testing.T, s *soundStore) {
			s.put(t, s.lib+"/doc", image.NewSpecial(fs.ModeNamedPipe, image.Dev{}))
		}, []string{"type LIB/doc FIFO"}},
		{"name in .links", func(t *testing.T, s *soundStore) {
			dir := s.tree.Lookup("/nix/store/.links")
			e := dir.Entries()[0]
			dir.Remove(e.Name)
			s.put(t, "/nix/store/.links/"+strings.Repeat("0", 52), e.Node)
		}, []string{"link /nix/store/.links/" + strings.Repeat("0", 52) + " the hash of what it holds is"}},
		{"contents in .links alone", func(t *testing.T, s *soundStore) {
			s.put(t, "/nix/store/.links/"+strings.Repeat("1", 52), image.NewFile(0o444, image.Bytes("rotten")))
		}, []string{"link /nix/store/.links/" + strings.Repeat("1", 52) + " the hash"}},
		{"type in .links", func(t *testing.T, s *soundStore) { s.put(t, "/nix/store/.links/x", image.NewDir(0o555)) }, []string{"type /nix/store/.links/x directory"}},
		{"gc root to nowhere", link("gcroots/mine", nowhere), []string{"root STATE/gcroots/mine neither there nor registered"}},
		{"gc root to a part that is not there", func(t *testing.T, s *soundStore) {
			s.put(t, s.state("gcroots/mine"), image.NewSymlink(s.lib+"/none"))
		}, []string{"root STATE/gcroots/mine LIB/none, which is not there"}},
		{"gc root to an unregistered item", func(t *testing.T, s *soundStore) {
			s.put(t, stray, image.NewDir(0o555))
			s.put(t, s.state("gcroots/mine"), image.NewSymlink(stray))
		}, []string{"unregistered ", "root STATE/gcroots/mine not registered"}},
		{"gc root out of the store to nowhere", link("gcroots/mine", "/home/me/result"), []string{"root STATE/gcroots/mine /home/me/result, which is not there"}},
		{"gc root by way of another link", func(t *testing.T, s *soundStore) {
			s.put(t, s.state("gcroots/auto/x"), image.NewSymlink("/home/me/result"))
			s.put(t, "/home/me/result", image.NewSymlink("../.."+nowhere))
		}, []string{"root STATE/gcroots/auto/x neither there"}},
		{"stale gc root", link("gcroots/auto/x", "/home/me/result"), nil},
		{"gc root of a running system", link("gcroots/current-system", "/run/current-system"), nil},
		{"gc root in circles", link("gcroots/mine", "mine"), []string{"root STATE/gcroots/mine circles"}},
		{"generation to nowhere", link("profiles/system-1-link", nowhere), []string{"profile STATE/profiles/system-1-link neither"}},
		{"profile to nowhere", link("profiles/system", "system-3-link"), []string{"profile STATE/profiles/system system-3-link, which is not there"}},
		{"no schema", func(t *testing.T, s *soundStore) { s.remove(s.state("db/schema")) }, []string{"schema STATE/db/schema not there"}},
		{"another schema", func(t *testing.T, s *soundStore) {
			s.put(t, s.state("db/schema"), image.NewFile(0o644, image.Bytes("10\n")))
		}, []string{`schema STATE/db/schema "10\n"; "10" was expected`}},
		{"no table", sql("drop table DerivationOutputs"), []string{"schema DB has no table DerivationOutputs"}},
		{"no column", sql("alter table ValidPaths drop column ca"), []string{"schema DB no column ca"}},
		{"path that is none", sql("insert into ValidPaths values (9, '/etc/passwd', 'sha256:" + strings.Repeat("0", 64) + "', 1, null, 1, null, null, null)"),
			[]string{`database DB "/etc/passwd" is not a store path`}},
		{"hash that is none", sql("update ValidPaths set hash = 'md5:x' where path like '%-lib'"), []string{`database LIB "md5"`}},
		{"empty deriver", sql("update ValidPaths set deriver = '' where path like '%-lib'"), []string{"database LIB empty deriver"}},
		{"no database", func(t *testing.T, s *soundStore) { s.remove(s.state("db/db.sqlite")) }, []string{
			"database DB not there", "root STATE/gcroots/mine not registered", "profile ", "profile ", "profile "}},
		{"database that is none", func(t *testing.T, s *soundStore) {
			s.put(t, s.state("db/db.sqlite"), image.NewFile(0o644, image.Bytes(strings.Repeat("x", 8192))))
		}, []string{"database DB not a database", "root ", "profile ", "profile ", "profile "}},
		{"database with a damaged page", func(t *testing.T, s *soundStore) {
			b, _ := image.ReadAll(s.tree.Lookup(s.state("db/db.sqlite")).Data)
			clear(b[4096 : 4096+100]) // the table ValidPaths
			s.put(t, s.state("db/db.sqlite"), image.NewFile(0o644, image.Bytes(b)))
		}, []string{"database DB damaged", "..."}},
		{"cut off transaction", func(t *testing.T, s *soundStore) {
			s.put(t, s.state("db/db.sqlite-journal"), image.NewFile(0o644, image.Bytes(journalMagic+strings.Repeat("\x00", 504))))
		}, []string{"database DB-journal cut off"}},
		{"store that all may write to", func(t *testing.T, s *soundStore) {
			s.tree.Lookup("/nix/store").Mode = fs.ModeDir | 0o777
		}, []string{"mode /nix/store everybody may write"}},
		{"store that is not root's", func(t *testing.T, s *soundStore) { s.tree.Lookup("/nix/store").UID = 1000 }, []string{"owner /nix/store 1000; root"}},
		{"store that is a link", func(t *testing.T, s *soundStore) {
			s.remove("/nix/store")
			s.put(t, "/nix/store", image.NewSymlink("/other"))
		}, []string{"type /nix/store symlink; a directory", "..."}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSound(t, Nix)
			test.put(t, s)
			found := s.check(t, CheckOptions{}).Findings
			expand := strings.NewReplacer("LIB", s.lib, "PROG", s.prog, "STATE", s.state("")[:len(s.state(""))-1], "DB", s.flavour.DatabasePath())
			for _, want := range test.want {
				if want == "..." {
					return
				}
				fault, rest, _ := strings.Cut(expand.Replace(want), " ")
				place, detail, _ := strings.Cut(rest, " ")
				i := slices.IndexFunc(found, func(f Finding) bool {
					return string(f.Fault) == fault && (place == "" || f.Path == place) && strings.Contains(f.Detail, detail)
				})
				if i < 0 {
					t.Errorf("did not find %s\nleft are\n%s", want, describe(found))
					continue
				}
				found = slices.Delete(found, i, i+1)
			}
			if len(found) > 0 {
				t.Errorf("found as well\n%s", describe(found))
			}
		})
	}
}

// Of the files of an item that have the same fault, one is named and all are counted.
func TestFaultsOfOneItemAreCounted(t *testing.T) {
	s := newSound(t, Nix)
	for _, name := range []string{"", "/doc", "/lib", "/lib/lib.so.1"} {
		s.tree.Lookup(s.lib + name).Mtime.Sec = 0
	}
	found := s.check(t, CheckOptions{NoContents: true}).Findings
	if len(found) != 1 || found[0].Path != s.lib || found[0].More != 3 {
		t.Errorf("found\n%s", describe(found))
	}
}

func TestCheckLeavesOutContents(t *testing.T) {
	s := newSound(t, Nix)
	s.tree.Lookup(s.lib + "/doc").Data = image.Bytes("x")
	if r := s.check(t, CheckOptions{NoContents: true}); len(r.Findings) != 0 || r.Bytes != 0 {
		t.Errorf("read %d bytes and found\n%s", r.Bytes, describe(r.Findings))
	}
}

func TestCheckWithoutAStore(t *testing.T) {
	_, err := CheckTree(background, newSound(t, Nix).tree, CheckOptions{Flavour: Guix})
	if err == nil || err.Error() != "/gnu/store is not there: there is no guix store to check" {
		t.Errorf("CheckTree() = %v", err)
	}
	if _, err = CheckRoot(background, t.TempDir(), CheckOptions{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("CheckRoot() of an empty root = %v", err)
	}
	ctx, cancel := context.WithCancel(background)
	cancel()
	if _, err = CheckTree(ctx, newSound(t, Nix).tree, CheckOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("CheckTree() = %v; want %v", err, context.Canceled)
	}
}

// On the host, links are followed out of the store, and the database is the host's.
func TestCheckRoot(t *testing.T) {
	s := newSound(t, Nix)
	s.put(t, s.state("gcroots/auto/good"), image.NewSymlink("/home/result"))
	s.put(t, s.state("gcroots/bad"), image.NewSymlink("/home/none"))
	root := filepath.Join(t.TempDir(), "root")
	s.put(t, s.state("gcroots/outside"), image.NewSymlink(root+s.state("profiles")))
	checkout(t, s.tree, root)
	if err := os.MkdirAll(root+"/home", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(s.lib, root+"/home/result"); err != nil {
		t.Fatal(err)
	}
	o := CheckOptions{AnyOwner: os.Geteuid() != 0}
	r, err := CheckRoot(background, root, o)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := describe(r.Findings), "\troot /nix/var/nix/gcroots/bad: leads to /home/none, which is not there (0 more)\n"; got != want {
		t.Errorf("found\n%s", got)
	}
	// nix-store --verify agrees on what is missing.
	lib := filepath.Join(root, s.lib)
	if err := errors.Join(os.Chmod(filepath.Dir(lib), 0o755), os.Rename(lib, filepath.Join(root, "gone"))); err != nil {
		t.Fatal(err)
	}
	defer os.Rename(filepath.Join(root, "gone"), lib)
	r, err = CheckRoot(background, root, o)
	if err != nil || !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Fault == FaultMissing && f.Path == s.lib }) {
		t.Errorf("found %v\n%s", err, describe(r.Findings))
	}
}

// What a write-ahead log holds is read as SQLite reads it, torn ends included.
func TestReplayLog(t *testing.T) {
	s := newSound(t, Nix)
	dir := t.TempDir()
	file := filepath.Join(dir, "db.sqlite")
	b, err := image.ReadAll(s.tree.Lookup(s.state("db/db.sqlite")).Data)
	if err == nil {
		err = os.WriteFile(file, b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	db, err := openFile(file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.exec("pragma journal_mode=wal; pragma wal_autocheckpoint=0"); err != nil {
		t.Fatal(err)
	}
	if b, err = os.ReadFile(file); err != nil {
		t.Fatal(err)
	}
	count := func(log []byte) (n int) {
		t.Helper()
		whole, err := replayLog(background, bytes.Clone(b), log)
		if err != nil {
			t.Fatal(err)
		}
		err = withDatabaseBytes(background, "x", bytes.Clone(whole), func(r *dbReader) error {
			items, err := r.read(nil)
			n = len(items)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	var ends []int // of the log after each transaction
	for i := range 30 {
		row := fmt.Sprintf("insert into ValidPaths (path, hash, registrationTime) values ('%s', 'sha256:%064x', 1)", Nix.path(fmt.Sprint("w", i)), i)
		if err := db.exec(row); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(file + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, int(info.Size()))
	}
	log, err := os.ReadFile(file + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	for i, end := range ends {
		for _, test := range []struct{ cut, want int }{{end, 3 + i}, {end - 1, 2 + i}, {end + 1, 3 + i}} {
			if got := count(log[:min(test.cut, len(log))]); got != test.want {
				t.Errorf("with %d bytes of the log: %d paths; want %d", test.cut, got, test.want)
			}
		}
	}
	// A bit that fell over ends the log before its transaction.
	bad := bytes.Clone(log)
	bad[ends[9]+100] ^= 4
	if got := count(bad); got != 12 {
		t.Errorf("with damage in transaction 11: %d paths; want 12", got)
	}
	s.put(t, s.state("db/db.sqlite"), image.NewFile(0o644, image.Bytes(b)))
	s.put(t, s.state("db/db.sqlite-wal"), image.NewFile(0o644, image.Bytes(log)))
	if r := s.check(t, CheckOptions{}); r.Paths != 32 || len(r.Findings) != 30 {
		t.Errorf("%d paths, found\n%s", r.Paths, describe(r.Findings))
	}
}

// FuzzReplayLog makes logs whose checksums are right, each frame of a page's number, how
// many pages a commit leaves, and what fills the page, and changes bytes afterwards.
func FuzzReplayLog(f *testing.F) {
	f.Add([]byte{1, 0, 'a', 2, 2, 'b', 9, 9, 'c', 1, 1, 'd', 3, 4, 'e'}, []byte{})
	f.Add([]byte{200, 255, 'a'}, []byte{0, 9, 1})
	f.Fuzz(func(t *testing.T, frames, patches []byte) {
		const size = 512
		db := bytes.Repeat([]byte("x"), 3*size)
		want := bytes.Clone(db)
		var pages []walPage
		for ; len(frames) >= 3 && len(pages) < 50; frames = frames[3:] {
			pages = append(pages, walPage{int(frames[0]), bytes.Repeat(frames[2:3], size)})
		}
		out, err := replayLog(background, db, makeLog(size, pages, 8))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range pages {
			if p.number == 0 {
				break
			}
			if have := len(want) / size; p.number > have || have > 8 {
				want = append(want, make([]byte, 8*size)...)[:min(8, max(have, min(p.number, have+1)))*size]
			}
			if at := (p.number - 1) * size; at < len(want) {
				copy(want[at:], p.data)
			}
		}
		if !bytes.Equal(out, want) {
			t.Errorf("a log of %d pages makes %d bytes; want %d", len(pages), len(out), len(want))
		}
		log := makeLog(size, pages, 8)
		patch(log, patches[:min(len(patches), 300)])
		if out, err := replayLog(background, make([]byte, 3*size), log); err == nil && len(out) > 3*size+len(log) {
			t.Errorf("a log of %d bytes makes %d", len(log), len(out))
		}
	})
}
