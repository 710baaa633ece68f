package ext4

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ingot/image"
)

// bulk is n bytes that nobody reads.
func bulk(n int64) *image.Node {
	return image.NewFile(0o644, image.Computed(n, func([]byte, int64) error { return nil }))
}

// bulkyTrees draws trees from nothing to some TiB, of few files.
func bulkyTrees(t *rapid.T) *image.Tree {
	tree := image.NewTree()
	for i := range rapid.IntRange(0, 40).Draw(t, "files") {
		bits := rapid.IntRange(0, 36).Draw(t, "bits")
		size := rapid.Int64Range(0, 1<<bits).Draw(t, "size")
		tree.Put(fmt.Sprintf("/%d/%d", i%7, i), bulk(size))
	}
	return tree
}

func options(t *rapid.T) FileSystem {
	return FileSystem{
		Inodes:          rapid.SampledFrom([]int64{0, 0, 1, 5_000, 100_000}).Draw(t, "inodes"),
		ReservedPercent: rapid.SampledFrom([]int{0, 0, 5, 50}).Draw(t, "reserved"),
		NoJournal:       rapid.Bool().Draw(t, "no journal"),
	}
}

// TestFitIsSmallest tries sizes below the one that fit has found: the next, and
// some at random.
func TestFitIsSmallest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, err := takeCensus(bulkyTrees(t), [4]uint32{})
		if err != nil {
			t.Fatal(err)
		}
		free := rapid.SampledFrom([]int64{0, 0, 1, 1 << 20, 3<<30 + 1}).Draw(t, "free")
		s := sizer{fs: options(t), census: c}
		if err := s.fit(free); err != nil {
			t.Fatal(err)
		}
		fit := s.geometry
		if got := fit.free - s.allocation.allocated; got < s.keep(free) {
			t.Errorf("%d blocks are free; want %d", got, s.keep(free))
		}
		if got := fit.groups*fit.inodesPerGroup - c.inodesUsed(); got < s.inodes(fit.blocks, free)-c.inodesUsed() {
			t.Errorf("%d inodes are free; want %d", got, s.inodes(fit.blocks, free)-c.inodesUsed())
		}
		smaller := []int64{fit.blocks - 1}
		for range 10 {
			smaller = append(smaller, rapid.Int64Range(minVolume/blockSize-1, fit.blocks-1).Draw(t, "smaller"))
		}
		for _, blocks := range smaller {
			if blocks < minVolume/blockSize {
				continue
			}
			if s.try(blocks, free, true) == nil {
				t.Errorf("fits into %d blocks, less than the %d of fit", blocks, fit.blocks)
			}
		}
	})
}

// TestTooSmall asks for a block less than what fits, by the way that callers go.
func TestTooSmall(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree, f := bulkyTrees(t), options(t)
		m, err := f.Layout(tree, image.Volume{Size: image.Fit(0)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Layout(tree, image.Volume{Size: image.Exactly(m.Size())}); err != nil {
			t.Errorf("Layout(%d) = %v", m.Size(), err)
		}
		_, err = f.Layout(tree, image.Volume{Size: image.Exactly(m.Size() - blockSize)})
		var small *image.TooSmallError
		if !errors.As(err, &small) || small.What == "bytes" && (small.Need != m.Size() || small.Have != m.Size()-blockSize) {
			t.Errorf("Layout(%d) = %v; want a TooSmallError with %d", m.Size()-blockSize, err, m.Size())
		}
	})
}

// TestTooFewInodes has more files than the one group of a small volume can number.
func TestTooFewInodes(t *testing.T) {
	tree := image.NewTree()
	for i := range 32_768 - 10 {
		tree.Put(fmt.Sprintf("/%05d", i), image.NewFile(0o644, nil))
	}
	_, err := FileSystem{}.Layout(tree, image.Volume{Size: image.Exactly(64 << 20)})
	var small *image.TooSmallError
	if !errors.As(err, &small) || *small != (image.TooSmallError{What: "inodes", Need: 32_769, Have: 32_768}) {
		t.Errorf("Layout() = %v; want 32769 inodes of 32768", err)
	}
	lay(t, FileSystem{NoJournal: true}, tree, image.Fit(0))
}

// TestVolumesOfAllShapes has e2fsck look at volumes around the sizes from which on
// there is one more group, with few inodes and with so many that the tables of a
// flex group reach over its first groups.
func TestVolumesOfAllShapes(t *testing.T) {
	for _, groups := range []int64{1, 2, 3, 4, 8, 10, 16, 17, 26, 33} {
		for _, more := range []int64{-1, 0, 1, 60, 700, 3000} {
			for _, perGroup := range []int64{0, 32_000} {
				blocks := groups*blocksPerGroup + more
				t.Run(fmt.Sprintf("%d groups %+d blocks, %d inodes", groups, more, perGroup), func(t *testing.T) {
					f := FileSystem{Inodes: perGroup * groups}
					tree := image.NewTree()
					tree.Put("/bulk", bulk(blocks*blockSize/4))
					m, err := f.Layout(tree, image.Volume{Size: image.Exactly(blocks * blockSize)})
					if err != nil {
						t.Fatal(err)
					}
					fsck(t, metadataOnly(t, m))
				})
			}
		}
	}
}

// TestFullVolumes has nothing free: bitmaps and counts at their ends.
func TestFullVolumes(t *testing.T) {
	for _, size := range []int64{0, 100 << 20, 1 << 30, 20 << 30} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			tree := image.NewTree()
			tree.Put("/bulk", bulk(size))
			m, err := FileSystem{}.Layout(tree, image.Volume{Size: image.Fit(0)})
			if err != nil {
				t.Fatal(err)
			}
			fsck(t, metadataOnly(t, m))
		})
	}
}

// metadataOnly writes m without the contents of files, at which e2fsck does not look.
func metadataOnly(t *testing.T, m *image.Map) string {
	t.Helper()
	h, err := os.Create(filepath.Join(t.TempDir(), "img"))
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if err := h.Truncate(m.Size()); err != nil {
		t.Fatal(err)
	}
	for l := range m.Leaves(0, m.Size()) {
		if strings.HasPrefix(l.Describe(), "/bulk") {
			continue
		}
		if _, err := io.Copy(io.NewOffsetWriter(h, l.Off), io.NewSectionReader(l.Src, l.SrcOff, l.Len)); err != nil {
			t.Fatalf("%s: %v", l.Describe(), err)
		}
	}
	return h.Name()
}
