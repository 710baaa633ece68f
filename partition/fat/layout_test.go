package fat

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"ingot/image"
	"ingot/tests/fstest"
)

func TestCheck(t *testing.T) {
	ok := image.Exactly(1 << 20)
	for _, c := range []struct {
		fs   FileSystem
		v    image.Volume
		want string
	}{
		{FileSystem{}, image.Volume{}, "needs 65536 bytes, has 0"},
		{FileSystem{}, image.Volume{Size: image.Exactly(65535)}, "needs 65536 bytes, has 65535"},
		{FileSystem{}, image.Volume{Size: image.Exactly(2 << 40)}, "FAT reaches 2199023255040 with sectors of 512 bytes"},
		{FileSystem{}, image.Volume{Size: image.Fit(2 << 40)}, "FAT reaches 2199023255040"},
		{FileSystem{}, image.Volume{Size: image.Fit(-1)}, "must not be negative"},
		{FileSystem{Bits: 8}, image.Volume{Size: ok}, "FAT8: there are FAT12, FAT16 and FAT32"},
		{FileSystem{SectorSize: 600}, image.Volume{Size: ok}, "sectors of 600 bytes"},
		{FileSystem{SectorSize: 8192}, image.Volume{Size: ok}, "sectors of 8192 bytes"},
		{FileSystem{SectorsPerCluster: 3}, image.Volume{Size: ok}, "clusters of 3 sectors"},
		{FileSystem{SectorsPerCluster: 128}, image.Volume{Size: ok}, "at most 64 with sectors of 512 bytes"},
		{FileSystem{SectorsPerCluster: 16, SectorSize: 4096}, image.Volume{Size: ok}, "at most 8 with sectors of 4096 bytes"},
		{FileSystem{Bits: 32}, image.Volume{Size: image.Exactly(32 << 20)}, "FAT32 (65541 to 268435445 clusters"},
		{FileSystem{Bits: 32, SectorsPerCluster: 8}, image.Volume{Size: image.Exactly(256 << 20)}, "clusters of 8 sectors: needs 2"},
		{FileSystem{Bits: 16}, image.Volume{Size: image.Exactly(2 << 20)}, "needs 2"},
		{FileSystem{Bits: 12}, image.Volume{Size: image.Exactly(128 << 20)}, "it reaches 133"},
		{FileSystem{Bits: 16}, image.Volume{Size: image.Exactly(2 << 30)}, "it reaches 2146"},
		{FileSystem{}, image.Volume{Size: ok, Label: "TWELVE CHARS"}, "12 bytes long; FAT holds at most 11"},
		{FileSystem{}, image.Volume{Size: ok, Label: "a:b"}, "has ':'"},
		{FileSystem{}, image.Volume{Size: ok, Label: "é"}, "has 'é'"},
		{FileSystem{}, image.Volume{Size: ok, UUID: "1234"}, "of the form ABCD-1234"},
		{FileSystem{}, image.Volume{Size: ok, UUID: "0000-0000"}, "means none at all"},
	} {
		err := c.fs.Check(c.v)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%+v.Check(%+v) = %v; want %q", c.fs, c.v, err, c.want)
		}
		if _, err := c.fs.Layout(image.NewTree(), c.v); err == nil {
			t.Errorf("%+v.Layout(%+v) is accepted", c.fs, c.v)
		}
	}
	for _, c := range []struct {
		fs FileSystem
		v  image.Volume
	}{
		{FileSystem{}, image.Volume{Size: image.Fit(0)}},
		{FileSystem{}, image.Volume{Size: image.Exactly(65536), Label: "lower case", UUID: "abcd-ef01"}},
		{FileSystem{}, image.Volume{Size: image.Exactly(65536 + 511)}},
		{FileSystem{Bits: 32, SectorSize: 4096}, image.Volume{Size: image.Exactly(260 << 20)}},
	} {
		if err := c.fs.Check(c.v); err != nil {
			t.Errorf("%+v.Check(%+v) = %v", c.fs, c.v, err)
		}
	}
}

// TestCheckAgreesWithLayout: the sizes that Check lets pass for a forced type are
// those of which an empty volume can be made.
func TestCheckAgreesWithLayout(t *testing.T) {
	for _, fs := range every {
		for n := int64(64 << 10); n < 4<<30; n += n/37 + 300 {
			v := image.Volume{Size: image.Exactly(n)}
			err := fs.Check(v)
			_, laid := fs.Layout(image.NewTree(), v)
			if (err == nil) != (laid == nil) {
				t.Errorf("%+v, %d bytes: Check = %v, Layout = %v", fs, n, err, laid)
			}
		}
	}
}

