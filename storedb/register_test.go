package storedb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ingot/image"
)

// hosted is a small closure whose items lie in a folder of the host, as somebody who
// knows nothing of stores left them. The items are new ones each time.
type hosted struct {
	dir     string
	flavour Flavour
	store
	extra []*Item // instead of those of store
}

func (h *hosted) items() []*Item {
	if h.extra != nil {
		return h.extra
	}
	return h.store.items()
}

func newHosted(t testing.TB, f Flavour) *hosted {
	t.Helper()
	h := &hosted{dir: filepath.Join(t.TempDir(), "items"), flavour: f, store: newStore(t, f)}
	tree := image.NewTree()
	for _, it := range h.items() {
		if err := tree.Put("/"+filepath.Base(it.Path), untidy(it.Node)); err != nil {
			t.Fatal(err)
		}
	}
	checkout(t, tree, h.dir)
	return h
}

// untidy gives files the metadata that a store does not have.
func untidy(n *image.Node) *image.Node {
	late := image.Time{Sec: 1e9, Nsec: 5}
	if n.IsDir() {
		dir := image.NewDir(0o755)
		dir.Mtime = late
		for _, e := range n.Entries() {
			dir.Add(e.Name, untidy(e.Node))
		}
		return dir
	}
	other := *n
	other.Mtime = late
	if n.Mode.IsRegular() {
		other.Mode = n.Mode&0o100 | 0o640
	}
	return &other
}

// closure reads the closure by its registration.
func (h *hosted) closure(t testing.TB) *Closure {
	t.Helper()
	var reg strings.Builder
	if err := closure(t, h.flavour, h.items()...).WriteRegistration(&reg); err != nil {
		t.Fatal(err)
	}
	items, err := h.flavour.ReadRegistration("registration", strings.NewReader(reg.String()))
	if err != nil {
		t.Fatal(err)
	}
	return closure(t, h.flavour, From(h.dir, items)...)
}

func (h *hosted) register(t testing.TB, root string, o RegisterOptions) *Registered {
	t.Helper()
	did, err := Register(background, root, h.closure(t), o)
	if err != nil {
		t.Fatal(err)
	}
	return did
}

func newRoot(t testing.TB) string { return writable(t, filepath.Join(t.TempDir(), "root")) }

// listing describes all that lies below dir: type, mode, owner, time, target or hash,
// and which names share an inode.
func listing(t testing.TB, dir string) string {
	t.Helper()
	n, err := image.Scan(dir, image.ScanOptions{Xattrs: true})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	first := map[*image.Node]string{}
	err = (&image.Tree{Root: n}).Walk(func(p string, n *image.Node) error {
		fmt.Fprintf(&b, "%q %v %d:%d %v %q %v", p, n.Mode, n.UID, n.GID, n.Mtime, n.Link, n.Xattrs)
		if n.Mode.IsRegular() {
			hash, _, err := HashNAR(n)
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, " %s", hash)
		}
		if !n.IsDir() && first[n] != "" {
			fmt.Fprintf(&b, " = %s", first[n])
		} else {
			first[n] = p
		}
		b.WriteString("\n")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// firstDifferingLine is what two listings do not share.
func firstDifferingLine(got, want string) string {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return fmt.Sprintf("%s\nwant\n%s", a[i], b[i])
		}
	}
	return fmt.Sprintf("%d lines; want %d", len(a), len(b))
}

