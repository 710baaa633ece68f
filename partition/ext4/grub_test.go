package ext4

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/image"
	"ingot/tests/fstest"
)

// TestGRUBReads has GRUB's own driver read what a boot loader wants: kernels at the
// end of symlinks, in folders with hash trees, in pieces, in volumes of many sizes.
func TestGRUBReads(t *testing.T) {
	grub := fstest.Judge(t, "grub-fstest", "grub-common")
	tree := image.NewTree()
	kernel := fstest.Content(1, 9<<20+5)
	put := func(path string, n *image.Node) {
		if err := tree.Put(path, n); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 20_000 {
		put(fmt.Sprintf("/store/%032d-item", i), image.NewFile(0o444, nil))
	}
	put("/store/kernel/bzImage", image.NewFile(0o444, kernel))
	put("/boot/short", image.NewSymlink("../store/kernel/bzImage"))
	put("/boot/long", image.NewSymlink(strings.Repeat("./", 40)+"short"))
	put("/boot/pieces", image.NewFile(0o444, fstest.Sparse(2, 8<<20, [2]int64{0, 10_000}, [2]int64{1 << 20, 1}, [2]int64{2 << 20, 4096}, [2]int64{3 << 20, 4096}, [2]int64{5 << 20, 4096}, [2]int64{7 << 20, 1 << 20})))
	for _, size := range []image.Size{image.Fit(0), image.Fit(1 << 30), image.Exactly(70 << 30)} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			img := write(t, FileSystem{}, tree, size)
			for path, data := range map[string]image.Blob{"/boot/short": kernel, "/boot/long": kernel, "/boot/pieces": tree.Lookup("/boot/pieces").Data} {
				want, err := image.ReadAll(data)
				if err != nil {
					t.Fatal(err)
				}
				file := filepath.Join(t.TempDir(), "file")
				if err := os.WriteFile(file, want, 0o600); err != nil {
					t.Fatal(err)
				}
				fstest.Run(t, grub, img, "cmp", "(loop0)"+path, file)
			}
			if out := fstest.Run(t, grub, img, "ls", "(loop0)/store"); strings.Count(out, "-item") != 20_000 {
				t.Errorf("GRUB lists %d items; want 20000", strings.Count(out, "-item"))
			}
		})
	}
}
