package ext4

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"testing"

	"ingot/image"
	"ingot/tests/fstest"
)

// manyFiles is a tree of n files, of size bytes each.
func manyFiles(n int, size int64) *image.Tree {
	tree := image.NewTree()
	for i := range n {
		var data image.Blob
		if size > 0 {
			data = image.Bytes(make([]byte, size))
		}
		if err := tree.Put(fmt.Sprintf("/%03d/%05d", i/1000, i), image.NewFile(0o644, data)); err != nil {
			panic(err)
		}
	}
	return tree
}

// counts are what dumpe2fs counts on a volume.
type counts struct{ inodes, freeInodes, blocks, freeBlocks int64 }

func count(t *testing.T, img string) (c counts) {
	t.Helper()
	said := fstest.Run(t, fstest.Judge(t, "dumpe2fs", "e2fsprogs"), "-h", img)
	for name, n := range map[string]*int64{
		"Inode count": &c.inodes, "Free inodes": &c.freeInodes, "Block count": &c.blocks, "Free blocks": &c.freeBlocks,
	} {
		m := regexp.MustCompile(`(?m)^` + name + `:\s+(\d+)$`).FindStringSubmatch(said)
		if m == nil {
			t.Fatalf("dumpe2fs says nothing of %s:\n%s", name, said)
		}
		*n, _ = strconv.ParseInt(m[1], 10, 64)
	}
	return c
}

// TestInodesForRoom: where a volume has room for files it has inodes for them, however many
// files it begins with, and also when it has grown.
func TestInodesForRoom(t *testing.T) {
	const perInode = bytesPerInode / blockSize
	for _, c := range []struct {
		files    int
		bytes    int64
		fs       FileSystem
		size     image.Size
		grown    int64 // what resize2fs makes of it next; 0: nothing
		ofVolume bool  // one for each 16 KiB of the volume is free, and not only of its room
	}{
		{files: 20_000, size: image.Exactly(256 << 20), ofVolume: true},
		{files: 20_000, bytes: 4000, size: image.Exactly(256 << 20), ofVolume: true},
		{files: 20_000, bytes: 4000, size: image.Exactly(110 << 20)},
		{files: 20_000, bytes: 4000, size: image.Exactly(110 << 20), grown: 128 << 20},
		{files: 20_000, bytes: 4000, size: image.Fit(0)},
		{files: 20_000, bytes: 4000, size: image.Fit(0), grown: 128 << 20},
		{files: 20_000, bytes: 4000, size: image.Fit(0), grown: 600 << 20},
		{files: 20_000, bytes: 4000, size: image.Fit(100 << 20), grown: 1 << 30},
		{files: 300, bytes: 100_000, size: image.Fit(0), grown: 2 << 30},
		{files: 70_000, size: image.Exactly(1 << 30), ofVolume: true},
		{files: 32_000, size: image.Exactly(64 << 20), grown: 256 << 20}, // of one group, with the most inodes
		{size: image.Exactly(64 << 20), grown: 5 << 30},
		{files: 20_000, size: image.Exactly(256 << 20), fs: FileSystem{Inodes: 5}, ofVolume: true},
		{files: 20_000, size: image.Exactly(256 << 20), fs: FileSystem{No64Bit: true, NoMetadataCsum: true}, ofVolume: true},
	} {
		t.Run(fmt.Sprintf("%d files of %d bytes in %v, %+v, grown to %d", c.files, c.bytes, c.size, c.fs, c.grown), func(t *testing.T) {
			img := lay(t, c.fs, manyFiles(c.files, c.bytes), c.size)
			if c.grown > 0 {
				must(t, os.Truncate(img, c.grown))
				fstest.Run(t, fstest.Judge(t, "resize2fs", "e2fsprogs"), "-f", img)
				fsck(t, img)
			}
			got := count(t, img)
			want := got.freeBlocks / perInode
			if c.ofVolume {
				want = got.blocks / perInode
			}
			if c.files == 32_000 {
				want = 8 * 32768 / 10 // more than a group cannot have
			}
			// An empty volume uses eleven, of those that its size gives it.
			if got.freeInodes < want-firstInode {
				t.Errorf("%d of %d inodes are free, and %d of %d blocks; want at least %d inodes", got.freeInodes, got.inodes, got.freeBlocks, got.blocks, want)
			}
		})
	}
}

// TestInodesAtLeast: Inodes is a number in all, which adds to the default alone.
func TestInodesAtLeast(t *testing.T) {
	tree := manyFiles(1000, 10)
	for _, size := range []image.Size{image.Fit(0), image.Fit(64 << 20), image.Exactly(100 << 20)} {
		byDefault := count(t, lay(t, FileSystem{}, tree, size)).inodes
		for _, c := range []struct{ asked, want int64 }{
			{1, byDefault}, {byDefault - 1, byDefault}, {byDefault, byDefault}, {byDefault + 1, byDefault + 16}, {30_000, 30_000},
		} {
			if got := count(t, lay(t, FileSystem{Inodes: c.asked}, tree, size)).inodes; got != c.want {
				t.Errorf("%v with Inodes: %d has %d inodes; want %d", size, c.asked, got, c.want)
			}
		}
	}
}

// TestFitStaysSmall: the inodes that are spare for growth are a fifteenth of a fitted volume
// at most.
func TestFitStaysSmall(t *testing.T) {
	for _, c := range []struct {
		files int
		bytes int64
	}{{0, 0}, {10, 100}, {100, 100_000}, {3000, 100_000}, {20_000, 100}} {
		tree := manyFiles(c.files, c.bytes)
		census, err := takeCensus(tree, [4]uint32{})
		must(t, err)
		s := sizer{census: census}
		must(t, s.fit(0))
		g := s.geometry
		need := ceilDiv(census.inodesUsed(), inodesPerBlock)
		if most := g.blocks / 15; g.groups*g.tableBlocks-need > most {
			t.Errorf("%d files of %d bytes: %d blocks of inode tables for %d files, of %d blocks; want at most %d more", c.files, c.bytes, g.groups*g.tableBlocks, c.files, g.blocks, most)
		}
	}
}