func TestUUID(t *testing.T) {
	one, two := image.NewSeed([]byte("1")), image.NewSeed([]byte("2"))
	if a, b := (FileSystem{}).UUID(image.Volume{Seed: one}), (FileSystem{Bits: 32}).UUID(image.Volume{Seed: one}); a != b {
		t.Errorf("UUID = %s and %s of one seed", a, b)
	}
	if a, b := (FileSystem{}).UUID(image.Volume{Seed: one}), (FileSystem{}).UUID(image.Volume{Seed: two}); a == b {
		t.Errorf("UUID = %s of two seeds", a)
	}
	if got := (FileSystem{}).UUID(image.Volume{UUID: "abcd-ef01"}); got != "ABCD-EF01" {
		t.Errorf("UUID = %s; want ABCD-EF01", got)
	}
}

func TestRefusedTrees(t *testing.T) {
	for _, c := range []struct {
		path string
		node *image.Node
		want string
	}{
		{"/a/link", image.NewSymlink("x"), "/a/link: is a symlink; FAT holds only regular files and directories"},
		{"/a/null", image.NewSpecial(fs.ModeDevice|fs.ModeCharDevice, image.Dev{Major: 1, Minor: 3}), "/a/null: is a character device"},
		{"/a/store.squashfs", image.NewFile(0o644, image.Hole(4<<30)), "/a/store.squashfs: is 4294967296 bytes long; FAT holds files of at most 4294967295"},
		{"/a/b\xffc", image.NewFile(0o644, nil), `/a/b\xffc: the name is not valid UTF-8`},
		{"/a/b:c", image.NewFile(0o644, nil), "/a/b:c: the name has ':'"},
		{"/a/b.", image.NewDir(0o755), "/a/b.: the name ends with '.'"},
		{"/A", image.NewDir(0o755), `/a: and "A" beside it differ only in case`},
	} {
		tree := image.NewTree()
		put(t, tree, "/a/fine", nil)
		if err := tree.Put(c.path, c.node); err != nil {
			t.Fatal(err)
		}
		_, err := FileSystem{}.Layout(tree, image.Volume{Size: image.Fit(0)})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("Layout = %v; want %q", err, c.want)
		}
	}
}

// TestDoesNotFitAnySize: these errors are not about a size.
func TestDoesNotFitAnySize(t *testing.T) {
	large := image.NewTree()
	put(t, large, "/large", image.Hole(200<<20))
	_, err := FileSystem{Bits: 12}.Layout(large, image.Volume{Size: image.Fit(0)})
	want := "6400 clusters of 32768 bytes are needed; a FAT12 has at most 4068 of that size"
	if err == nil || err.Error() != want {
		t.Errorf("Layout = %v; want %s", err, want)
	}
	if small := (*image.TooSmallError)(nil); errors.As(err, &small) {
		t.Errorf("Layout = %v; want no TooSmallError", err)
	}
}

// many is a tree with n files in the root, each of which takes 2 entries.
func many(t *testing.T, n int) *image.Tree {
	tree := image.NewTree()
	for i := range n {
		put(t, tree, fmt.Sprintf("/f%06d.x", i), nil)
	}
	return tree
}

// TestRootDirectory grows the root directory of FAT12 and FAT16 by need, up to
// where only FAT32 has one that is large enough, and beyond.
func TestRootDirectory(t *testing.T) {
	for _, c := range []struct {
		files, bits, entries int
	}{
		{111, 12, 224}, {112, 12, 240}, {255, 16, 512}, {256, 16, 528}, {5_000, 12, 10_016}, {32_000, 16, 64_016}, {32_759, 16, 65_520},
	} {
		v := image.Volume{Size: image.Fit(0), Label: "LABEL"}
		m, err := FileSystem{Bits: c.bits}.Layout(many(t, c.files), v)
		if err != nil {
			t.Fatalf("FAT%d, %d files: %v", c.bits, c.files, err)
		}
		if got := int(le16(t, m, 17)); got != c.entries { // BPB_RootEntCnt
			t.Errorf("FAT%d, %d files: %d root entries; want %d", c.bits, c.files, got, c.entries)
		}
		checkMany(t, m, c.files)
	}
	_, err := FileSystem{Bits: 16}.Layout(many(t, 32_760), image.Volume{Size: image.Fit(0), Label: "LABEL"})
	if err == nil || !strings.Contains(err.Error(), "root directory needs 65521 entries") {
		t.Errorf("Layout of 65521 entries on FAT16 = %v", err)
	}
	m, err := FileSystem{}.Layout(many(t, 32_767), image.Volume{Size: image.Fit(0), Label: "LABEL"})
	if err != nil {
		t.Fatal(err)
	}
	checkMany(t, m, 32_767)
	_, err = FileSystem{}.Layout(many(t, 32_768), image.Volume{Size: image.Fit(0), Label: "LABEL"})
	if err == nil || !strings.Contains(err.Error(), "/: the directory needs 65537 entries") || !strings.Contains(err.Error(), "FAT holds 65536") {
		t.Errorf("Layout of 65537 entries = %v", err)
	}
}

