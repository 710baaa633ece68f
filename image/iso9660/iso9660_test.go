package iso9660

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/image"
	"ingot/tests/fstest"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// put puts nodes into a new tree.
func put(t testing.TB, nodes map[string]*image.Node) *image.Tree {
	t.Helper()
	tree := image.NewTree()
	for path, n := range nodes {
		must(t, tree.Put(path, n))
	}
	return tree
}

func newImage(t testing.TB, tree *image.Tree, o Options) *Image {
	t.Helper()
	img, err := New(tree, o)
	must(t, err)
	return img
}

func write(t testing.TB, m *image.Map) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "iso")
	must(t, fstest.Write(m, path))
	return path
}

func reopen(t testing.TB, m *image.Map) *Reader {
	t.Helper()
	r, err := Open(m, m.Size())
	must(t, err)
	return r
}

func reread(t testing.TB, m *image.Map) *image.Tree {
	t.Helper()
	tree, err := reopen(t, m).Tree()
	must(t, err)
	return tree
}

// TestSymlinks reads back targets of every length, made of components around the size
// that an SL entry holds.
func TestSymlinks(t *testing.T) {
	tree := image.NewTree()
	for n := 1; n <= maxSymlink; n += 1 + n/100 {
		for _, part := range []int{1, 7, 100, 246, 247, 248, 249, 250, 251, maxSymlink} {
			b := bytes.Repeat([]byte("x"), n)
			for i := part; i < n; i += part + 1 {
				b[i] = '/'
			}
			must(t, tree.Put(fmt.Sprintf("/%d/%d", part, n), image.NewSymlink(string(b))))
		}
	}
	for i, to := range []string{"/", "//", "///a//", "a/", "./.", "../..", "/..", "a/./b", ".a", "..a", "...", strings.Repeat("/", maxSymlink), strings.Repeat("../", 1365)} {
		must(t, tree.Put(fmt.Sprint("/odd/", i), image.NewSymlink(to)))
	}
	must(t, tree.Put("/longest", image.NewSymlink(strings.Repeat("y", maxSymlink))))
	f := features
	f.MaxSymlink = maxSymlink
	fstest.Report(t, "read back", fstest.Diff(tree, reread(t, newImage(t, tree, Options{}).Map), f))
}

// TestEntriesSplit has every length of name beside every length of target around what
// a record holds: entries move to continuation areas, which cross no block.
func TestEntriesSplit(t *testing.T) {
	tree := image.NewTree()
	for n := 60; n <= LinuxName; n++ {
		dir, err := tree.MakeDirs(fmt.Sprintf("/d%d", n))
		must(t, err)
		for i, target := range []int{1, n / 2, n, 500, 1000} {
			must(t, dir.Add(strings.Repeat("n", n-1)+string(rune('a'+i)), image.NewSymlink(strings.Repeat("t", target))))
		}
	}
	m := newImage(t, tree, Options{}).Map
	fstest.Report(t, "read back", fstest.Diff(tree, reread(t, m), features))
	clean(t, write(t, m))
	w := &walk{Reader: reopen(t, m), budget: 1 << 40}
	areas := 0
	for block := int64(firstDescriptor); block < m.Size()/blockSize; block++ {
		b, err := w.read(uint32(block), 0, blockSize)
		must(t, err)
		for i := 0; i+ceSize <= len(b); i++ {
			if !bytes.Equal(b[i:i+4], []byte{'C', 'E', ceSize, suspVersion}) {
				continue
			}
			areas++
			off, size := le32(b[i+12:]), le32(b[i+20:])
			if off+size > blockSize {
				t.Fatalf("the continuation area of %d bytes at %d crosses a block", size, off)
			}
		}
	}
	if areas == 0 {
		t.Error("there are no continuation areas; want some")
	}
}

func le32(b []byte) uint32 {
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}

// TestDeep moves directories out of their places, several times over, and keeps out of
// the way of what is called rr_moved already.
func TestDeep(t *testing.T) {
	tree := put(t, map[string]*image.Node{
		"/rr_moved/mine":  image.NewFile(0o644, image.Bytes("mine")),
		"/rr_moved1/mine": image.NewFile(0o644, image.Bytes("too")),
	})
	path := ""
	for i := range 40 {
		path += "/level"
		for _, sub := range []string{"same", fmt.Sprint("other", i)} {
			must(t, tree.Put(path+"/"+sub+"/file", image.NewFile(0o644, image.Bytes(fmt.Sprint(i, sub)))))
		}
	}
	m := newImage(t, tree, Options{}).Map
	fstest.Report(t, "read back", fstest.Diff(tree, reread(t, m), features))
	img := write(t, m)
	clean(t, img)
	out := fstest.Run(t, fstest.Judge(t, "xorriso", "xorriso"), "-report_about", "WARNING", "-osirrox", "on", "-indev", img, "-extract", path+"/same/file", filepath.Join(t.TempDir(), "got"))
	if strings.Contains(out, "SORRY") {
		t.Errorf("xorriso -extract: %s", out)
	}
	for _, d := range planned(t, tree).dirs {
		depth := 1
		for at := d; at.at != at; at = at.at {
			depth++
		}
		if depth > maxLevel {
			t.Errorf("%s lies on level %d; want at most %d", d.owner, depth, maxLevel)
		}
	}
}

