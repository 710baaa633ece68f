package ext4

import (
	"fmt"
	"testing"

	"ingot/image"
)

// smallFiles is a tree of n files of 1 byte to 20 KiB, a hundred to a directory.
func smallFiles(n int) *image.Tree {
	tree := image.NewTree()
	content := make(image.Bytes, 20<<10)
	var dir *image.Node
	for i := range n {
		if i%100 == 0 {
			dir = image.NewDir(0o755)
			tree.Put(fmt.Sprintf("/store/%08d-package/share", i), dir)
		}
		dir.Add(fmt.Sprintf("file-%08d", i), image.NewFile(0o444, content[:1+i%len(content)]))
	}
	return tree
}

func BenchmarkLayoutFit(b *testing.B) {
	for _, n := range []int{5_000, 50_000, 1_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			tree := smallFiles(n)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := (FileSystem{}).Layout(tree, image.Volume{Size: image.Fit(512 << 20)}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkMetadata is what a consumer waits for beside the contents of the files.
func BenchmarkMetadata(b *testing.B) {
	m, err := FileSystem{}.Layout(smallFiles(50_000), image.Volume{Size: image.Fit(0)})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		for l := range m.Leaves(0, m.Size()) {
			if _, memory := l.Src.(image.Bytes); memory {
				continue
			}
			if _, err := image.ReadAll(image.Section(l.Src, l.SrcOff, l.Len)); err != nil {
				b.Fatal(err)
			}
		}
	}
}
