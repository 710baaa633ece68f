package tar

import (
	stdtar "archive/tar"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ingot/image"
	"ingot/tests/fstest"
)

// features are all but sockets.
var features = fstest.Features{
	MaxSymlink: 4095, MaxLinks: 65000, Specials: true, Modes: true, Owners: true, MaxXattr: 65536, PlainRoot: true,
	First: -1 << 31, Last: 1 << 34,
}

// readBack reads an archive with Go's own package, whose authors are others.
func readBack(t interface{ Fatal(...any) }, r io.Reader) *image.Tree {
	tree := image.NewTree()
	for a := stdtar.NewReader(r); ; {
		h, err := a.Next()
		if err == io.EOF {
			return tree
		}
		if err != nil {
			t.Fatal(err)
		}
		name := "/" + strings.TrimSuffix(h.Name, "/")
		if h.Typeflag == stdtar.TypeLink {
			first := tree.Lookup("/" + h.Linkname)
			if first == nil {
				t.Fatal(name, "is a link to", h.Linkname, "which was not there before")
			}
			if err := tree.Put(name, first); err != nil {
				t.Fatal(err)
			}
			continue
		}
		data, err := io.ReadAll(a)
		if err != nil {
			t.Fatal(err)
		}
		n := image.NewFile(0, image.Bytes(data))
		switch mode := h.FileInfo().Mode(); {
		case mode.IsDir():
			n = image.NewDir(0)
		case mode.Type() == fs.ModeSymlink:
			n = image.NewSymlink(h.Linkname)
		case !mode.IsRegular():
			n = image.NewSpecial(mode, image.Dev{Major: uint32(h.Devmajor), Minor: uint32(h.Devminor)})
		}
		n.Mode = h.FileInfo().Mode()
		n.UID, n.GID = uint32(h.Uid), uint32(h.Gid)
		n.Mtime = image.Time{Sec: h.ModTime.Unix(), Nsec: int32(h.ModTime.Nanosecond())}
		for _, key := range slices.Sorted(maps.Keys(h.PAXRecords)) {
			if x, ok := strings.CutPrefix(key, xattrRecord); ok {
				n.Xattrs = append(n.Xattrs, image.Xattr{Name: x, Value: []byte(h.PAXRecords[key])})
			}
		}
		if err := tree.Put(name, n); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRandom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree := fstest.Trees(features).Draw(t, "tree")
		prune(tree.Root)
		m, err := Layout(tree, Options{})
		if err != nil {
			t.Fatal(err)
		}
		got := readBack(t, io.NewSectionReader(m, 0, m.Size()))
		fstest.Report(t, "read by Go", fstest.Diff(tree, got, features))
	})
}

// prune takes out what an archive cannot hold.
func prune(dir *image.Node) {
	for _, e := range slices.Clone(dir.Entries()) {
		if check(e.Node) != nil || slices.ContainsFunc(e.Node.Xattrs, func(x image.Xattr) bool { return checkXattr(x) != nil }) {
			dir.Remove(e.Name)
			continue
		}
		prune(e.Node)
	}
}