// TestRegisterIsPopulate compares a root with the Tree of an image that holds the same
// closure: there is one idea of what a store is.
func TestRegisterIsPopulate(t *testing.T) {
	for _, f := range []Flavour{Nix, Guix} {
		for _, dedupe := range []bool{false, true} {
			h := newHosted(t, f)
			root := newRoot(t)
			h.register(t, root, RegisterOptions{
				Copy: true, NoDeduplicate: !dedupe,
				Roots: map[string]string{"text": h.text.Path}, Profiles: map[string]string{"system": h.tree.Path},
			})
			want := filepath.Join(t.TempDir(), "want")
			checkout(t, populate(t, f, Options{
				Deduplicate: dedupe, DatabaseOptions: DatabaseOptions{Provenance: true},
				Roots: map[string]string{"text": h.text.Path}, Profiles: []Profile{{Name: "system", Generations: Generations(h.tree.Path)}},
			}, h.closure(t).Items()...), want)
			for _, lock := range []string{"gc.lock", "db/big-lock"} { // an image has none
				if err := os.Remove(filepath.Join(root, f.StateDir(), lock)); err != nil {
					t.Error(err)
				}
			}
			if !dedupe {
				links := filepath.Join(root, f.StoreDir(), ".links")
				if err := errors.Join(os.Mkdir(links, 0o755), os.Chmod(links, 0o755)); err != nil {
					t.Fatal(err)
				}
			}
			for _, dir := range []string{f.StateDir(), f.StateDir() + "/db", f.StoreDir(), f.StoreDir() + "/.links"} {
				setTime(filepath.Join(root, dir), &image.Node{Mtime: image.Epoch})
			}
			if os.Geteuid() == 0 { // checkout keeps no owners
				os.Chown(filepath.Join(want, f.StoreDir()), 0, BuildGroup)
				os.Chmod(filepath.Join(want, f.StoreDir()), 0o775|fs.ModeSticky)
			} else {
				os.Chmod(filepath.Join(want, f.StoreDir()), 0o755)
			}
			os.Chmod(want, 0o755)
			setTime(want, &image.Node{Mtime: image.Epoch})
			if got, want := listing(t, root), listing(t, want); got != want {
				t.Errorf("%s, deduplicate %v: the root holds\n%s", f, dedupe, firstDifferingLine(got, want))
			}
		}
	}
}

// TestRegisterInPlace brings what lies in the root already into the state of a store,
// and leaves all else alone.
func TestRegisterInPlace(t *testing.T) {
	for _, f := range []Flavour{Nix, Guix} {
		h := newHosted(t, f)
		root, want := newRoot(t), newRoot(t)
		h.register(t, want, RegisterOptions{Copy: true})
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, f.StoreDir())), 0o755); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("cp", "-a", h.dir, filepath.Join(root, f.StoreDir())).CombinedOutput(); err != nil {
			t.Fatalf("cp: %v\n%s", err, out)
		}
		tmp := filepath.Join(root, "tmp")
		if err := errors.Join(os.Mkdir(tmp, 0o777), os.Chmod(tmp, 0o777|fs.ModeSticky)); err != nil {
			t.Fatal(err)
		}
		marked := filepath.Join(root, h.tree.Path, "bin/same")
		if err := unix.Setxattr(marked, "user.mark", []byte("x"), 0); err != nil {
			t.Logf("no extended attributes here: %v", err)
		}
		before := listing(t, filepath.Join(root, h.tree.Path))
		h.register(t, root, RegisterOptions{KeepTimes: true, NoDeduplicate: true})
		if after := listing(t, filepath.Join(root, h.tree.Path)); after != before {
			t.Errorf("%s: KeepTimes has changed\n%s", f, firstDifferingLine(after, before))
		}
		did := h.register(t, root, RegisterOptions{})
		if did.Copied.Linked == 0 && f == Nix {
			t.Errorf("%s: %+v; want files that are shared", f, did)
		}
		for _, it := range h.items() {
			if got, want := listing(t, filepath.Join(root, it.Path)), listing(t, filepath.Join(want, it.Path)); got != want {
				t.Errorf("%s: %s is\n%s", f, it.Path, firstDifferingLine(got, want))
			}
		}
		if got, want := listing(t, filepath.Join(root, f.StoreDir(), ".links")), listing(t, filepath.Join(want, f.StoreDir(), ".links")); tail(got) != tail(want) {
			t.Errorf("%s: .links is\n%s", f, firstDifferingLine(got, want))
		}
		if st, err := os.Stat(tmp); err != nil || st.Mode() != fs.ModeDir|fs.ModeSticky|0o777 {
			t.Errorf("%s: /tmp is %v, %v; want what it was", f, st.Mode(), err)
		}
	}
}

// tail leaves out the first line, which is of the directory itself and its time.
func tail(s string) string {
	_, s, _ = strings.Cut(s, "\n")
	return s
}

