package storedb

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"ingot/image"
)

// store is a small store: a folder, a text that refers to it, a file and a symlink of
// their own, one of which nothing refers to.
type store struct {
	tree, text, file, link, dead *Item
}

func newStore(t testing.TB, f Flavour) store {
	t.Helper()
	add := func(name string, n *image.Node) *Item {
		it, err := f.AddPath(name, n)
		if err != nil {
			t.Fatal(err)
		}
		return it
	}
	s := store{tree: add("tree", odd(t)), file: add("file", image.NewFile(0o755, image.Bytes("#!/bin/sh\n")))}
	s.link = add("link", image.NewSymlink(s.tree.Path))
	s.dead = add("dead", image.NewFile(0o644, image.Bytes("#!/bin/sh\n")))
	var err error
	if s.text, err = f.AddText("text", "see "+s.tree.Path+"\n", s.tree.Path, s.link.Path); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s store) items() []*Item { return []*Item{s.dead, s.text, s.file, s.link, s.tree} }

func populate(t testing.TB, f Flavour, o Options, items ...*Item) *image.Tree {
	t.Helper()
	tree := image.NewTree()
	if err := Populate(background, tree, closure(t, f, items...), o); err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestPopulate(t *testing.T) {
	s := newStore(t, Nix)
	tree := populate(t, Nix, Options{
		Roots:        map[string]string{"keep": s.file.Path},
		Profiles:     []Profile{{Name: "system", Generations: Generations(s.tree.Path, s.text.Path)}, {Name: "per-user/root/tools", Generations: Generations(s.link.Path + "/bin")}},
		NixOS:        true,
		Registration: "/nix-path-registration",
	}, s.items()...)
	for p, want := range map[string]string{
		"/nix":                                             "drwxr-xr-x 0 0",
		"/nix/store":                                       "dtrwxrwxr-x 0 30000",
		"/nix/store/.links":                                "drwxr-xr-x 0 0",
		s.tree.Path:                                        "dr-xr-xr-x 0 0",
		s.tree.Path + "/empty":                             "dr-xr-xr-x 0 0",
		s.tree.Path + "/bin/run":                           "-r-xr-xr-x 0 0",
		s.tree.Path + "/bin/group-only":                    "-r--r--r-- 0 0",
		s.link.Path:                                        "Lrwxrwxrwx 0 0 -> " + s.tree.Path,
		"/nix/var/nix/db":                                  "drwxr-xr-x 0 0",
		"/nix/var/nix/db/db.sqlite":                        "-rw-r--r-- 0 0",
		"/nix/var/nix/db/schema":                           "-rw-r--r-- 0 0",
		"/nix/var/nix/gcroots/profiles":                    "Lrwxrwxrwx 0 0 -> /nix/var/nix/profiles",
		"/nix/var/nix/gcroots/keep":                        "Lrwxrwxrwx 0 0 -> " + s.file.Path,
		"/nix/var/nix/profiles/system":                     "Lrwxrwxrwx 0 0 -> system-2-link",
		"/nix/var/nix/profiles/system-1-link":              "Lrwxrwxrwx 0 0 -> " + s.tree.Path,
		"/nix/var/nix/profiles/system-2-link":              "Lrwxrwxrwx 0 0 -> " + s.text.Path,
		"/nix/var/nix/profiles/per-user":                   "drwxr-xr-x 0 0",
		"/nix/var/nix/profiles/per-user/root/tools":        "Lrwxrwxrwx 0 0 -> tools-1-link",
		"/nix/var/nix/profiles/per-user/root/tools-1-link": "Lrwxrwxrwx 0 0 -> " + s.link.Path + "/bin",
		"/etc/NIXOS":                                       "-rw-r--r-- 0 0",
		"/nix-path-registration":                           "-rw-r--r-- 0 0",
	} {
		n := tree.Lookup(p)
		if n == nil {
			t.Errorf("%s is missing", p)
			continue
		}
		got := fmt.Sprintf("%v %d %d", n.Mode, n.UID, n.GID)
		if n.Link != "" {
			got += " -> " + n.Link
		}
		if got != want || n.Mtime != image.Epoch {
			t.Errorf("%s: %s, %v; want %s, %v", p, got, n.Mtime, want, image.Epoch)
		}
	}
	schema, _ := image.ReadAll(tree.Lookup("/nix/var/nix/db/schema").Data)
	if string(schema) != "10" {
		t.Errorf("schema holds %q; want 10 and no newline", schema)
	}
	reg, _ := image.ReadAll(tree.Lookup("/nix-path-registration").Data)
	if items, err := Nix.ReadRegistration("r", strings.NewReader(string(reg))); err != nil || len(items) != 5 {
		t.Errorf("the registration has %d items, %v", len(items), err)
	}
}

// TestPopulatedStoreIsNix asks Nix what it thinks of the store.
// TestGuixSystem checks the folders around a Guix System's store, and that one which
// is there already is left as it is.
func TestGuixSystem(t *testing.T) {
	s := newStore(t, Guix)
	tree := image.NewTree()
	if err := tree.Put("/home", image.NewDir(0o711)); err != nil {
		t.Fatal(err)
	}
	if err := Populate(background, tree, closure(t, Guix, s.items()...), Options{GuixSystem: true}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]fs.FileMode{
		"/home": 0o711, "/tmp": fs.ModeSticky | 0o777, "/var/tmp": fs.ModeSticky | 0o777, "/var/log": 0o755, "/var": 0o755, "/bin": 0o755,
	} {
		n := tree.Lookup(name)
		if n == nil || n.Mode != fs.ModeDir|want || n.UID != 0 || n.GID != 0 {
			t.Errorf("%s = %+v; want a folder of root's with mode %v", name, n, want)
		}
	}
	if n := populate(t, Guix, Options{}, s.items()...).Lookup("/home"); n != nil {
		t.Errorf("without GuixSystem there is a /home: %+v", n)
	}
}

func TestPopulatedStoreIsNix(t *testing.T) {
	for _, dedupe := range []bool{false, true} {
		s := newStore(t, Nix)
		root := writable(t, t.TempDir())
		checkout(t, populate(t, Nix, Options{
			Deduplicate: dedupe,
			Roots:       map[string]string{"text": s.text.Path},
			Profiles:    []Profile{{Name: "system", Generations: Generations(s.file.Path)}},
		}, s.items()...), root)

		nixStore(t, root, "", "--verify", "--check-contents")
		got := sortedLines(nixStore(t, root, "", "--query", "--requisites", s.text.Path))
		if want := sortedSet([]string{s.text.Path, s.tree.Path, s.link.Path}); !slices.Equal(got, want) {
			t.Errorf("requisites = %q; want %q", got, want)
		}
		if got := strings.TrimSpace(nixStore(t, root, "", "--gc", "--print-dead")); got != s.dead.Path {
			t.Errorf("dead paths = %q; want %s", got, s.dead.Path)
		}
		if got := strings.TrimSpace(nixStore(t, root, "", "--query", "--hash", s.tree.Path)); got != "sha256:"+s.tree.NarHash.Base32() {
			t.Errorf("hash = %s; want %s", got, s.tree.NarHash)
		}
		// Collecting garbage works, and so does adding.
		nixStore(t, root, "", "--gc")
		if _, err := os.Lstat(filepath.Join(root, s.dead.Path)); err == nil {
			t.Errorf("nix-store --gc left %s", s.dead.Path)
		}
		nixStore(t, root, "", "--add", filepath.Join(root, s.file.Path))
		nixStore(t, root, "", "--verify", "--check-contents")
	}
}

// TestDeduplicationIsNix compares .links, and which files share an inode, with what
// nix-store --optimise makes of the same store.
func TestDeduplicationIsNix(t *testing.T) {
	s := newStore(t, Nix)
	root := writable(t, t.TempDir())
	checkout(t, populate(t, Nix, Options{}, s.items()...), root)
	nixStore(t, root, "", "--optimise")
	want, err := image.Scan(filepath.Join(root, Nix.StoreDir()), image.ScanOptions{HardLinks: true})
	if err != nil {
		t.Fatal(err)
	}
	s = newStore(t, Nix)
	c := closure(t, Nix, s.items()...)
	if err := c.Load(background, LoadOptions{Files: true}); err != nil {
		t.Fatal(err)
	}
	tree, read := image.NewTree(), atomic.Int64{}
	o := Options{Deduplicate: true, LoadOptions: LoadOptions{Progress: func(n int64) { read.Add(n) }}}
	if err := Populate(background, tree, c, o); err != nil || read.Load() != 0 {
		t.Errorf("Populate of what is loaded reads %d bytes again, %v", read.Load(), err)
	}
	got := shared(tree.Lookup(Nix.StoreDir()))
	if want := shared(want); !slices.Equal(got, want) || len(got) < 20 {
		t.Errorf("files with several names:\n%q\nwant\n%q", got, want)
	}
}

// shared returns the names of each file that has several, in one line.
func shared(n *image.Node) []string {
	byNode := map[*image.Node][]string{}
	tree := &image.Tree{Root: n}
	tree.Walk(func(p string, n *image.Node) error {
		if !n.IsDir() {
			byNode[n] = append(byNode[n], p)
		}
		return nil
	})
	var all []string
	for _, names := range byNode {
		if len(names) > 1 {
			all = append(all, strings.Join(names, " "))
		}
	}
	return sortedSet(all)
}

func TestDeduplicationOfGuix(t *testing.T) {
	s := newStore(t, Guix)
	twin, err := Guix.AddPath("twin", odd(t))
	if err != nil {
		t.Fatal(err)
	}
	tree := populate(t, Guix, Options{Deduplicate: true}, append(s.items(), twin)...)
	store := tree.Lookup("/gnu/store")
	sizes := 0
	for _, e := range store.Child(".links").Entries() {
		n := e.Node
		if n.Size() < 8192 || n.Mode&fs.ModeSymlink != 0 {
			t.Errorf("%s is a file of %d bytes, mode %v", e.Name, n.Size(), n.Mode)
		}
		hash, _, err := HashNAR(n)
		if err != nil || hash.Base32() != e.Name {
			t.Errorf("%s is the name of what has the hash %s, %v", e.Name, hash.Base32(), err)
		}
		sizes++
	}
	if sizes != 8 {
		t.Errorf("%d files in .links; want the 8 of at least 8192 bytes", sizes)
	}
	below, at := twin.Path+"/size/8191", twin.Path+"/size/8192"
	if tree.Lookup(below) == tree.Lookup(s.tree.Path+"/size/8191") || tree.Lookup(at) != tree.Lookup(s.tree.Path+"/size/8192") {
		t.Error("files of 8191 bytes are linked, or files of 8192 bytes are not")
	}
	schema, _ := image.ReadAll(tree.Lookup("/var/guix/db/schema").Data)
	if string(schema) != "7" {
		t.Errorf("schema holds %q; want 7", schema)
	}
	for name, target := range map[string]string{"booted-system": "/run/booted-system", "current-system": "/run/current-system", "profiles": "/var/guix/profiles"} {
		if n := tree.Lookup("/var/guix/gcroots/" + name); n == nil || n.Link != target {
			t.Errorf("gcroots/%s = %+v; want a link to %s", name, n, target)
		}
	}
}

func TestDeduplicationStopsAtMaxLinks(t *testing.T) {
	dir := image.NewDir(0o755)
	for i := range 10 {
		dir.Add(fmt.Sprint(i), image.NewFile(0o644, image.Bytes("same")))
	}
	it, err := Nix.AddPath("many", dir)
	if err != nil {
		t.Fatal(err)
	}
	tree := populate(t, Nix, Options{Deduplicate: true, MaxLinks: 4}, it)
	groups := shared(tree.Lookup(Nix.StoreDir()))
	if len(groups) != 1 || strings.Count(groups[0], " ") != 3 {
		t.Errorf("files with several names: %q; want one with 4", groups)
	}
}

func TestLoadFromHost(t *testing.T) {
	s := newStore(t, Nix)
	root := t.TempDir()
	checkout(t, populate(t, Nix, Options{}, s.items()...), root)
	from := filepath.Join(root, Nix.StoreDir())
	// bare knows no more than a graph does.
	bare := func() []*Item {
		var items []*Item
		for _, it := range s.items() {
			items = append(items, &Item{Path: it.Path, References: it.References, Origin: Origin{"closure.graph", 1}})
		}
		return From(from, items)
	}
	c := closure(t, Nix, bare()...)
	var read atomic.Int64
	if err := c.Load(background, LoadOptions{Verify: true, Progress: func(n int64) { read.Add(n) }}); err != nil || read.Load() != c.NarSize() {
		t.Fatal(read.Load(), err)
	}
	for _, it := range s.items() {
		if got := c.Lookup(it.Path); got.NarHash != it.NarHash || got.NarSize != it.NarSize {
			t.Errorf("%s: hash %s, size %d; want %s, %d", it.Path, got.NarHash, got.NarSize, it.NarHash, it.NarSize)
		}
	}

	// The same items with hashes that are not theirs.
	items := bare()
	items[0].NarHash = Hash{1}
	c = closure(t, Nix, items...)
	if err := c.Load(background, LoadOptions{}); err != nil {
		t.Errorf("Load without Verify: %v", err)
	}
	want := fmt.Sprintf("%s has been changed: its hash is %s, closure.graph:1 has %s", s.dead.Path, s.dead.NarHash, Hash{1})
	if err := c.Load(background, LoadOptions{Verify: true}); err == nil || err.Error() != want {
		t.Errorf("Load: %v; want %s", err, want)
	}
	items = bare()
	items[0].NarSize = 5
	want = fmt.Sprintf("%s has been changed: its nar is %d bytes long, closure.graph:1 has 5", s.dead.Path, s.dead.NarSize)
	if err := closure(t, Nix, items...).Load(background, LoadOptions{}); err == nil || err.Error() != want {
		t.Errorf("Load: %v; want %s", err, want)
	}

	items = append(bare(), From(from, []*Item{Nix.item("gone")})...)
	gone := Nix.path("gone")
	want = gone + " is in the closure, but not on the disk: lstat " + from + "/" + filepath.Base(gone) + ": no such file or directory"
	if err := closure(t, Nix, items...).Load(background, LoadOptions{}); err == nil || err.Error() != want {
		t.Errorf("Load: %v; want %s", err, want)
	}
}

func TestPopulateErrors(t *testing.T) {
	s := newStore(t, Nix)
	gone := Nix.path("gone")
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{Roots: map[string]string{"x": gone}}, `gc root "x": ` + gone + " is not in the closure"},
		{Options{Roots: map[string]string{"x": "/etc"}}, `gc root "x": /etc is not in the closure`},
		{Options{Roots: map[string]string{"../x": s.file.Path}}, `gc root "../x": ".." is not a file name`},
		{Options{Roots: map[string]string{"profiles": s.file.Path}}, `"profiles" stands twice in one directory`},
		{Options{Profiles: []Profile{{Name: "system"}}}, `profile "system" has no generations`},
		{Options{Profiles: []Profile{{Name: "system", Generations: Generations(gone)}}}, `profile "system": ` + gone + " is not in the closure"},
		{Options{Profiles: []Profile{{Name: "a//b", Generations: Generations(s.file.Path)}}}, `profile "a//b": "" is not a file name`},
		{Options{Profiles: []Profile{{Name: "", Generations: Generations(s.file.Path)}}}, `profile "": "" is not a file name`},
		{Options{Profiles: []Profile{{Name: "a\tb", Generations: Generations(s.file.Path)}}}, `profile "a\tb": byte 2 of the name begins a control character`},
		{Options{Registration: "x"}, `"x" is not the absolute path of a file`},
	} {
		err := Populate(background, image.NewTree(), closure(t, Nix, s.items()...), c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Populate(%+v): %v; want %s", c.o, err, c.want)
		}
	}
}
