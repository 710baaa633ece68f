package erofs

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/image"
	"ingot/partition/volume"
	"ingot/tests/fstest"
)

// put puts nodes into a new tree.
func put(t testing.TB, nodes map[string]*image.Node) *image.Tree {
	t.Helper()
	tree := image.NewTree()
	for path, n := range nodes {
		must(t, tree.Put(path, n))
	}
	return tree
}

func reopen(t testing.TB, m *image.Map) *Reader {
	t.Helper()
	r, err := Open(m, m.Size())
	must(t, err)
	return r
}

// extracted is what fsck.erofs 1.5 makes of the files of a volume for an ordinary user.
var extracted = fstest.Features{MaxSymlink: volume.MaxSymlink, Time: func(image.Time) image.Time { return image.Time{} }}

// TestExtract has fsck.erofs write the files of a volume into a folder, whoever runs the
// test: names, targets and contents around every size at which something is stored in
// another way.
func TestExtract(t *testing.T) {
	tree := image.NewTree()
	for _, n := range []int64{0, 1, inlineFile - 1, inlineFile, inlineFile + 1, blockSize - compactSize, blockSize - 1, blockSize, blockSize + 1, 5 * blockSize} {
		for i := range 7 {
			must(t, tree.Put(fmt.Sprintf("/sizes/%d/%d", n, i), image.NewFile(0o644, fstest.Content(uint64(n), n))))
		}
	}
	for n := 1; n <= volume.MaxSymlink; n += 1 + n/20 {
		must(t, tree.Put(fmt.Sprintf("/links/%04d", n), image.NewSymlink(strings.Repeat("x", n))))
	}
	must(t, tree.Put("/links/longest", image.NewSymlink(strings.Repeat("y", volume.MaxSymlink))))
	for n := 1; n < 700; n += 13 {
		for i := range n {
			must(t, tree.Put(fmt.Sprintf("/dirs/%d/%0*d", n, 1+n%40, i), image.NewFile(0o644, nil)))
		}
	}
	for _, name := range []string{"!", "-", "...", ".a", "..a", "/", "0", "~", "\xff"} {
		if name != "/" {
			must(t, tree.Put("/around/"+name, image.NewFile(0o644, nil)))
		}
	}
	dir := filepath.Join(t.TempDir(), "out")
	out := fstest.Run(t, fstest.Judge(t, "fsck.erofs", "erofs-utils"), "--no-preserve", "--extract="+dir, write(t, layout(t, tree, image.Volume{})))
	if strings.Contains(out, "rror") {
		t.Errorf("fsck.erofs: %s", out)
	}
	fstest.Report(t, "extracted", fstest.Diff(tree, fstest.HostTree(t, dir), extracted))
}

// TestForeign reads what mkfs.erofs makes of a folder, with attributes that it shares.
func TestForeign(t *testing.T) {
	const id = "eb176051-bd15-49b7-9e6b-462e0b467019"
	dir := filepath.Join(t.TempDir(), "root")
	must(t, os.MkdirAll(dir, 0o755))
	tree := image.NewTree()
	for i, n := range []int64{0, 1, 100, 4000, 4095, 4096, 4097, 10000, 1 << 20} {
		for j := range 5 {
			f := image.NewFile(0o640, fstest.Content(uint64(i), n))
			f.Xattrs = []image.Xattr{{Name: "user.shared", Value: bytes.Repeat([]byte("s"), 50)}, {Name: fmt.Sprint("user.", i, j), Value: []byte("own")}}
			must(t, tree.Put(fmt.Sprintf("/d%d/%d", j, n), f))
		}
	}
	must(t, tree.Put("/link", image.NewSymlink("target")))
	must(t, tree.Put("/again", tree.Lookup("/d0/100")))
	for i := range 500 {
		must(t, tree.Put(fmt.Sprintf("/many/entry-%05d", i), image.NewFile(0o644, nil)))
	}
	fstest.Populate(t, tree, dir)
	want := fstest.HostTree(t, dir)
	for _, args := range [][]string{{"-x2"}, {"-x1000"}, {"-Eforce-inode-compact", "-T7"}, {"-Enoinline_data"}} {
		img := filepath.Join(t.TempDir(), "img")
		fstest.Run(t, fstest.Judge(t, "mkfs.erofs", "erofs-utils"), append(args, "--quiet", "-U"+id, img, dir)...)
		file, err := image.NewHostFile(img)
		must(t, err)
		r, err := Open(file, file.Size())
		must(t, err)
		got, err := r.Tree()
		must(t, err)
		f := features
		if args[0] == "-Eforce-inode-compact" {
			f.Time = func(image.Time) image.Time { return image.Time{Sec: 7} }
		}
		fstest.Report(t, strings.Join(args, " "), fstest.Diff(want, got, f))
		if r.UUID() != id || r.Size() > file.Size() {
			t.Errorf("mkfs.erofs %v: UUID %s, %d bytes", args, r.UUID(), r.Size())
		}
	}
}