func planned(t testing.TB, tree *image.Tree) *hierarchy {
	t.Helper()
	h, err := newPlan().primary(tree)
	must(t, err)
	return h
}

// TestIdentifiers checks what Rock Ridge hides: that identifiers have the characters
// and lengths of level 3, differ, and stand in order.
func TestIdentifiers(t *testing.T) {
	tree := image.NewTree()
	for i, n := range []string{"a", "A", "a.", "a.b", "A.B", "a.b.c", ".a", "...", "ä", "ö", "a b", "a_b", "x.longextension1", "x.longextension2", "a-b", "a+b"} {
		must(t, tree.Root.Add(n, image.NewFile(0o644, image.Bytes(fmt.Sprint(i)))))
		must(t, tree.Put("/dir/"+n, image.NewDir(0o755)))
	}
	for i := range 1200 {
		must(t, tree.Put(fmt.Sprintf("/many/%s%d.tar.gz", strings.Repeat("long", 10), i), image.NewFile(0o644, nil)))
	}
	for _, d := range planned(t, tree).dirs {
		last := ""
		for _, r := range d.records {
			base, extension, _ := strings.Cut(r.id, ".")
			if r.id <= last || len(base)+len(extension) > maxIdentifier || base == "" ||
				strings.Trim(base+extension, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" || r.dir != nil && extension != "" {
				t.Errorf("%s/: the identifier of %q is %q, after %q", d.owner, r.name, r.id, last)
			}
			last = r.id
		}
	}
	fstest.Report(t, "read back", fstest.Diff(tree, reread(t, newImage(t, tree, Options{}).Map), features))
}

// TestJoliet has isoinfo read the second hierarchy.
func TestJoliet(t *testing.T) {
	tree := put(t, map[string]*image.Node{
		"/dir/Ünïcode name.txt":                image.NewFile(0o644, image.Bytes("content of one\n")),
		"/dir/link":                            image.NewSymlink("x"),
		"/a*b?.txt":                            image.NewFile(0o644, nil),
		"/a;b:.txt":                            image.NewFile(0o644, nil),
		"/😀":                                   image.NewFile(0o644, nil),
		"/1/2/3/4/5/6/7/8/9/10":                image.NewFile(0o644, image.Bytes("deep\n")),
		"/" + strings.Repeat("é", 90) + ".txt": image.NewFile(0o644, nil),
	})
	o := Options{VolumeID: "JOLIET", Joliet: true}
	m := newImage(t, tree, o).Map
	fstest.Report(t, "read back", fstest.Diff(tree, reread(t, m), features))
	img := write(t, m)
	clean(t, img)
	isoinfo := fstest.Judge(t, "isoinfo", "genisoimage")
	got := fstest.Run(t, isoinfo, "-J", "-j", "cp437", "-f", "-i", img)
	for _, want := range []string{"/dir/\x9an\x8bcode name.txt\n", "/a_b_.txt\n", "/a_b__1.txt\n", "/_\n", "/1/2/3/4/5/6/7/8/9/10\n", "/" + strings.Repeat("\x82", 59) + ".txt\n"} {
		if !strings.Contains(strings.ReplaceAll(got, ";1", "")+"\n", want) {
			t.Errorf("isoinfo -J shows %q; want %q in it", got, want)
		}
	}
	if strings.Contains(got, "link") {
		t.Errorf("isoinfo -J shows the symlink: %q", got)
	}
	if got := fstest.Run(t, isoinfo, "-J", "-x", "/1/2/3/4/5/6/7/8/9/10;1", "-i", img); got != "deep\n" {
		t.Errorf("isoinfo -J -x = %q; want the content", got)
	}
}

