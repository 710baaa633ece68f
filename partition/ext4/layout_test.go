package ext4

import (
	"fmt"
	"testing"

	"ingot/image"
)

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
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			_, m := lay(t, FileSystem{}, tree, image.Volume{Label: "x", Size: size})
			if !size.Fit && m.Size() != size.Bytes {
				t.Errorf("Size() = %d; want %d", m.Size(), size.Bytes)
			}
		})
	}
}