// TestUnpack has GNU tar unpack some of everything.
func TestUnpack(t *testing.T) {
	tool := fstest.Judge(t, "tar", "tar")
	tree := image.NewTree()
	long := strings.Repeat("n", 200)
	put := func(name string, n *image.Node, sec int64, nsec int32) *image.Node {
		n.Mtime = image.Time{Sec: sec, Nsec: nsec}
		if err := tree.Put(name, n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	data := put("/a/data", image.NewFile(0o640, image.Bytes("data")), 1, 5)
	put("/link", data, 1, 5)
	put("/a/"+long+"/"+long, image.NewFile(0o755, image.Bytes(strings.Repeat("x", 1000))), 1<<33, 0)
	put("/before", image.NewFile(0o644, image.Bytes("")), -2, 250_000_000)
	put("/to", image.NewSymlink(strings.Repeat("../", 300)+"x"), 1, 0)
	m, err := Layout(tree, Options{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	archive, to := filepath.Join(dir, "archive.tar"), filepath.Join(dir, "to")
	if err := fstest.Write(m, archive); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(to, 0o755); err != nil {
		t.Fatal(err)
	}
	if out := fstest.Run(t, tool, "--warning=no-timestamp", "-xpf", archive, "-C", to); out != "" {
		t.Errorf("tar says %s", out)
	}
	got := fstest.Run(t, "find", to, "-type", "f", "-printf", "%P %m %n %s %T@\n")
	lines := strings.Split(strings.TrimSpace(got), "\n")
	slices.Sort(lines)
	want := []string{
		"a/data 640 2 4 1.0000000050", "a/" + long + "/" + long + " 755 1 1000 8589934592.0000000000",
		"before 644 1 0 -2.2500000000", "link 640 2 4 1.0000000050",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("unpacked:\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	if link, err := os.Readlink(filepath.Join(to, "to")); err != nil || link != strings.Repeat("../", 300)+"x" {
		t.Errorf("the symlink leads to %q, %v", link, err)
	}
}

func TestRefused(t *testing.T) {
	for want, n := range map[string]*image.Node{
		"/x: is a socket; a tar archive holds none":                            image.NewSpecial(fs.ModeSocket|0o600, image.Dev{}),
		"/x: is the device 2097152:0; a tar archive counts to 2097151:2097151": image.NewSpecial(fs.ModeDevice|0o600, image.Dev{Major: 1 << 21}),
		"/x: extended attribute user.a=b: a tar archive has no = in a name":    {Xattrs: []image.Xattr{{Name: "user.a=b"}}, Data: image.Bytes("")},
		`/x: is a symlink to "", which is not a path`:                          image.NewSymlink(""),
	} {
		tree := image.NewTree()
		if err := tree.Put("/x", n); err != nil {
			t.Fatal(err)
		}
		if _, err := Layout(tree, Options{}); err == nil || err.Error() != want {
			t.Errorf("Layout = %v; want %s", err, want)
		}
	}
}

// TestMaxSize: an archive may have as many bytes as it is said, and not one more, holes and
// headers among them; nothing is read to find out.
func TestMaxSize(t *testing.T) {
	tree := image.NewTree()
	sparse := image.NewFile(0o644, image.Hole(16<<40))
	for path, n := range map[string]*image.Node{"/a": image.NewFile(0o644, image.Bytes("a")), "/sparse": sparse, "/again": sparse} {
		if err := tree.Put(path, n); err != nil {
			t.Fatal(err)
		}
	}
	m, err := Layout(tree, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for limit, want := range map[int64]string{
		m.Size(): "", m.Size() + 1: "", 0: "",
		m.Size() - 1: "/sparse", m.Size() - 512: "/sparse", m.Size() - 513: "/again", 16 << 40: "/again", 3000: "/again", 1500: "/a", 1: "/a",
	} {
		got, err := Layout(tree, Options{MaxSize: limit})
		var size *SizeError
		switch {
		case want == "" && (err != nil || got.Size() != m.Size()):
			t.Errorf("MaxSize %d: %v; want an archive", limit, err)
		case want != "" && (!errors.As(err, &size) || size.Path != want || size.Limit != limit):
			t.Errorf("MaxSize %d: %v; want a SizeError at %s", limit, err, want)
		}
	}
	var b image.Builder
	b.Add(1<<62, image.Bytes("x"), nil)
	huge, err := b.Map(1<<63 - 1)
	if err != nil {
		t.Fatal(err)
	}
	tree.Lookup("/a").Data = huge
	if _, err := Layout(tree, Options{}); err == nil {
		t.Error("an archive of more than 2^63 bytes is laid out")
	}
	// Paths are a part of it: each has all that lie above it.
	tree = image.NewTree()
	at := tree.Root
	for range image.MaxDepth {
		below := image.NewDir(0o755)
		if err := at.Add(strings.Repeat("d", 255), below); err != nil {
			t.Fatal(err)
		}
		at = below
	}
	if got := fstest.Allocated(func() { _, err = Layout(tree, Options{MaxSize: 1 << 20}) }); err == nil || got > 64<<20 {
		t.Errorf("paths of 512 MiB: %.200v, and %d bytes are allocated", err, got)
	}
}

// TestLeftOut: what an archive cannot hold is told, and everything else is in it.
func TestLeftOut(t *testing.T) {
	tree := image.NewTree()
	odd := image.NewFile(0o644, image.Bytes("data"))
	odd.Xattrs = []image.Xattr{{Name: "user.a=b", Value: []byte("no")}, {Name: "user.kept", Value: []byte("yes")}}
	for name, n := range map[string]*image.Node{
		"/run/socket": image.NewSpecial(fs.ModeSocket|0o600, image.Dev{}), "/device": image.NewSpecial(fs.ModeDevice, image.Dev{Minor: 1 << 21}),
		"/nowhere": image.NewSymlink(""), "/odd": odd, "/same": odd, "/file": image.NewFile(0o644, nil),
	} {
		if err := tree.Put(name, n); err != nil {
			t.Fatal(err)
		}
	}
	var said []string
	m, err := Layout(tree, Options{LeftOut: func(path string, why error) { said = append(said, path+": "+why.Error()) }})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"/device: is the device 0:2097152; a tar archive counts to 2097151:2097151",
		`/nowhere: is a symlink to "", which is not a path`,
		"/odd: extended attribute user.a=b: a tar archive has no = in a name",
		"/run/socket: is a socket; a tar archive holds none",
	}
	if !slices.Equal(said, want) {
		t.Errorf("left out:\n%s\nwant\n%s", strings.Join(said, "\n"), strings.Join(want, "\n"))
	}
	got := readBack(t, io.NewSectionReader(m, 0, m.Size()))
	for _, name := range []string{"/device", "/nowhere", "/run/socket"} {
		dir, base := filepath.Split(name)
		tree.Lookup(dir).Remove(base)
	}
	odd.Xattrs = odd.Xattrs[1:]
	fstest.Report(t, "the rest", fstest.Diff(tree, got, features))
}