// TestDescriptor has isoinfo read what a volume says of itself.
func TestDescriptor(t *testing.T) {
	o := Options{VolumeID: "nixos-23.11", Publisher: "The Publisher", Application: "An App", UUID: "1995-03-02-11-22-33-44"}
	img := newImage(t, image.NewTree(), o)
	r := reopen(t, img.Map)
	if r.VolumeID() != o.VolumeID || r.Publisher() != o.Publisher || r.Application() != o.Application || r.UUID() != o.UUID || img.UUID != o.UUID || r.Size() != img.Map.Size() || r.Reading() != RockRidge {
		t.Errorf("read back %q, %q, %q, %q, %d bytes", r.VolumeID(), r.Publisher(), r.Application(), r.UUID(), r.Size())
	}
	out := fstest.Run(t, fstest.Judge(t, "isoinfo", "genisoimage"), "-d", "-i", write(t, img.Map))
	for _, want := range []string{"Volume id: nixos-23.11\n", "Publisher id: The Publisher\n", "Application id: An App\n", fmt.Sprintf("Volume size is: %d\n", img.Map.Size()/blockSize), "Rock Ridge signatures version 1 found"} {
		if !strings.Contains(out, want) {
			t.Errorf("isoinfo -d: no %q in\n%s", want, out)
		}
	}
}

// TestUUID derives one from the seed, which blkid takes for a date.
func TestUUID(t *testing.T) {
	a, b := Options{Seed: image.NewSeed([]byte("a"))}, Options{Seed: image.NewSeed([]byte("b"))}
	if a.VolumeUUID() == b.VolumeUUID() {
		t.Errorf("two seeds have the UUID %s", a.VolumeUUID())
	}
	for _, o := range []Options{a, b} {
		if err := checkUUID(o.VolumeUUID()); err != nil {
			t.Error(err)
		}
	}
}

// TestAlignment says where data begins: every file at a block, what is worth cloning at
// a multiple of 4 KiB, in the order of the paths, with one place for all names of a file.
func TestAlignment(t *testing.T) {
	tree := image.NewTree()
	for i := range 50 {
		must(t, tree.Put(fmt.Sprintf("/%02d/small", i), image.NewFile(0o644, fstest.Content(uint64(i), int64(1+i*1000)))))
		must(t, tree.Put(fmt.Sprintf("/%02d/large", i), image.NewFile(0o644, fstest.Content(uint64(i), int64(cloneFrom+i*1000)))))
	}
	must(t, tree.Put("/99/same", tree.Lookup("/00/large")))
	last := ""
	for _, e := range newImage(t, tree, Options{}).Map.Extents() {
		owner := e.Owner.String()
		switch {
		case strings.HasSuffix(owner, "/large") && e.Off%cloneAlign != 0, e.Off%blockSize != 0:
			t.Errorf("%s begins at byte %d", owner, e.Off)
		case owner == "/99/same":
			t.Error("a file with two names is there twice")
		}
		if strings.HasSuffix(owner, "/large") || strings.HasSuffix(owner, "/small") {
			if owner <= last {
				t.Errorf("%s stands after %s", owner, last)
			}
			last = owner
		}
	}
}

// TestLargeFile has one of 5 GiB, sparse, which takes two sections, and which xorriso
// gives back whole.
func TestLargeFile(t *testing.T) {
	const size = 5<<30 + 1
	data := fstest.Sparse(7, size, [2]int64{0, 10}, [2]int64{maxSection - 5, 10}, [2]int64{4<<30 - 5, 10}, [2]int64{size - 1, 1})
	tree := put(t, map[string]*image.Node{"/five": image.NewFile(0o644, data), "/next": image.NewFile(0o644, image.Bytes("next"))})
	m := newImage(t, tree, Options{}).Map
	if n := m.Allocated(4096); n > 1<<20 {
		t.Errorf("the volume takes %d bytes; its holes shall take none", n)
	}
	fstest.Report(t, "read back", fstest.Diff(tree, reread(t, m), features))
	if testing.Short() {
		return
	}
	dir := t.TempDir()
	img, got := filepath.Join(dir, "iso"), filepath.Join(dir, "got")
	must(t, fstest.Write(m, img))
	clean(t, img)
	fstest.Run(t, fstest.Judge(t, "xorriso", "xorriso"), "-report_about", "WARNING", "-osirrox", "on:sparse=64k", "-indev", "stdio:"+img, "-extract", "/five", got)
	f, err := os.Open(got)
	must(t, err)
	defer f.Close()
	if st, err := f.Stat(); err != nil || st.Size() != size {
		t.Fatalf("xorriso extracts a file of %v bytes, %v; want %d", st.Size(), err, int64(size))
	}
	for _, at := range []int64{0, maxSection - 8, 4<<30 - 8, size - 16} {
		w, g := make([]byte, 16), make([]byte, 16)
		_, err1 := data.(*image.Map).ReadAt(w, at)
		_, err2 := f.ReadAt(g, at)
		if err1 != nil || err2 != nil || !bytes.Equal(w, g) {
			t.Errorf("xorriso reads % x at %d; want % x (%v, %v)", g, at, w, err1, err2)
		}
	}
}

