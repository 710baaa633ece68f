package ext4

import (
	"fmt"
	"testing"

	"ingot/image"
)

// lay lays tree out, writes it, and has e2fsck look at it.
func lay(t *testing.T, f FileSystem, tree *image.Tree, size image.Size) string {
	t.Helper()
	img := write(t, f, tree, size)
	fsck(t, img)
	return img
}

func TestLayoutSizes(t *testing.T) {
	tree := image.NewTree()
	tree.Put("/etc/hostname", image.NewFile(0o644, image.Bytes("web\n")))
	tree.Put("/etc/name", image.NewSymlink("hostname"))
	for i := range 400 {
		tree.Put(fmt.Sprintf("/d/%0100d", i), image.NewFile(0o600, nil))
	}
	for _, size := range []image.Size{
		image.Exactly(1 << 20), image.Exactly(8<<20 - 1), image.Exactly(8 << 20), image.Exactly(64 << 20),
		image.Exactly(300<<20 + 5), image.Exactly(20 << 30), image.Fit(0), image.Fit(1), image.Fit(1 << 30),
	} {
		t.Run(fmt.Sprint(size), func(t *testing.T) { lay(t, FileSystem{}, tree, size) })
	}
}
