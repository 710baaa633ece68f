package fstest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ingot/image"
)

// everything can hold what there is.
var everything = Features{
	MaxSymlink: 4095, MaxLinks: 65000, Specials: true, Modes: true, Owners: true, MaxXattr: 4000, Holes: true,
}

// sample has one file of each kind that the table below changes.
func sample() *image.Tree {
	g := boundaries{everything}.grow()
	g.file("/dir/file", 3<<20).Xattrs = []image.Xattr{{Name: "user.a", Value: []byte("1")}, {Name: "user.b", Value: nil}}
	g.put("/dir/sparse", image.NewFile(0o644, Sparse(7, 1<<20, [2]int64{1 << 19, 10})))
	g.put("/link", image.NewSymlink("dir/file"))
	g.put("/device", image.NewSpecial(fs.ModeDevice|0o600, image.Dev{Major: 8, Minor: 1}))
	g.put("/hard1", g.Lookup("/dir/file"))
	g.file("/hard2", 1)
	return g.Tree
}

func TestDiff(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*image.Tree)
		want   string // of the first line; "" for none
	}{
		{"nothing", func(*image.Tree) {}, ""},
		{"mode", func(t *image.Tree) { t.Lookup("/dir").Mode |= fs.ModeSticky }, "/dir: mode: want drwxr-xr-x, got dtrwxr-xr-x"},
		{"owner", func(t *image.Tree) { t.Lookup("/link").GID = 7 }, "/link: owner: want 0:0, got 0:7"},
		{"time", func(t *image.Tree) { t.Root.Mtime.Nsec = 5 }, "/: time: want 1.000000000, got 1.000000005"},
		{"target", func(t *image.Tree) { t.Lookup("/link").Link = "x" }, `/link: target: want "dir/file", got "x"`},
		{"device", func(t *image.Tree) { t.Lookup("/device").Dev.Minor = 2 }, "/device: device: want {8 1}, got {8 2}"},
		{"type", func(t *image.Tree) { t.Lookup("/device").Mode = fs.ModeNamedPipe }, "/device: type: want a block device, got a FIFO"},
		{"xattr order", func(t *image.Tree) {
			x := t.Lookup("/dir/file").Xattrs
			x[0], x[1] = x[1], x[0]
		}, ""},
		{"xattr value", func(t *image.Tree) { t.Lookup("/dir/file").Xattrs[0].Value = []byte("2") }, `/dir/file: xattr user.a: want "1", got "2"`},
		{"xattr missing", func(t *image.Tree) { n := t.Lookup("/dir/file"); n.Xattrs = n.Xattrs[:1] }, `/dir/file: xattr user.b: want "", got none`},
		{"xattr added", func(t *image.Tree) { t.Root.Xattrs = []image.Xattr{{Name: "user.c"}} }, `/: xattr user.c: want none, got ""`},
		{"content", func(t *image.Tree) {
			n := t.Lookup("/dir/file")
			p, _ := image.ReadAll(n.Data)
			p[2<<20+5]++
			n.Data = image.Bytes(p)
		}, "/dir/file: content differs from byte 2097157 of 3145728 on"},
		{"size", func(t *image.Tree) { t.Lookup("/dir/file").Data = image.Bytes("x") }, "/dir/file: size: want 3145728, got 1"},
		{"no content", func(t *image.Tree) { t.Lookup("/hard2").Data = nil }, "/hard2: size: want 1, got 0"},
		{"hole filled", func(t *image.Tree) {
			t.Lookup("/dir/sparse").Data = Sparse(7, 1<<20, [2]int64{1 << 19, 10}, [2]int64{0, 1})
		}, "/dir/sparse: allocated bytes: want at most 4096, got 8192"},
		{"data moved", func(t *image.Tree) { t.Lookup("/dir/sparse").Data = Sparse(7, 1<<20, [2]int64{1 << 18, 10}) }, "/dir/sparse: content differs from byte 262144 of 1048576 on"},
		{"missing", func(t *image.Tree) { t.Lookup("/dir").Remove("sparse") }, "/dir/sparse: is missing"},
		{"extra", func(t *image.Tree) { t.Put("/dir/new\nline", image.NewDir(0)) }, `"/dir/new\nline": is a directory that should not be there`},
		{"added by the file system", func(t *image.Tree) { t.Put("/lost+found", image.NewDir(0)) }, ""},
		{"link cut", func(t *image.Tree) { n := *t.Lookup("/hard1"); t.Root.Remove("hard1"); t.Put("/hard1", &n) }, "/hard1: hard link: want a link of /dir/file, got a file of its own"},
		{"link made", func(t *image.Tree) { t.Root.Remove("hard2"); t.Put("/hard2", t.Lookup("/link")) }, "/hard2: type: want a regular file, got a symlink"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := everything
			f.Adds = []string{"/lost+found"}
			got := sample()
			c.change(got)
			lines := Diff(sample(), got, f)
			if c.want == "" && len(lines) == 0 {
				return
			}
			if len(lines) == 0 || lines[0] != c.want {
				t.Errorf("Diff = %q; want %q", lines, c.want)
			}
		})
	}
}

