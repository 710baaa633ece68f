package ext4

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"ingot/image"
	"ingot/tests/fstest"
)

// fuzzImages are images of few files with all that a reader meets: hash trees of several
// blocks, extents in blocks and block maps, inline data, attributes in blocks.
func fuzzImages(t testing.TB) [][]byte {
	dir := t.TempDir()
	tree := image.NewTree()
	put := func(path string, n *image.Node) *image.Node {
		must(t, tree.Put(path, n))
		return n
	}
	put("/file", image.NewFile(0o644, fstest.Content(1, 20_000)))
	put("/hard", tree.Lookup("/file"))
	put("/fast", image.NewSymlink("file"))
	put("/slow", image.NewSymlink(strings.Repeat("s", 80)))
	put("/sparse", image.NewFile(0o644, fstest.Sparse(9, 100_000, [2]int64{0, 1024}, [2]int64{8192, 1024}, [2]int64{16384, 1024}, [2]int64{24576, 1024}, [2]int64{32768, 1024}, [2]int64{65536, 1024})))
	put("/small", image.NewFile(0o600, image.Bytes("a few bytes")))
	for i := range 12 {
		put(fmt.Sprintf("/dir/%0200d", i), image.NewSymlink("x"))
	}
	put("/noted", image.NewFile(0o644, nil)).Xattrs = []image.Xattr{{Name: "user.short", Value: []byte("1")}, {Name: "user.long", Value: make([]byte, 500)}}
	fstest.Populate(t, tree, dir)
	var out [][]byte
	for _, args := range [][]string{
		{"-O", "^has_journal"},
		{"-O", "^has_journal,^metadata_csum,inline_data"},
		{"-t", "ext2"},
	} {
		if args[0] != "-t" {
			args = append(args, "-t", "ext4")
		}
		img := dir + ".img"
		args = append([]string{"-q", "-F", "-d", dir, "-b", "1024", "-N", "40", "-U", "11111111-2222-3333-4444-555555555555", "-E", "hash_seed=11111111-2222-3333-4444-555555555555"}, args...)
		fstest.Run(t, fstest.Judge(t, "mke2fs", "e2fsprogs"), append(args, img, "256K")...)
		p, err := os.ReadFile(img)
		must(t, err)
		out = append(out, p)
	}
	return out
}

// openUnchecked reads a tree whose checksums may be wrong.
func openUnchecked(b image.Blob) (*image.Tree, error) {
	r := &Reader{src: b, unchecked: true}
	if err := r.readSuperblock(); err != nil {
		return nil, err
	}
	if err := r.readGroups(); err != nil {
		return nil, err
	}
	return r.Tree()
}

// FuzzOpen changes the metadata of small images, behind checksums that hold.
func FuzzOpen(f *testing.F) {
	buf := make([]byte, 4096)
	read := func(r image.Blob) error {
		_, err := openUnchecked(r)
		return err
	}
	fstest.FuzzMetadata(f, fuzzImages(f), read, func(t *testing.T, b *fstest.Patched) {
		fstest.Budget(t, 256<<10, func() {
			if tree, err := openUnchecked(b); err == nil {
				drain(tree, buf)
			}
		})
	})
}

// drain reads the end of all contents.
func drain(tree *image.Tree, buf []byte) {
	_ = tree.Walk(func(path string, n *image.Node) error {
		if n.Data != nil {
			_, _ = n.Data.ReadAt(buf, max(0, n.Data.Size()-int64(len(buf))))
		}
		return nil
	})
}
