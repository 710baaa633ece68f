package ext4

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"ingot/image"
	"ingot/tests/fstest"
)

// BenchmarkReaderTree reads a store of 100,000 files in 10,000 directories from an
// image file: inodes, directories and extents, not the contents.
func BenchmarkReaderTree(b *testing.B) {
	tree := image.NewTree()
	for i := range 100_000 {
		path := fmt.Sprintf("/nix/store/%032d-package/lib/%05d", i/20, i)
		n := image.NewFile(0o444, fstest.Content(uint64(i), int64(i%9000)))
		if i%10 == 0 {
			n = image.NewSymlink(path)
		}
		if err := tree.Put(path, n); err != nil {
			b.Fatal(err)
		}
	}
	m, err := FileSystem{}.Layout(tree, image.Volume{Size: image.Fit(0)})
	if err != nil {
		b.Fatal(err)
	}
	img := filepath.Join(b.TempDir(), "img")
	if err := fstest.Write(m, img); err != nil {
		b.Fatal(err)
	}
	h, err := os.Open(img)
	if err != nil {
		b.Fatal(err)
	}
	defer h.Close()
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		r, err := Open(h, m.Size())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.Tree(); err != nil {
			b.Fatal(err)
		}
	}
}
