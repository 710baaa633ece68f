package fat

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"ingot/image"
	"ingot/tests/fstest"
)

// every is file systems of all types and sizes of sectors and clusters.
var every = []FileSystem{
	{}, {Removable: true}, {Bits: 12}, {Bits: 16}, {Bits: 32, HiddenSectors: 2048},
	{SectorSize: 1024}, {SectorSize: 2048, Bits: 16}, {SectorSize: 4096}, {SectorSize: 4096, Bits: 32},
	{SectorsPerCluster: 1}, {SectorsPerCluster: 8}, {SectorsPerCluster: 64}, {SectorsPerCluster: 4, Bits: 16},
}

// TestEachKind puts random trees into random volumes: fitted ones, and ones that
// are larger by some chance.
func TestEachKind(t *testing.T) {
	small := features
	small.MaxFile = 40_000 // leaves room in the 2 MiB of the smallest clusters of FAT12
	trees := fstest.Trees(small)
	img := filepath.Join(t.TempDir(), "img")
	rapid.Check(t, func(t *rapid.T) {
		fs := rapid.SampledFrom(every).Draw(t, "file system")
		tree := trees.Draw(t, "tree")
		v := image.Volume{Label: rapid.SampledFrom([]string{"", "LABEL"}).Draw(t, "label"), Seed: image.NewSeed(nil)}
		v.Size = image.Fit(rapid.SampledFrom([]int64{0, 1, 512, 70_000}).Draw(t, "free"))
		m, err := fs.Layout(tree, v)
		if err != nil {
			t.Fatalf("%+v.Layout: %v", fs, err)
		}
		accept(t, fs, v, m, tree, img)

		v.Size = image.Exactly(m.Size() + rapid.OneOf(rapid.Int64Range(0, 3_000), rapid.Int64Range(0, 2<<20)).Draw(t, "more"))
		larger, err := fs.Layout(tree, v)
		if err != nil {
			t.Fatalf("%+v.Layout of %d bytes, %d more than fit: %v", fs, v.Size.Bytes, v.Size.Bytes-m.Size(), err)
		}
		accept(t, fs, v, larger, tree, img)
	})
}

// accept asks the judge, and the reader.
func accept(t fstest.T, fs FileSystem, v image.Volume, m *image.Map, tree *image.Tree, img string) {
	t.Helper()
	if v.Size.Fit == false && m.Size() != v.Size.Bytes {
		t.Fatalf("%+v.Layout: %d bytes; want %d", fs, m.Size(), v.Size.Bytes)
	}
	if err := fstest.Write(m, img); err != nil {
		t.Fatalf("%v", err)
	}
	defer os.Remove(img)
	clean(t, img)
	r, err := Open(m, m.Size())
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	if fs.Bits != 0 && r.Bits() != fs.Bits || bitsFor(r.Clusters()) != r.Bits() {
		t.Fatalf("Bits() = %d with %d clusters; want %d", r.Bits(), r.Clusters(), fs.Bits)
	}
	if n := int64(fs.SectorsPerCluster) * fs.sectorSize(); n != 0 && r.ClusterSize() != n {
		t.Fatalf("ClusterSize() = %d; want %d", r.ClusterSize(), n)
	}
	if r.Label() != v.Label || r.UUID() != fs.UUID(v) {
		t.Fatalf("Label(), UUID() = %q, %q; want %q, %q", r.Label(), r.UUID(), v.Label, fs.UUID(v))
	}
	got, err := r.Tree()
	if err != nil {
		t.Fatalf("Tree: %v", err)
	}
	fstest.Report(t, "read back", fstest.Diff(tree, got, features))
}

// TestEverySize makes volumes of all sizes, each the type that its clusters make it,
// by the formulas of the specification.
func TestEverySize(t *testing.T) {
	sizes := []int64{64 << 10, 4 << 30, 2<<40 - 512}
	for n := int64(64 << 10); n < 3<<20; n += 512 {
		sizes = append(sizes, n)
	}
	for n := int64(3 << 20); n < 64<<30; n += n/64 + 511 {
		sizes = append(sizes, n)
	}
	for _, around := range []int64{1 << 20, 4 << 20, 8 << 20, 16 << 20, 32 << 20, 64 << 20, 128 << 20, 256 << 20, 512 << 20, 1 << 30, 8 << 30, 32 << 30} {
		for i := int64(-600); i < 600; i++ {
			sizes = append(sizes, max(around+i*2048, 64<<10))
		}
	}
	for _, n := range sizes {
		for _, fs := range []FileSystem{{}, {Removable: true}} {
			m, err := fs.Layout(image.NewTree(), image.Volume{Size: image.Exactly(n)})
			if err != nil {
				t.Fatalf("%+v.Layout of %d bytes: %v", fs, n, err)
			}
			if err := judgeBPB(m, n); err != nil {
				t.Fatalf("%+v.Layout of %d bytes: %v", fs, n, err)
			}
		}
	}
}

