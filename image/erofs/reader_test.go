package erofs

import (
	"encoding/binary"
	"os"
	"strings"
	"testing"

	"ingot/image"
	"ingot/tests/fstest"
)

// seeds are small volumes that use everything.
func seeds(t testing.TB) [][]byte {
	t.Helper()
	x := image.NewFile(0o644, image.Bytes("x"))
	x.Xattrs = []image.Xattr{{Name: "user.note", Value: []byte("noted")}, {Name: "security.capability", Value: make([]byte, 20)}}
	x.UID = 1 << 20
	tree := put(t, map[string]*image.Node{
		"/1/2/3/deep":                  image.NewFile(0o644, image.Bytes(strings.Repeat("deep", 1500))),
		"/" + strings.Repeat("n", 255): image.NewSymlink(strings.Repeat("../target/", 80)),
		"/null":                        image.NewSpecial(0o666|os.ModeDevice|os.ModeCharDevice, image.Dev{Major: 1, Minor: 3}),
		"/empty":                       image.NewFile(0o644, nil),
		"/x":                           x,
		"/y":                           x,
	})
	for i := range 20 {
		must(t, tree.Put("/dir/"+strings.Repeat(string(rune('a'+i)), 250), image.NewFile(0o644, nil)))
	}
	b, err := image.ReadAll(layout(t, tree, Options{Label: "seed"}))
	must(t, err)
	return [][]byte{b}
}

// readAll reads everything of a volume that may be damaged. The checksum is made to be
// right: what it guards is to be met.
func readAll(b []byte) error {
	resum(b)
	return readBlob(image.Bytes(b))
}

func readBlob(b image.Blob) error {
	r, err := Open(b, b.Size())
	if err != nil {
		return err
	}
	tree, err := r.Tree()
	if err != nil {
		return err
	}
	left := int64(1 << 20) // damaged inodes may lead to the same data again and again
	return tree.Walk(func(path string, n *image.Node) error {
		if n.Data == nil || n.Data.Size() > left {
			return nil
		}
		left -= n.Data.Size()
		_, err := image.ReadAll(n.Data)
		return err
	})
}

// resum makes the superblock's checksum right.
func resum(b []byte) {
	if len(b) >= blockSize {
		clear(b[superOffset+4 : superOffset+8])
		binary.LittleEndian.PutUint32(b[superOffset+4:], superChecksum(b[superOffset:blockSize]))
	}
}

// TestDamaged changes each byte: the reader must end, with an error or without, and must
// say so in one line.
func TestDamaged(t *testing.T) {
	for _, b := range seeds(t) {
		must(t, readAll(b))
		for i := superOffset; i < len(b); i += 1 + len(b)/3000 {
			old := b[i]
			for _, c := range []byte{^old, 0, 255} {
				b[i] = c
				if err := readAll(b); err != nil && strings.Contains(err.Error(), "\n") {
					t.Errorf("byte %d as %#02x: %q; want one line", i, c, err)
				}
			}
			b[i] = old
		}
		for n := 0; n < len(b)-blockSize; n += 777 {
			if err := readAll(append([]byte(nil), b[:n]...)); err == nil {
				t.Errorf("the first %d of %d bytes are read without an error", n, len(b))
			}
		}
	}
}

// TestChecksum: a changed bit of the first block is noticed.
func TestChecksum(t *testing.T) {
	b := seeds(t)[0]
	for _, at := range []int{superOffset + 40, superOffset + 64, 2000} {
		b[at] ^= 1
		_, err := Open(image.Bytes(b), int64(len(b)))
		if err == nil || !strings.Contains(err.Error(), "superblock: has the checksum") {
			t.Errorf("byte %d changed: Open = %v; want the checksum's error", at, err)
		}
		b[at] ^= 1
	}
}

// TestUnknown: volumes say what they have that is not read.
func TestUnknown(t *testing.T) {
	for _, x := range []struct {
		at   int
		to   byte
		want string
	}{
		{superOffset, 0, "erofs: superblock: begins with 0xe0f5e100 at byte 1024, not with 0xe0f5e1e2"},
		{superOffset + 12, 9, "erofs: superblock: blocks of 2^9 bytes; those of 2^12 are read"},
		{superOffset + 80, 6, "erofs: superblock: has the features 0x6, of which none is read"},
		{superOffset + superSize, 2, "erofs: /: has the data layout 1, which is not read"},
		{superOffset + superSize + 5, 0x80, "erofs: /: is a regular file, not a directory"},
	} {
		b := seeds(t)[0]
		b[x.at] = x.to
		if err := readAll(b); err == nil || !strings.HasPrefix(err.Error(), x.want) {
			t.Errorf("byte %d as %#x: %v; want %s", x.at, x.to, err, x.want)
		}
	}
}

// FuzzReader changes the metadata of a small volume, behind a checksum that holds.
func FuzzReader(f *testing.F) {
	fstest.FuzzMetadata(f, seeds(f)[:1], readBlob, func(t *testing.T, b *fstest.Patched) {
		first, err := image.ReadAll(image.Section(b, 0, blockSize))
		must(t, err)
		resum(first)
		b.Set(superOffset, first[superOffset:superOffset+8])
		fstest.Budget(t, int(b.Size()), func() { _ = readBlob(b) }) // any error will do, which may have any name in it
	})
}