// TestRegisterBytes makes the same database and the same root from other orders and
// other places.
func TestRegisterBytes(t *testing.T) {
	h := newHosted(t, Nix)
	a, b := newRoot(t), newRoot(t)
	h.register(t, a, RegisterOptions{Copy: true, Roots: map[string]string{"x": h.text.Path}})
	items := slices.Clone(h.closure(t).Items())
	slices.Reverse(items)
	moved := filepath.Join(t.TempDir(), "elsewhere")
	if out, err := exec.Command("cp", "-a", h.dir, moved).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v\n%s", err, out)
	}
	old := unix.Umask(0o077)
	_, err := Register(background, b, closure(t, Nix, From(moved, items)...), RegisterOptions{Copy: true, Verify: true, Roots: map[string]string{"x": h.text.Path}})
	unix.Umask(old)
	if err != nil {
		t.Fatal(err)
	}
	for _, root := range []string{a, b} { // their own times, which their last entries gave them
		for _, dir := range []string{"/nix/var/nix", "/nix/var/nix/db", "/nix/store", "/nix/store/.links", ""} {
			setTime(root+dir, &image.Node{Mtime: image.Epoch})
		}
	}
	if got, want := listing(t, a), listing(t, b); got != want {
		t.Errorf("roots differ:\n%s", firstDifferingLine(got, want))
	}
}

// TestRegisterUser makes the same database as another user.
func TestRegisterUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can be another user")
	}
	const nobody = 65534
	h := many(t, 5)
	h.writeRegistration(t)
	dir := t.TempDir()
	for at := range map[string]bool{h.dir: true, filepath.Dir(h.dir): true, filepath.Dir(filepath.Dir(h.dir)): true, dir: true} {
		if err := os.Chmod(at, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(dir, "program")
	if out, err := exec.Command("cp", os.Args[0], program).CombinedOutput(); err != nil {
		t.Fatalf("cp: %v\n%s", err, out)
	}
	if err := os.Chmod(program, 0o755); err != nil {
		t.Fatal(err)
	}
	var databases []string
	for _, user := range []uint32{0, nobody} {
		root := writable(t, filepath.Join(dir, fmt.Sprint("root-", user)))
		cmd := exec.Command(program, "-test.run=^TestRegisterProcess$")
		cmd.Dir, cmd.Env = "/", []string{"INGOT_TEST_ROOT=" + root, "INGOT_TEST_ITEMS=" + h.dir, "TMPDIR=" + dir}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "end\n") {
			t.Fatalf("user %d: %v\n%s", user, err, out)
		}
		b, err := os.ReadFile(filepath.Join(root, Nix.DatabasePath()))
		if err != nil {
			t.Fatal(err)
		}
		databases = append(databases, string(b))
	}
	if databases[0] != databases[1] {
		t.Error("root and nobody make different databases")
	}
}

func TestProfileGenerations(t *testing.T) {
	h := newHosted(t, Nix)
	root := newRoot(t)
	profile := func(path string) map[string]string { return map[string]string{"system": path} }
	for i, want := range []struct{ path, links string }{
		{h.tree.Path, "system-1-link"},
		{h.tree.Path, "system-1-link"}, // the same again is no new generation
		{h.text.Path, "system-2-link"},
		{h.tree.Path, "system-3-link"},
	} {
		h.register(t, root, RegisterOptions{Copy: true, Profiles: profile(want.path)})
		got, err := os.Readlink(filepath.Join(root, Nix.StateDir(), "profiles/system"))
		if err != nil || got != want.links {
			t.Errorf("%d: system -> %s, %v; want %s", i, got, err, want.links)
		}
		if target, err := os.Readlink(filepath.Join(root, Nix.StateDir(), "profiles", got)); err != nil || target != want.path {
			t.Errorf("%d: %s -> %s, %v; want %s", i, got, target, err, want.path)
		}
	}
}