// judgeBPB determines the type as the section "FAT Type Determination" of the
// specification does, and compares it with what the volume says of itself.
func judgeBPB(m *image.Map, size int64) error {
	sector := make([]byte, 512)
	if _, err := m.ReadAt(sector, 0); err != nil {
		return err
	}
	b := decode[bpb](sector)
	rootDirSectors := (int(b.RootEntCnt)*32 + int(b.BytsPerSec) - 1) / int(b.BytsPerSec)
	fatSz, name := int(b.FATSz16), string(sector[54:62])
	if fatSz == 0 {
		fatSz, name = int(decode[bpb32](sector[36:]).FATSz32), string(sector[82:90])
	}
	totSec := int(b.TotSec16)
	if totSec == 0 {
		totSec = int(b.TotSec32)
	}
	dataSec := totSec - (int(b.RsvdSecCnt) + int(b.NumFATs)*fatSz + rootDirSectors)
	count := dataSec / int(b.SecPerClus)
	var want string
	var bits int
	switch {
	case count < 4085:
		want, bits = "FAT12   ", 12
	case count < 65525:
		want, bits = "FAT16   ", 16
	default:
		want, bits = "FAT32   ", 32
	}
	unused := size - int64(totSec)*512
	entries := fatSz * 512 * 8 / bits
	clusterBytes := int(b.SecPerClus) * 512
	switch {
	case name != want || (b.FATSz16 == 0) != (bits == 32):
		return fmt.Errorf("%d clusters and says %q", count, name)
	case entries < count+2 || entries > count+2+8*512*8/bits:
		return fmt.Errorf("%d clusters and %d entries", count, entries)
	case unused < 0 || unused >= 512:
		return fmt.Errorf("%d bytes are left out", unused)
	case bits == 12 && count > 4084-16 || bits == 16 && (count < 4085+16 || count > 65524-16) || bits == 32 && count < 65525+16:
		return fmt.Errorf("%d clusters are too near to another type", count)
	case clusterBytes >= 4096 && (totSec-dataSec)*512%4096 != 0:
		return fmt.Errorf("data begins at sector %d", totSec-dataSec)
	case size >= 20<<20 && clusterBytes < 4096:
		return fmt.Errorf("clusters of %d bytes", clusterBytes)
	}
	return nil
}

// TestKindBySize states the choice at the sizes that people use.
func TestKindBySize(t *testing.T) {
	for _, c := range []struct {
		fs      FileSystem
		size    int64
		bits    int
		cluster int64
	}{
		{FileSystem{}, 64 << 10, 12, 512},
		{FileSystem{}, 1440 << 10, 12, 512},
		{FileSystem{}, 4 << 20, 16, 512},
		{FileSystem{}, 10 << 20, 16, 2048},
		{FileSystem{}, 17 << 20, 16, 4096},
		{FileSystem{}, 64 << 20, 16, 4096},
		{FileSystem{}, 255 << 20, 16, 4096},
		{FileSystem{}, 256<<20 + 64<<10, 16, 4096},
		{FileSystem{}, 257 << 20, 32, 4096},
		{FileSystem{}, 260 << 20, 32, 4096},
		{FileSystem{SectorSize: 4096}, 260 << 20, 32, 4096},
		{FileSystem{}, 512 << 20, 32, 4096},
		{FileSystem{}, 8 << 30, 32, 4096},
		{FileSystem{}, 16 << 30, 32, 8192},
		{FileSystem{}, 32 << 30, 32, 16384},
		{FileSystem{}, 64 << 30, 32, 32768},
		{FileSystem{}, 2<<40 - 512, 32, 32768},
		{FileSystem{Removable: true}, 1440 << 10, 12, 512},
		{FileSystem{Removable: true}, 4 << 20, 12, 2048},
		{FileSystem{Removable: true}, 15 << 20, 12, 4096},
		{FileSystem{Removable: true}, 64 << 20, 16, 4096},
		{FileSystem{Bits: 32}, 64 << 20, 32, 512},
		{FileSystem{Bits: 32}, 100 << 20, 32, 1024},
		{FileSystem{Bits: 12}, 100 << 20, 12, 32768},
		{FileSystem{Bits: 16}, 2<<30 - 1<<20, 16, 32768},
	} {
		m, err := c.fs.Layout(image.NewTree(), image.Volume{Size: image.Exactly(c.size)})
		if err != nil {
			t.Errorf("%+v.Layout of %d bytes: %v", c.fs, c.size, err)
			continue
		}
		r, err := Open(m, m.Size())
		if err != nil {
			t.Fatal(err)
		}
		if r.Bits() != c.bits || r.ClusterSize() != c.cluster {
			t.Errorf("%+v.Layout of %d bytes: FAT%d, clusters of %d bytes; want FAT%d, %d", c.fs, c.size, r.Bits(), r.ClusterSize(), c.bits, c.cluster)
		}
	}
}