// What a file system cannot hold must not count.
func TestDiffLeavesOut(t *testing.T) {
	got := sample()
	err := got.Walk(func(path string, n *image.Node) error {
		n.Mode, n.UID, n.Xattrs = n.Mode.Type(), 5, nil
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if lines := Diff(sample(), got, Features{}); len(lines) != 0 {
		t.Errorf("Diff = %q; want nothing", lines)
	}
}

// Every tree that is generated or written down must be one that the features hold.
func TestTreesAreWithinFeatures(t *testing.T) {
	poor := Features{
		MaxName: 20, Fold: strings.ToLower, MaxFile: 1<<32 - 1, MaxEntries: 1000, First: 0, Last: 1000,
		HoldsName: func(s string) bool { return !strings.ContainsAny(s, "*?\\\n\"") },
	}
	for _, f := range []Features{everything, poor} {
		for _, c := range Boundaries(f) {
			within(t, f, c.Tree())
		}
		trees := Trees(f)
		rapid.Check(t, func(t *rapid.T) { within(t, f, trees.Draw(t, "tree")) })
	}
}

func within(t T, f Features, tree *image.Tree) {
	t.Helper()
	names := map[*image.Node]int{}
	first, last := f.times()
	err := tree.Walk(func(path string, n *image.Node) error {
		names[n]++
		taken := map[string]bool{}
		for _, e := range n.Entries() {
			if !f.holds(e.Name) || taken[f.fold(e.Name)] {
				t.Errorf("%s: %q is not a name that can be held", shown(path), e.Name)
			}
			taken[f.fold(e.Name)] = true
		}
		switch {
		case n.Size() > f.maxFile():
			t.Errorf("%s: %d bytes", shown(path), n.Size())
		case len(n.Link) > f.MaxSymlink:
			t.Errorf("%s: a target of %d bytes", shown(path), len(n.Link))
		case f.Last != 0 && n.Mtime != image.Epoch && (n.Mtime.Sec < first || n.Mtime.Sec > last):
			t.Errorf("%s: time %d", shown(path), n.Mtime.Sec)
		case len(n.Xattrs) > 0 && f.MaxXattr == 0:
			t.Errorf("%s: xattrs", shown(path))
		}
		if names[n] > max(f.MaxLinks, 1) {
			t.Errorf("%s: %d links", shown(path), names[n])
		}
		return nil
	})
	if err != nil {
		t.Fatalf("%v", err)
	}
}

func TestReordered(t *testing.T) {
	for _, c := range Boundaries(everything) {
		if c.Slow {
			continue
		}
		tree := c.Tree()
		if lines := Diff(tree, reordered(tree), everything); len(lines) != 0 {
			t.Errorf("%s: %q", c.Name, lines[0])
		}
	}
}

// Write and the host's own file system stand in for an image and its reader.
func TestWrite(t *testing.T) {
	img := filepath.Join(t.TempDir(), "img")
	m := Sparse(3, 1<<32, [2]int64{5, 2 << 20}, [2]int64{1<<32 - 9, 9}).(*image.Map)
	if err := Write(m, img); err != nil {
		t.Fatal(err)
	}
	h, err := os.Open(img)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	st, err := h.Stat()
	if err != nil || st.Size() != m.Size() {
		t.Fatalf("Write left %d bytes, %v; want %d", st.Size(), err, m.Size())
	}
	for _, r := range []span{{0, 3 << 20}, {1<<32 - 4096, 1 << 32}} {
		w, g := make([]byte, r.to-r.from), make([]byte, r.to-r.from)
		if err := readFull(m, w, r.from); err != nil {
			t.Fatal(err)
		}
		if err := readFull(h, g, r.from); err != nil {
			t.Fatal(err)
		}
		if string(w) != string(g) {
			t.Errorf("bytes [%d, %d) differ", r.from, r.to)
		}
	}
}

func TestHostTree(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a"), []byte("text"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, "a"), 0o640); err != nil { // whatever the umask
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(dir, "a"), filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	want := image.NewTree()
	n := image.NewFile(0o640, image.Bytes("text"))
	for _, path := range []string{"/a", "/b"} {
		if err := want.Put(path, n); err != nil {
			t.Fatal(err)
		}
	}
	f := Features{Modes: true, MaxLinks: 2, PlainRoot: true, Time: func(image.Time) image.Time { return image.Time{} }}
	if lines := Diff(want, HostTree(t, dir), f); len(lines) != 0 {
		t.Errorf("Diff = %q; want nothing", lines)
	}
}

func TestAllocated(t *testing.T) {
	var keep []byte
	if got := Allocated(func() { keep = make([]byte, 32<<20) }); got < 32<<20 || got > 33<<20 {
		t.Errorf("Allocated(32 MiB) = %d", got)
	}
	_ = keep[0]
	for _, c := range []struct{ size, n int }{{1 << 20, 2 << 20}, {100 << 10, 64 << 20}} {
		f := &failures{}
		Budget(f, c.size, func() { keep = make([]byte, c.n) })
		if failed := f.n > 0; failed != (c.n > 64*c.size+4<<20) {
			t.Errorf("Budget of %d bytes, with %d allocated: failed is %t", c.size, c.n, failed)
		}
	}
}

// failures counts what a test complains about.
type failures struct {
	T
	n int
}

func (f *failures) Helper()               {}
func (f *failures) Errorf(string, ...any) { f.n++ }

func TestPatch(t *testing.T) {
	b := make([]byte, 100)
	m := Record(b, func(r image.Blob) {
		for _, at := range []int64{10, 50, 10, 90} {
			r.ReadAt(make([]byte, 20), at)
		}
	})
	if got, want := fmt.Sprint(m.spans), "[[10 30] [50 70] [90 100]]"; got != want {
		t.Errorf("spans %s; want %s", got, want)
	}
	for _, seed := range m.Seeds() {
		p := m.Patch(append(seed, 1, 25, 0, 2, 7, 8, 4, 1, 0, 9, 5))
		got, err := image.ReadAll(p)
		if err != nil || got[55] != 7 || got[56] != 8 || got[51] != 5 {
			t.Errorf("script %x: %v, %v", seed, got, err)
		}
		part := make([]byte, 10)
		if _, err := p.ReadAt(part, 52); err != nil || !slices.Equal(part, got[52:62]) {
			t.Errorf("script %x: a part is %v, %v; want %v", seed, part, err, got[52:62])
		}
	}
}