// TestRegisterKeepsBuild registers a path whose contents in the store are others than
// the source's: the row goes on telling the truth.
func TestRegisterKeepsBuild(t *testing.T) {
	h := newHosted(t, Nix)
	root := newRoot(t)
	h.register(t, root, RegisterOptions{Copy: true})
	c := h.closure(t)
	it := c.Lookup(h.file.Path)
	it.NarHash, it.NarSize = Hash{9}, 888
	did, err := Register(background, root, c, RegisterOptions{Copy: true})
	if err != nil || !slices.Equal(did.Kept, []string{h.file.Path}) || did.Database != "unchanged" {
		t.Errorf("Register: %+v, %v; want %s kept", did, err, h.file.Path)
	}
	nixStore(t, root, "", "--verify", "--check-contents")

	// Now the row is wrong, and the source right.
	sqlite(t, filepath.Join(root, Nix.DatabasePath()), "update ValidPaths set hash = '"+Hash{9}.String()+"' where path = '"+h.file.Path+"'")
	if did := h.register(t, root, RegisterOptions{}); did.Updated != 1 {
		t.Errorf("Register: %+v; want one row brought up to date", did)
	}
	nixStore(t, root, "", "--verify", "--check-contents")

	c = h.closure(t)
	c.Lookup(h.file.Path).NarHash = Hash{8}
	sqlite(t, filepath.Join(root, Nix.DatabasePath()), "update ValidPaths set hash = '"+Hash{9}.String()+"' where path = '"+h.file.Path+"'")
	if _, err := Register(background, root, c, RegisterOptions{}); err == nil || !strings.Contains(err.Error(), "has been changed: its hash is "+h.file.NarHash.String()) {
		t.Errorf("Register where nobody is right: %v", err)
	}
}

// TestRegisterRestores brings back what is registered and gone, even if it has other
// contents now, and replaces what an attempt left that did not get to the database.
func TestRegisterRestores(t *testing.T) {
	h := newHosted(t, Nix)
	root := newRoot(t)
	h.register(t, root, RegisterOptions{Copy: true})
	want := listing(t, filepath.Join(root, h.tree.Path))
	db := filepath.Join(root, Nix.DatabasePath())
	sqlite(t, db, "update ValidPaths set hash = '"+Hash{9}.String()+"' where path = '"+h.tree.Path+"'")
	remove(t, filepath.Join(root, h.tree.Path))
	if did := h.register(t, root, RegisterOptions{Copy: true}); did.Copied.Paths != 1 || did.Updated != 1 {
		t.Errorf("Register: %+v; want one path brought back", did)
	}
	if got := listing(t, filepath.Join(root, h.tree.Path)); got != want {
		t.Errorf("%s is\n%s", h.tree.Path, firstDifferingLine(got, want))
	}

	nixStore(t, root, "", "--delete", h.text.Path) // nothing else refers to it
	left := filepath.Join(root, h.text.Path)
	if err := errors.Join(os.MkdirAll(left+"/half", 0o755), os.Chmod(left, 0o555)); err != nil {
		t.Fatal(err)
	}
	if did := h.register(t, root, RegisterOptions{Copy: true}); did.Copied.Paths != 1 || did.Added != 1 {
		t.Errorf("Register: %+v; want one path replaced", did)
	}
	nixStore(t, root, "", "--verify", "--check-contents")
	if locks, _ := filepath.Glob(filepath.Join(root, Nix.StoreDir(), "*.lock")); len(locks) > 0 {
		t.Errorf("%q are left", locks)
	}
}

