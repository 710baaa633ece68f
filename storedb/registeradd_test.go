package storedb

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ingot/image"
)

// TestRegisterAdded registers what joins the store beside what lies in it: only the
// former is brought in.
func TestRegisterAdded(t *testing.T) {
	h := newHosted(t, Nix)
	root := newRoot(t)
	h.register(t, root, RegisterOptions{Copy: true})
	dir := image.NewDir(0o755)
	dir.Add("large", image.NewFile(0o755, image.Bytes(strings.Repeat("x", 3<<20))))
	dir.Add("link", image.NewSymlink("large"))
	added, err := Nix.AddPath("added", dir)
	if err != nil {
		t.Fatal(err)
	}
	text, err := Nix.AddText("text", "uses "+added.Path, added.Path)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{2, 0} {
		c := closure(t, Nix, append(h.closure(t).Items(), added, text)...)
		did, err := Register(background, root, c, RegisterOptions{KeepTimes: i == 0})
		if err != nil {
			t.Fatal(err)
		}
		if did.Copied.Paths != want || did.Added != want {
			t.Errorf("Register = %+v; want %d paths copied", did, want)
		}
	}
	nixStore(t, root, "", "--verify", "--check-contents")
	if got := strings.Fields(nixStore(t, root, "", "-q", "--references", text.Path)); len(got) != 1 || got[0] != added.Path {
		t.Errorf("the references of %s are %v; want %s", text.Path, got, added.Path)
	}
	host := writeDir(t, dir)
	if got := strings.TrimSpace(nixStore(t, newRoot(t), "", "--add", host)); got != added.Path {
		t.Errorf("nix-store --add says %s; want %s", got, added.Path)
	}
}

// writeDir writes a folder called added.
func writeDir(t testing.TB, n *image.Node) string {
	t.Helper()
	dir := t.TempDir()
	tree := image.NewTree()
	if err := tree.Put("/added", n); err != nil {
		t.Fatal(err)
	}
	checkout(t, tree, dir)
	return filepath.Join(dir, "added")
}

// TestRegisterHardLinked shares files in place, some of which are one file already,
// with a time and a mode that are not a store's.
func TestRegisterHardLinked(t *testing.T) {
	for _, others := range []int{0, 300} { // more than are worth reading for twelve files
		t.Run(fmt.Sprint(others, " others"), func(t *testing.T) { testRegisterHardLinked(t, others) })
	}
}