// TestSuperblock has dump.erofs say what a volume says of itself.
func TestSuperblock(t *testing.T) {
	o := image.Volume{Label: "nix-store", UUID: "eb176051-bd15-49b7-9e6b-462e0b467019"}
	m := layout(t, put(t, map[string]*image.Node{"/a": image.NewFile(0o644, image.Bytes("a")), "/b/c": image.NewSymlink("x")}), o)
	r := reopen(t, m)
	if r.Label() != o.Label || r.UUID() != o.UUID || r.Time() != image.Epoch || r.Size() != m.Size() || r.Files() != 4 {
		t.Errorf("read back %q, %q, %v, %d bytes, %d files", r.Label(), r.UUID(), r.Time(), r.Size(), r.Files())
	}
	out := fstest.Run(t, fstest.Judge(t, "dump.erofs", "erofs-utils"), "-s", write(t, m))
	for _, want := range []string{"0xE0F5E1E2", o.UUID, "Thu Jan  1 00:00:01 1970", "sb_csum mtime"} {
		if !strings.Contains(out, want) {
			t.Errorf("dump.erofs: no %q in\n%s", want, out)
		}
	}
}

// TestPlaces says where things lie: file data at a block unless it is small, in the order
// of the paths, none of it in the first block; and an inode crosses no block with what
// follows it.
func TestPlaces(t *testing.T) {
	tree := everythingSmall(t)
	w := &writer{}
	must(t, w.scan(tree))
	must(t, w.place(tree))
	compact := 0
	for _, n := range w.inodes {
		end := n.pos + n.head() + n.inline
		if n.pos/blockSize != (end-1)/blockSize && (n.head() <= blockSize || n.inline > 0) {
			t.Errorf("%s stands at bytes %d to %d, across a block", n.path(), n.pos, end)
		}
		if n.inline > 0 && n.inline%blockSize != n.size%blockSize {
			t.Errorf("%s: %d bytes of %d follow the inode", n.path(), n.inline, n.size)
		}
		if n.Mode.IsRegular() && n.inline > 0 && (n.pos < blockSize || n.inline != n.size) {
			t.Errorf("%s: %d of its %d bytes stand behind the inode at %d", n.path(), n.inline, n.size, n.pos)
		}
		if !n.extended {
			compact++
		}
	}
	if compact == 0 || compact == len(w.inodes) {
		t.Errorf("%d of %d inodes are compact; want both kinds", compact, len(w.inodes))
	}
	last := int64(0)
	for _, e := range layout(t, tree, image.Volume{}).Extents() {
		if e.Len > inlineFile && e.Off%blockSize != 0 && e.Owner != metadataOwner {
			t.Errorf("%s begins at byte %d", e.Owner, e.Off)
		}
		if e.Off < last {
			t.Errorf("%s stands before byte %d", e.Owner, last)
		}
		last = e.End()
	}
}