// TestRegisterErrors shows refusals, and that none of them changes a root.
func TestRegisterErrors(t *testing.T) {
	put := func(name, text string) func(string, *hosted) error {
		return func(root string, _ *hosted) error {
			name := filepath.Join(root, name)
			return errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(text), 0o644))
		}
	}
	link := func(name, to string) func(string, *hosted) error {
		return func(root string, _ *hosted) error {
			outside := filepath.Join(filepath.Dir(root), "outside")
			name := filepath.Join(root, name)
			return errors.Join(os.MkdirAll(outside, 0o755), os.MkdirAll(filepath.Dir(name), 0o755), os.Symlink(filepath.Join(outside, to), name))
		}
	}
	then := func(steps ...func(string, *hosted) error) func(string, *hosted) error {
		return func(root string, h *hosted) error {
			for _, s := range steps {
				if err := s(root, h); err != nil {
					return err
				}
			}
			return nil
		}
	}
	nothing := func(string, *hosted) error { return nil }
	for name, c := range map[string]struct {
		before func(root string, h *hosted) error
		o      RegisterOptions
		want   string
	}{
		"not there":         {nothing, RegisterOptions{}, "is in the closure, but not in the store"},
		"root":              {nothing, RegisterOptions{Copy: true, Roots: map[string]string{"x": "/etc"}}, `gc root "x": /etc is not in the closure`},
		"root outside":      {nothing, RegisterOptions{Copy: true, Roots: map[string]string{"../x": "/etc"}}, `gc root "../x": ".." is not a file name`},
		"store is symlink":  {link("nix/store", ""), RegisterOptions{Copy: true}, "nix/store is a symlink"},
		"parent is symlink": {link("nix", ""), RegisterOptions{Copy: true}, "nix is a symlink"},
		"state is symlink":  {link("nix/var", ""), RegisterOptions{Copy: true}, "nix/var is a symlink"},
		"links is symlink":  {link("nix/store/.links", ""), RegisterOptions{Copy: true}, ".links is a symlink"},
		"db is symlink":     {link("nix/var/nix/db/db.sqlite", "x"), RegisterOptions{Copy: true}, "db.sqlite is no regular file"},
		"lock is symlink":   {link("nix/var/nix/db/big-lock", "x"), RegisterOptions{Copy: true}, "big-lock: too many levels of symbolic links"},
		"older schema":      {then(put("nix/var/nix/db/schema", "9"), put("nix/var/nix/db/db.sqlite", "x")), RegisterOptions{Copy: true}, "the database is of schema 9, and ingot registers in schema 10 of nix; a newer nix brings it up to date"},
		"newer schema":      {then(put("nix/var/nix/db/schema", "11"), put("nix/var/nix/db/db.sqlite", "x")), RegisterOptions{Copy: true}, "the database is of schema 11, and"},
		"schema of guix":    {then(put("nix/var/nix/db/schema", "7"), put("nix/var/nix/db/db.sqlite", "x")), RegisterOptions{Copy: true}, "is the flavour guix?"},
		"no schema":         {then(put("nix/var/nix/db/schema", "ten"), put("nix/var/nix/db/db.sqlite", "x")), RegisterOptions{Copy: true}, `schema is corrupt: it holds "ten"`},
		"no database":       {put("nix/var/nix/db/db.sqlite", strings.Repeat("x", 4096)), RegisterOptions{Copy: true}, "file is not a database"},
		"stale log":         {put("nix/var/nix/db/db.sqlite-wal", "x"), RegisterOptions{Copy: true}, "is the log of a database that is gone"},
		"no directory":      {put("nix/store", ""), RegisterOptions{Copy: true}, "not a directory"},
		"own store": {func(root string, h *hosted) error {
			h.dir = filepath.Join(root, "nix/store")
			return os.MkdirAll(h.dir, 0o755)
		}, RegisterOptions{Copy: true}, "is the root's own store"},
		"source gone": {func(_ string, h *hosted) error {
			return os.Remove(filepath.Join(h.dir, filepath.Base(h.file.Path)))
		}, RegisterOptions{Copy: true}, "is in the closure, but not on the disk"},
		"source changed": {func(_ string, h *hosted) error {
			return os.WriteFile(filepath.Join(h.dir, filepath.Base(h.dead.Path)), []byte("#!/bin/SH\n"), 0)
		}, RegisterOptions{Copy: true, Verify: true}, "has been changed: its hash is"},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHosted(t, Nix)
			root := newRoot(t)
			os.Mkdir(root, 0o755)
			if err := c.before(root, h); err != nil {
				t.Fatal(err)
			}
			_, err := Register(background, root, h.closure(t), c.o)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Register: %v; want %s", err, c.want)
			}
			if left, _ := os.ReadDir(filepath.Join(filepath.Dir(root), "outside")); len(left) > 0 {
				t.Errorf("%s was made outside the root", left[0].Name())
			}
			if strings.Contains(name, "source") || name == "root" {
				if _, err := os.Lstat(filepath.Join(root, Nix.DatabasePath())); err == nil {
					t.Error("there is a database")
				}
				left, _ := os.ReadDir(filepath.Join(root, Nix.StoreDir()))
				if len(left) > 0 {
					t.Errorf("%s is left in the store", left[0].Name())
				}
			}
		})
	}
}