// testRegisterHardLinked does so in a store whose .links has the names of other files.
func testRegisterHardLinked(t *testing.T, others int) {
	root := newRoot(t)
	store := filepath.Join(root, "nix/store")
	if err := os.MkdirAll(store, 0o755); err != nil {
		t.Fatal(err)
	}
	if others > 0 {
		links := image.NewDir(0o755)
		for i := range others {
			n := image.NewFile(0o444, image.Bytes(fmt.Sprint("other ", i)))
			hash, _, err := HashNAR(n)
			if err != nil {
				t.Fatal(err)
			}
			links.Add(hash.Base32(), n)
		}
		checkout(t, &image.Tree{Root: links}, filepath.Join(store, ".links"))
	}
	large, small := strings.Repeat("x", 2<<20), "small"
	first := ""
	var items []*Item
	for i := range 4 {
		dir := image.NewDir(0o755)
		for name, text := range map[string]string{"large": large, "small": small, "own": fmt.Sprint(i)} {
			dir.Add(name, image.NewFile(0o755, image.Bytes(text)))
		}
		it, err := Nix.AddPath(fmt.Sprint("item-", i), dir)
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, it)
		host := filepath.Join(store, filepath.Base(it.Path))
		checkout(t, &image.Tree{Root: untidy(dir)}, host)
		if i == 0 {
			first = host
			continue
		}
		if i == 3 {
			continue // what has files of its own
		}
		for _, name := range []string{"large", "small"} {
			if err := os.Remove(filepath.Join(host, name)); err != nil {
				t.Fatal(err)
			}
			if err := os.Link(filepath.Join(first, name), filepath.Join(host, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	var reg strings.Builder
	if err := closure(t, Nix, items...).WriteRegistration(&reg); err != nil {
		t.Fatal(err)
	}
	inodes := func() map[string]uint64 {
		of := map[string]uint64{}
		err := filepath.WalkDir(store, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.Name() == ".links" {
				return cmp.Or(err, fs.SkipDir)
			}
			var st unix.Stat_t
			if err := unix.Lstat(path, &st); err != nil {
				return err
			}
			of[path] = st.Ino
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return of
	}
	for i := range 2 {
		before := inodes()
		list, err := Nix.ReadRegistration("registration", strings.NewReader(reg.String()))
		if err != nil {
			t.Fatal(err)
		}
		did, err := Register(background, root, closure(t, Nix, list...), RegisterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		// Which of two files stays, the one with three names or the one with one, depends
		// on which worker comes first.
		want, after := int64(0), inodes()
		for path, ino := range before {
			if after[path] != ino {
				want++
			}
		}
		if i == 0 && (want < 2 || want > 6) || i == 1 && want != 0 {
			t.Errorf("run %d gave %d names another file", i, want)
		}
		if did.Copied.Linked != want {
			t.Errorf("run %d shared %d files; want %d, the names that have another file now", i, did.Copied.Linked, want)
		}
	}
	for _, name := range []string{"large", "small"} {
		for _, it := range items {
			one, err1 := os.Stat(filepath.Join(first, name))
			other, err2 := os.Stat(filepath.Join(store, filepath.Base(it.Path), name))
			if err := errors.Join(err1, err2); err != nil || !os.SameFile(one, other) {
				t.Errorf("%s of %s is a file of its own (%v)", name, it.Path, err)
			}
		}
	}
	nixStore(t, root, "", "--verify", "--check-contents")
	info, err := os.Stat(filepath.Join(first, "large"))
	if err != nil || info.ModTime().Unix() != 1 || info.Mode() != 0o555 {
		t.Errorf("%v, %v", info, err)
	}
	if links, _ := os.ReadDir(filepath.Join(store, ".links")); len(links) != 6+others {
		t.Errorf(".links has %d names; want %d", len(links), 6+others)
	}
}

// TestRegisterGuixSystem registers a Guix System as the profile of that name. The
// folders of its root are made, and those that are there keep their modes.
func TestRegisterGuixSystem(t *testing.T) {
	system := image.NewDir(0o755)
	for _, name := range []string{"parameters", "boot", "kernel"} {
		system.Add(name, image.NewFile(0o644, image.Bytes(name)))
	}
	other := image.NewDir(0o755)
	other.Add("parameters", image.NewFile(0o644, nil))
	for _, c := range []struct {
		node    *image.Node
		profile string
		want    bool
	}{{system, "system", true}, {system, "else", false}, {other, "system", false}} {
		it, err := Guix.AddPath("system", c.node)
		if err != nil {
			t.Fatal(err)
		}
		root := newRoot(t)
		if err := os.MkdirAll(filepath.Join(root, "home"), 0o700); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			did, err := Register(background, root, closure(t, Guix, it), RegisterOptions{Profiles: map[string]string{c.profile: it.Path}})
			if err != nil {
				t.Fatal(err)
			}
			if did.GuixSystem != c.want || did.NixOS {
				t.Errorf("%s: Register = %+v; want a Guix System: %v", c.profile, did, c.want)
			}
		}
		for name, mode := range map[string]string{"tmp": "dtrwxrwxrwx", "var/lock": "dtrwxrwxrwx", "var/log": "drwxr-xr-x", "home": "drwx------"} {
			info, err := os.Stat(filepath.Join(root, name))
			switch {
			case !c.want && name != "home":
				if err == nil {
					t.Errorf("%s: /%s was made", c.profile, name)
				}
			case err != nil:
				t.Error(err)
			case info.Mode().String() != mode:
				t.Errorf("%s: /%s is %v; want %s", c.profile, name, info.Mode(), mode)
			case name != "home" && info.ModTime().Unix() != 1:
				t.Errorf("%s: the time of /%s is %v", c.profile, name, info.ModTime())
			}
		}
	}
}

// TestRegisterManyLinks shares files with a store whose .links is too large to be read
// for them, and with one that is read: it makes no difference.
func TestRegisterManyLinks(t *testing.T) {
	h := newHosted(t, Nix)
	var listings []string
	for _, others := range []int{0, 10, 5000} {
		root := newRoot(t)
		links := filepath.Join(root, "nix/store/.links")
		if err := os.MkdirAll(links, 0o755); err != nil {
			t.Fatal(err)
		}
		for i := range others {
			if err := os.WriteFile(filepath.Join(links, Hash{1: byte(i), 2: byte(i >> 8), 3: 1}.Base32()), nil, 0o444); err != nil {
				t.Fatal(err)
			}
		}
		h.register(t, root, RegisterOptions{Copy: true})
		// A second store path with the files of the first is shared with it.
		again := h.closure(t)
		h.register(t, root, RegisterOptions{})
		twin, err := Nix.AddPath("twin", again.Items()[again.Len()-1].scanned(t, h.dir))
		if err != nil {
			t.Fatal(err)
		}
		did, err := Register(background, root, closure(t, Nix, twin), RegisterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range others {
			os.Remove(filepath.Join(links, Hash{1: byte(i), 2: byte(i >> 8), 3: 1}.Base32()))
		}
		nixStore(t, root, "", "--verify", "--check-contents")
		listings = append(listings, fmt.Sprintln(did.Copied)+listing(t, filepath.Join(root, "nix/store")))
	}
	for _, l := range listings[1:] {
		// The time of .links differs, which was there before.
		if a, b := withoutLinksTime(l), withoutLinksTime(listings[0]); a != b {
			t.Error(firstDifferingLine(a, b))
		}
	}
}

func (it *Item) scanned(t testing.TB, dir string) *image.Node {
	t.Helper()
	n, err := image.Scan(filepath.Join(dir, filepath.Base(it.Path)), image.ScanOptions{Canonical: true})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func withoutLinksTime(listing string) string {
	lines := strings.Split(listing, "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, `"/.links" `) || strings.HasPrefix(l, `"/" `) {
			lines[i] = ""
		}
	}
	return strings.Join(lines, "\n")
}

// TestShareWithItself has the file itself in .links, put there after it was looked for.
func TestShareWithItself(t *testing.T) {
	n := image.NewFile(0o444, image.Bytes("small"))
	hash, _, err := HashNAR(n)
	if err != nil {
		t.Fatal(err)
	}
	store := t.TempDir()
	tree := image.NewDir(0o755)
	tree.Add("file", n)
	checkout(t, &image.Tree{Root: tree}, store)
	dir, err := openRoot(store, false)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.close()
	temp, err := dir.make("temp", 0o755, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer temp.close()
	links, err := dir.openLinks(Nix, temp, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer links.dir.close()
	st, err := dir.stat("file")
	if err != nil {
		t.Fatal(err)
	}
	if taken, err := links.offer(dir.fd, "file", hash, st.Ino); taken || err != nil {
		t.Fatal(taken, err)
	}
	replaced, spent, err := links.replace(dir, "file", n, hash, st.Ino)
	if replaced || spent || err != nil {
		t.Errorf("replace = %v, %v, %v; want false, false, nil", replaced, spent, err)
	}
	if names, err := temp.names(); len(names) > 0 || err != nil {
		t.Errorf("left %q, %v", names, err)
	}
}