// checkMany looks for n files with the own reader, and asks the judge where it can
// answer: fsck.fat compares each name with each other one.
func checkMany(t *testing.T, m *image.Map, n int) {
	t.Helper()
	got, err := readTree(m, m.Size())
	if err != nil {
		t.Fatal(err)
	}
	if found := len(got.Root.Entries()); found != n {
		t.Errorf("%d of %d files are there", found, n)
	}
	if n > 5_000 {
		return
	}
	img := filepath.Join(t.TempDir(), "img")
	if err := fstest.Write(m, img); err != nil {
		t.Fatal(err)
	}
	clean(t, img)
}

func le16(t *testing.T, m *image.Map, off int64) uint16 {
	t.Helper()
	var p [2]byte
	if _, err := m.ReadAt(p[:], off); err != nil {
		t.Fatal(err)
	}
	return binary.LittleEndian.Uint16(p[:])
}

// TestHardLinks are files of their own.
func TestHardLinks(t *testing.T) {
	tree, n := image.NewTree(), image.NewFile(0o644, fstest.Content(3, 5000))
	for _, path := range []string{"/A", "/B"} {
		if err := tree.Put(path, n); err != nil {
			t.Fatal(err)
		}
	}
	v := image.Volume{Size: image.Fit(0)}
	layout(t, FileSystem{SectorsPerCluster: 1}, tree, v)
	m, err := FileSystem{}.Layout(tree, v)
	if err != nil {
		t.Fatal(err)
	}
	got, err := readTree(m, m.Size())
	if err != nil {
		t.Fatal(err)
	}
	if a, b := got.Lookup("/A"), got.Lookup("/B"); a == b || a.Size() != 5000 || b.Size() != 5000 {
		t.Errorf("two links read back as %v and %v", a, b)
	}
}

// TestLazy: a large and nearly empty volume is a few extents, and little of it is
// not zero.
func TestLazy(t *testing.T) {
	m, err := FileSystem{}.Layout(esp(t), image.Volume{Label: "ESP", Size: image.Exactly(32 << 30)})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(m.Extents()); n > 20 {
		t.Errorf("%d extents; want at most 20", n)
	}
	if n := m.Allocated(4096); n > 300_000 {
		t.Errorf("%d bytes are allocated; want at most 300000", n)
	}
	if n := testing.AllocsPerRun(1, func() {
		if _, err := (FileSystem{}).Layout(image.NewTree(), image.Volume{Size: image.Exactly(32 << 30)}); err != nil {
			t.Error(err)
		}
	}); n > 500 {
		t.Errorf("%v allocations for an empty volume; want at most 500", n)
	}
}

// TestContentsCanBeCloned: with clusters of 4 KiB or more, files begin at a
// multiple of 4 KiB and are in one piece, in the order of their paths.
func TestContentsCanBeCloned(t *testing.T) {
	tree := image.NewTree()
	for i := range 50 {
		put(t, tree, fmt.Sprintf("/d%d/f%02d", i/10, i), fstest.Content(uint64(i), int64(1+i*1111)))
	}
	for _, size := range []int64{17 << 20, 100 << 20, 1 << 30} {
		m, err := FileSystem{}.Layout(tree, image.Volume{Size: image.Exactly(size)})
		if err != nil {
			t.Fatal(err)
		}
		var last string
		files := 0
		for _, e := range m.Extents() {
			path := e.Owner.String()
			if !strings.Contains(path, "/f") {
				continue
			}
			files++
			if e.Off%4096 != 0 || path <= last || e.Len != tree.Lookup(path).Size() {
				t.Errorf("%d bytes: %s lies at %d, after %s", size, path, e.Off, last)
			}
			last = path
		}
		if files != 50 {
			t.Errorf("%d bytes: %d extents of files; want 50", size, files)
		}
	}
}

// TestTableReads reads the tables in random pieces: a Computed Blob must not depend
// on where it is cut.
func TestTableReads(t *testing.T) {
	tree := image.NewTree()
	for i := range 200 {
		put(t, tree, fmt.Sprintf("/f%03d", i), image.Hole(int64(i*i*3)))
	}
	random := rand.New(rand.NewPCG(1, 2))
	for _, bits := range []int{12, 16, 32} {
		m, err := FileSystem{Bits: bits}.Layout(tree, image.Volume{Size: image.Fit(0)})
		if err != nil {
			t.Fatal(err)
		}
		whole := make([]byte, 20_000)
		if _, err := m.ReadAt(whole, 0); err != nil {
			t.Fatal(err)
		}
		for range 2_000 {
			off := random.IntN(len(whole))
			p := make([]byte, random.IntN(min(300, len(whole)-off))+1)
			if _, err := m.ReadAt(p, int64(off)); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(p, whole[off:off+len(p)]) {
				t.Fatalf("FAT%d: bytes [%d, %d) depend on how they are read", bits, off, off+len(p))
			}
		}
	}
}

func TestTailOfASectorIsLeft(t *testing.T) {
	img := layout(t, FileSystem{}, esp(t), image.Volume{Size: image.Exactly(1<<20 + 333)})
	if out := mtools(t, "minfo", "-i", img, "::"); !strings.Contains(out, "small size: 2048 sectors\n") {
		t.Errorf("minfo: %s", out)
	}
}