// TestRegisterLinkNames asks for links that cannot be: before anything is made.
func TestRegisterLinkNames(t *testing.T) {
	h := newHosted(t, Nix)
	at := h.file.Path
	long := strings.Repeat("x", maxLinkName+1)
	for _, c := range []struct {
		roots, profiles []string
		want            string
	}{
		{[]string{"a\nb"}, nil, `gc root "a\nb": byte 2 of the name begins a control character`},
		{nil, []string{"a\x7f"}, `profile "a\x7f": byte 2 of the name begins a control character`},
		{nil, []string{"\u0085"}, `profile "\u0085": byte 1 of the name begins a control character`},
		{[]string{""}, nil, `gc root "": "" is not a file name`},
		{nil, []string{"a/"}, `profile "a/": "" is not a file name`},
		{nil, []string{"a/../b"}, `profile "a/../b": ".." is not a file name`},
		{nil, []string{long}, `": the name has 233 bytes, the limit is 232`},
		{[]string{"auto"}, nil, `gc root "auto": gcroots/auto is a folder of the store's own`},
		{[]string{"per-user"}, nil, `gc root "per-user": gcroots/per-user/root is a folder of the store's own`},
		{nil, []string{"per-user/root"}, `profile "per-user/root": profiles/per-user/root is a folder`},
		{[]string{"profiles/x"}, nil, `gc root "profiles/x": gcroots/profiles is a link of the store's own`},
		{[]string{"a", "a/b"}, nil, `gc root "a/b": the gc root "a" is a link, with nothing below it`},
		{nil, []string{"b", "b/c"}, `profile "b/c": the profile "b" is a link`},
	} {
		root := newRoot(t)
		o := RegisterOptions{Copy: true, Roots: map[string]string{}, Profiles: map[string]string{}}
		for _, name := range c.roots {
			o.Roots[name] = at
		}
		for _, name := range c.profiles {
			o.Profiles[name] = at
		}
		_, err := Register(background, root, h.closure(t), o)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Register with %q and %q: %v; want %s", c.roots, c.profiles, err, c.want)
		}
		if _, err := os.Lstat(root); err == nil {
			t.Errorf("Register with %q and %q has made the root", c.roots, c.profiles)
		}
	}
	fine := map[string]string{long[1:]: at, "a-b": at, "a": at, "auto/x y": at}
	h.register(t, newRoot(t), RegisterOptions{Copy: true, Roots: fine, Profiles: map[string]string{long[1:]: at}})
}

func TestRegisterUnreadable(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root can read everything")
	}
	h := newHosted(t, Nix)
	name := filepath.Join(h.dir, filepath.Base(h.tree.Path), "size/8191")
	os.Chmod(name, 0)
	_, err := Register(background, newRoot(t), h.closure(t), RegisterOptions{Copy: true})
	if err == nil || !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), name) {
		t.Errorf("Register: %v; want a refusal of permission that names %s", err, name)
	}
}

// TestRegisterChanging lets a source file change between the look at it and the copy.
func TestRegisterChanging(t *testing.T) {
	h := newHosted(t, Nix)
	root := newRoot(t)
	name := filepath.Join(h.dir, filepath.Base(h.tree.Path), "size/8191")
	stage := func(what string, _ int64) func(int64) {
		if what == "copying" {
			os.Chmod(name, 0o644)
			os.WriteFile(name, []byte("short"), 0o644)
		}
		return func(int64) {}
	}
	_, err := Register(background, root, h.closure(t), RegisterOptions{Copy: true, Stage: stage})
	var changed *image.ChangedError
	if !errors.As(err, &changed) || changed.Path != name {
		t.Errorf("Register: %v; want a ChangedError of %s", err, name)
	}
	if _, err := os.Lstat(filepath.Join(root, Nix.DatabasePath())); err == nil {
		t.Error("there is a database")
	}
}