// everythingSmall is the boundary trees that are not slow.
func everythingSmall(t testing.TB) *image.Tree {
	t.Helper()
	all := image.NewTree()
	for _, c := range fstest.Boundaries(features) {
		if !c.Slow {
			must(t, all.Put("/"+c.Name, c.Tree().Root))
		}
	}
	return all
}

// TestUnread lays out files that nobody can read: no byte of theirs is asked for.
func TestUnread(t *testing.T) {
	tree := image.NewTree()
	for i := range 10 {
		data := image.Computed(int64(500*i+1), func([]byte, int64) error { return fs.ErrPermission })
		must(t, tree.Put(fmt.Sprint("/", i), image.NewFile(0o644, data)))
	}
	layout(t, tree, image.Volume{})
}

// TestRefusals names what cannot be, the number, and the limit.
func TestRefusals(t *testing.T) {
	dir := image.NewDir(0o755)
	with := func(name string, value int) *image.Node {
		n := image.NewFile(0o644, nil)
		n.Xattrs = []image.Xattr{{Name: name, Value: make([]byte, value)}}
		return n
	}
	names, many, twice, late := image.NewFile(0o644, nil), image.NewFile(0o644, nil), with("user.a", 1), image.NewFile(0o644, nil)
	for i := range 5 {
		many.Xattrs = append(many.Xattrs, image.Xattr{Name: fmt.Sprint("user.", i), Value: make([]byte, 60000)})
	}
	for i := range 257 {
		names.Xattrs = append(names.Xattrs, image.Xattr{Name: fmt.Sprintf("user.%0250d", i)})
	}
	twice.Xattrs = append(twice.Xattrs, twice.Xattrs...)
	late.Mtime.Nsec = 1e9
	for _, x := range []struct {
		nodes map[string]*image.Node
		o     image.Volume
		want  string
	}{
		{nil, image.Volume{Label: strings.Repeat("x", 16)}, "16 bytes long; EROFS holds at most 15"},
		{nil, image.Volume{UUID: "x"}, `uuid "x" is not of the form`},
		{map[string]*image.Node{"/d/" + strings.Repeat("n", 256): dir}, image.Volume{}, "is 256 bytes long; Linux allows 255"},
		{map[string]*image.Node{"/d/late": late}, image.Volume{}, "/d/late: the modification time has 1000000000 nanoseconds"},
		{map[string]*image.Node{"/huge": image.NewFile(0o644, image.Hole(16<<40))}, image.Volume{}, "/huge: the files up to this one take"},
		{map[string]*image.Node{"/a": dir, "/b": dir}, image.Volume{}, "/b: is a directory in two places"},
		{map[string]*image.Node{"/null": image.NewSpecial(fs.ModeDevice, image.Dev{Major: 4096})}, image.Volume{}, "/null: the device number is 4096:0; Linux allows up to 4095:1048575"},
		{map[string]*image.Node{"/x": with("system.nfs4_acl", 1)}, image.Volume{}, `/x: extended attribute "system.nfs4_acl": the name must begin with user.`},
		{map[string]*image.Node{"/x": with("user.", 1)}, image.Volume{}, "the name ends with its prefix"},
		{map[string]*image.Node{"/x": with("user."+strings.Repeat("n", 251), 1)}, image.Volume{}, "the name is 256 bytes long; Linux allows 255"},
		{map[string]*image.Node{"/x": names}, image.Volume{}, "/x: the names of the extended attributes take 65792 bytes; Linux lists at most 65536"},
		{map[string]*image.Node{"/x": with("user.v", 65536)}, image.Volume{}, "the value is 65536 bytes long; EROFS allows 65535"},
		{map[string]*image.Node{"/x": twice}, image.Volume{}, `"user.a": is given twice`},
		{map[string]*image.Node{"/x": many}, image.Volume{}, "bytes; EROFS allows 262148"},
	} {
		x.o.Size = image.Fit(0)
		_, err := FileSystem{}.Layout(put(t, x.nodes), x.o)
		if err == nil || !strings.Contains(err.Error(), x.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("Layout() = %v; want %q", err, x.want)
		}
	}
}