// TestRefusals names what cannot be, the number, and the limit.
func TestRefusals(t *testing.T) {
	dir := image.NewDir(0o755)
	twice := put(t, map[string]*image.Node{"/a": dir, "/b": dir})
	many := image.NewTree()
	for i := range 30 {
		must(t, many.Put(fmt.Sprintf("/many/%02d", i), image.NewFile(0o644, image.Hole(maxSections*maxSection))))
	}
	late := image.NewFile(0o644, nil)
	late.Mtime.Sec = lastTime + 1
	for _, x := range []struct {
		tree *image.Tree
		o    Options
		want string
	}{
		{image.NewTree(), Options{VolumeID: strings.Repeat("x", 33)}, "33 bytes long; ISO 9660 holds at most 32"},
		{image.NewTree(), Options{VolumeID: "MY DISK"}, `volume id "MY DISK": has ' '`},
		{image.NewTree(), Options{Publisher: strings.Repeat("x", 129)}, "129 bytes long; ISO 9660 holds at most 128"},
		{image.NewTree(), Options{Application: "ü"}, `application "ü": has 'ü'`},
		{image.NewTree(), Options{UUID: "x"}, "a date of the form 1995-03-02-11-22-33-00"},
		{image.NewTree(), Options{Tail: -1}, "a tail of -1 bytes"},
		{image.NewTree(), Options{Time: image.Time{Sec: firstTime - 1}}, "volume: time of -2208988801 seconds"},
		{image.NewTree(), Options{Boot: []Boot{{}}}, "boot image 1 (BIOS): is missing"},
		{image.NewTree(), Options{Boot: []Boot{{Platform: UEFI, Path: "/efi.img"}}}, "boot image 1 (UEFI): /efi.img is missing in the tree"},
		{image.NewTree(), Options{Boot: []Boot{{Image: image.Hole(33554433)}}}, "is 33554433 bytes long; El Torito loads 33553920 at most"},
		{image.NewTree(), Options{Boot: []Boot{{Image: image.Hole(63), InfoTable: true}}}, "is 63 bytes long; it must have 64 at least"},
		{image.NewTree(), Options{Boot: []Boot{{Image: image.Hole(64), LoadSectors: 65536}}}, "65536 sectors to load; El Torito counts 0 to 65535"},
		{put(t, map[string]*image.Node{"/d/" + strings.Repeat("n", 254): image.NewFile(0o644, nil)}), Options{}, "name of 254 bytes; of a name in Rock Ridge, Linux shows at most 253"},
		{put(t, map[string]*image.Node{"/" + strings.Repeat("n", 255) + "/d": image.NewFile(0o644, nil)}), Options{Joliet: true}, "name of 255 bytes; of a name in Rock Ridge, Linux shows at most 253"},
		{put(t, map[string]*image.Node{"/l": image.NewSymlink(strings.Repeat("n", 4096))}), Options{}, "/l: symlink to 4096 bytes; a target has 1 to 4095"},
		{put(t, map[string]*image.Node{"/f": image.NewFile(0o644, image.Hole(maxSections*maxSection+1))}), Options{}, "/f: file of 429496524801 bytes; Linux reads at most 429496524800 from ISO 9660, which are 100 sections"},
		{put(t, map[string]*image.Node{"/d": image.NewSpecial(os.ModeDevice|0o600, image.Dev{Minor: 256})}), Options{}, "/d: device 0:256; Linux misreads devices of major number 0 from ISO 9660 whose minor one is above 255"},
		{put(t, map[string]*image.Node{"/d": image.NewSpecial(os.ModeDevice|0o600, image.Dev{Major: 4096})}), Options{}, "/d: device 4096:0; Linux has numbers up to 4095:1048575"},
		{put(t, map[string]*image.Node{"/d/late": late}), Options{}, "/d/late: time of 5869584000 seconds"},
		{many, Options{}, "/many/20: the files up to this one take"},
		{twice, Options{}, "/b: is a directory that stands in two places"},
	} {
		_, err := New(x.tree, x.o)
		if err == nil || !strings.Contains(err.Error(), x.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("New() = %v; want %q", err, x.want)
		}
	}
}