func TestRegisterDryRun(t *testing.T) {
	h := newHosted(t, Nix)
	root := newRoot(t)
	o := RegisterOptions{Copy: true, DryRun: true, Profiles: map[string]string{"system": h.tree.Path}}
	did := h.register(t, root, o)
	if did.Database != "created" || did.Added != 5 || did.Copied.Paths != 5 || len(did.Links) != 2 {
		t.Errorf("Register: %+v; want all to be made", did)
	}
	if _, err := os.Lstat(root); err == nil {
		t.Error("a dry run has made the root")
	}
	h.register(t, root, RegisterOptions{Copy: true})
	before := listing(t, root)
	if did := h.register(t, root, o); did.Database != "unchanged" || did.Added != 0 || did.Copied.Paths != 0 {
		t.Errorf("Register: %+v; want nothing to do but links", did)
	}
	if after := listing(t, root); after != before {
		t.Errorf("a dry run has changed\n%s", firstDifferingLine(after, before))
	}
}

// TestRegisterWaits holds the locks that Nix and Guix hold, one after the other.
func TestRegisterWaits(t *testing.T) {
	for _, f := range []Flavour{Nix, Guix} {
		h := newHosted(t, f)
		root := newRoot(t)
		h.register(t, root, RegisterOptions{Copy: true})
		for _, name := range []string{"gc.lock", "db/big-lock"} {
			lock, err := os.OpenFile(filepath.Join(root, f.StateDir(), name), os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			if f == Guix { // its daemon locks by fcntl(2); here it is the lock of an open file, for a process does not meet its own
				err = unix.FcntlFlock(lock.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
			} else {
				err = unix.Flock(int(lock.Fd()), unix.LOCK_EX)
			}
			if err != nil {
				t.Fatal(err)
			}
			var waited []string
			o := RegisterOptions{Waiting: func(path string) {
				waited = append(waited, path)
				lock.Close()
			}}
			h.register(t, root, o)
			if want := []string{filepath.Join(root, f.StateDir(), name)}; !slices.Equal(waited, want) {
				t.Errorf("%s: waited for %q; want %q", f, waited, want)
			}
		}
		// Whoever gives up while it waits changes nothing.
		lock, err := os.OpenFile(filepath.Join(root, f.StateDir(), "gc.lock"), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer lock.Close()
		unix.Flock(int(lock.Fd()), unix.LOCK_EX)
		unix.FcntlFlock(lock.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
		ctx, cancel := context.WithCancel(background)
		if _, err := Register(ctx, root, h.closure(t), RegisterOptions{Waiting: func(string) { cancel() }}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: Register: %v; want that it was cancelled", f, err)
		}
	}
}

// TestRegisterBusy has another connection write to the database, or read it, meanwhile.
func TestRegisterBusy(t *testing.T) {
	for name, sql := range map[string]string{
		"writer": "pragma journal_mode=wal; begin immediate; update ValidPaths set deriver = null",
		"reader": "pragma journal_mode=delete; begin; select count(*) from ValidPaths",
	} {
		t.Run(name, func(t *testing.T) { registerBusy(t, sql) })
	}
}

func registerBusy(t *testing.T, sql string) {
	h := newHosted(t, Nix)
	root := newRoot(t)
	h.register(t, root, RegisterOptions{Copy: true})
	other, err := openFile(filepath.Join(root, Nix.DatabasePath()))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := other.exec(sql); err != nil {
		t.Fatal(err)
	}
	extra, err := Nix.AddPath("extra", image.NewFile(0o644, image.Bytes("extra")))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		_, err := Register(background, root, closure(t, Nix, extra), RegisterOptions{Copy: true})
		done <- err
	}()
	select {
	case err := <-done:
		t.Fatalf("Register did not wait: %v", err)
	case <-after(1500):
	}
	if err := other.exec("commit"); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if items, err := Nix.ReadDatabase(background, filepath.Join(root, Nix.DatabasePath())); err != nil || len(items) != 6 {
		t.Errorf("%d paths are registered, %v; want 6", len(items), err)
	}
}