// TestFitIsExact compares the smallest volume with what an Exactly of it and of
// every larger size says, over random demands. It looks at numbers alone, so that
// it reaches sizes that no tree of a test has.
func TestFitIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fs := rapid.SampledFrom(every).Draw(t, "file system")
		objects := rapid.OneOf(rapid.Int64Range(0, 5_000), rapid.Int64Range(0, 1<<18)).Draw(t, "objects")
		size := rapid.OneOf(rapid.Int64Range(1, 600), rapid.Int64Range(1, 40_000)).Draw(t, "size")
		d := demand{
			rootEntries: rapid.OneOf(rapid.Just(int64(1)), rapid.Int64Range(0, 2_000)).Draw(t, "root entries"),
			clusters:    func(k kind) int64 { return 1 + objects*divUp(size, k.clusterSize()) },
		}
		least, err := fs.least(d)
		if err != nil {
			if fs.Bits != 12 && fs.Bits != 16 {
				t.Fatalf("%+v.least: %v", fs, err)
			}
			return
		}
		if _, ok := fs.choose(least-1, d); ok && least > minBytes/fs.sectorSize() {
			t.Fatalf("%+v: %d sectors do, but least is %d", fs, least-1, least)
		}
		more := rapid.OneOf(rapid.Int64Range(0, 1_200), rapid.Int64Range(0, least)).Draw(t, "more")
		g, ok := fs.choose(least+more, d)
		if !ok {
			t.Fatalf("%+v: %d sectors do, %d do not", fs, least, least+more)
		}
		if g.clusters < d.clusters(g.kind) || bitsFor(g.clusters) != g.bits || g.capacity(g.fatSectors) < g.clusters ||
			g.dataStart()+g.clusters*g.spc > g.totalSectors || g.totalSectors > least+more || g.reservedSectors() < 1 {
			t.Fatalf("%+v: %+v for %d clusters in %d sectors", fs, g, d.clusters(g.kind), least+more)
		}
		if waste := least + more - g.totalSectors; fs.Bits == 0 && fs.SectorsPerCluster == 0 && waste > 2_000 {
			t.Fatalf("%+v: %+v leaves %d sectors out", fs, g, waste)
		}
	})
}

// TestNoGap walks over every sector of the sizes where tables grow and types change:
// what fits into a volume fits into every larger one.
func TestNoGap(t *testing.T) {
	for _, fs := range every {
		for _, objects := range []int64{1, 100, 340, 4050, 4068, 4069, 4084, 4085, 4101, 65_000, 65_508, 65_509, 65_541} {
			d := demand{clusters: func(k kind) int64 { return objects * divUp(500, k.clusterSize()) }}
			least, err := fs.least(d)
			if err != nil {
				continue // TestFitIsExact says which may
			}
			for n := max(least-70, minBytes/fs.sectorSize()); n < least+3_000; n++ {
				if _, ok := fs.choose(n, d); ok != (n >= least) {
					t.Fatalf("%+v: %d clusters in %d sectors fit: %v; least is %d", fs, objects, n, ok, least)
				}
			}
		}
	}
}

// TestTooSmall takes a sector from volumes of each kind that are full.
func TestTooSmall(t *testing.T) {
	tree := image.NewTree()
	for i := range 300 {
		put(t, tree, fmt.Sprintf("/dir%d/file%d", i%7, i), fstest.Content(uint64(i), int64(i*37)))
	}
	for _, fs := range every {
		m, err := fs.Layout(tree, image.Volume{Size: image.Fit(0)})
		if err != nil {
			t.Fatalf("%+v.Layout: %v", fs, err)
		}
		_, err = fs.Layout(tree, image.Volume{Size: image.Exactly(m.Size() - fs.sectorSize())})
		var small *image.TooSmallError
		if !errors.As(err, &small) || small.Need != m.Size() || small.Have != m.Size()-fs.sectorSize() {
			t.Errorf("%+v.Layout of a sector less than %d = %v; want a TooSmallError", fs, m.Size(), err)
		}
	}
}

func put(t fstest.T, tree *image.Tree, path string, data image.Blob) {
	t.Helper()
	if err := tree.Put(path, image.NewFile(0o644, data)); err != nil {
		t.Fatalf("%v", err)
	}
}
