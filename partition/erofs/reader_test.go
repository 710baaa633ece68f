package erofs

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
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
	b, err := image.ReadAll(layout(t, tree, image.Volume{Label: "seed"}))
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
	return fstest.ReadDamaged(r)
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
		{superOffset, 0, "superblock: begins with 0xe0f5e100 at byte 1024, not with 0xe0f5e1e2"},
		{superOffset + 12, 9, "superblock: blocks of 2^9 bytes; ingot reads only 2^12"},
		{superOffset + 80, 0x86, "superblock: has the features 0x86, of which ingot does not know 0x80"},
		{superOffset + superSize, 2, "/: its contents are compressed, which ingot cannot read"},
		{superOffset + superSize, 10, "/: has the unknown data layout 5"},
		{superOffset + superSize, 0xff, "/: inode 36: has the unknown format 0xff"},
		{superOffset + superSize + 5, 0x80, "/: is a regular file, not a directory"},
	} {
		b := seeds(t)[0]
		b[x.at] = x.to
		if err := readAll(b); err == nil || !strings.HasPrefix(err.Error(), x.want) {
			t.Errorf("byte %d as %#x: %v; want %s", x.at, x.to, err, x.want)
		}
	}
}

// foreign has mkfs.erofs make a volume of a folder.
func foreign(t *testing.T, dir string, args ...string) *image.Tree {
	t.Helper()
	name := filepath.Join(t.TempDir(), "img")
	fstest.Run(t, fstest.Judge(t, "mkfs.erofs", "erofs-utils"), append(args, name, dir)...)
	m, err := image.MapFile(name)
	must(t, err)
	r, err := Open(m, m.Size())
	must(t, err)
	tree, err := r.Tree()
	must(t, err)
	return tree
}

// TestForeignFeatures reads what mkfs.erofs makes with chunks, and of a compressed volume
// what is not compressed.
func TestForeignFeatures(t *testing.T) {
	dir := t.TempDir()
	random := make([]byte, 300_001)
	must(t, fill(random))
	files := map[string][]byte{
		"random": random, "small": []byte("small"), "packed": bytes.Repeat([]byte("compress me "), 20_000), "again": random,
		"holes": append(make([]byte, 200_000), 'x'),
	}
	for name, data := range files {
		must(t, os.WriteFile(filepath.Join(dir, name), data, 0o644))
	}
	must(t, os.Truncate(filepath.Join(dir, "holes"), 500_000))
	files["holes"] = append(files["holes"], make([]byte, 500_000-200_001)...)
	for _, args := range [][]string{nil, {"--chunksize=4096"}, {"--chunksize=65536"}, {"--blobdev=BLOB", "--chunksize=4096"}, {"-zlz4hc"}, {"-zlz4hc", "-Eztailpacking"}, {"-zlz4hc", "-Efragments"}, {"-zlz4hc", "-Ededupe"}} {
		compressed, other := strings.HasPrefix(strings.Join(args, " "), "-z"), false
		args = slices.Clone(args)
		for i := range args {
			other = other || strings.Contains(args[i], "BLOB")
			args[i] = strings.ReplaceAll(args[i], "BLOB", filepath.Join(t.TempDir(), "blob"))
		}
		tree := foreign(t, dir, args...)
		unread := 0
		for name, want := range files {
			n := tree.Lookup("/" + name)
			if n == nil || n.Size() != int64(len(want)) {
				t.Errorf("%q: %s is %v", args, name, n)
				continue
			}
			switch got, err := image.ReadAll(n.Data); {
			case err != nil && (compressed && strings.Contains(err.Error(), "compressed") || other && strings.Contains(err.Error(), "another device")):
				unread++
				if tree.Complete("/"+name) == nil {
					t.Errorf("%q: %s is not read, and nothing is said of it", args, name)
				}
			case err != nil || !bytes.Equal(got, want):
				t.Errorf("%q: %s is read wrongly (%v)", args, name, err)
			}
		}
		if n := tree.Flaws.Count(); n != unread || (unread > 0) != (compressed || other) {
			t.Errorf("%q: %d files are not read, and there are the flaws %v", args, unread, tree.Flaws.List())
		}
	}
}

// fill makes bytes that nothing compresses.
func fill(p []byte) error {
	_, err := rand.NewChaCha8([32]byte{1}).Read(p)
	return err
}

// TestOddFiles: what is odd about one file is a flaw of it, and the others are read.
func TestOddFiles(t *testing.T) {
	x := image.NewFile(0o644, image.Bytes("x"))
	x.Xattrs = []image.Xattr{{Name: "user.a", Value: []byte("1")}, {Name: "user.b", Value: []byte("2")}}
	x.UID = 1 << 20 // too large for a compact inode
	tree := put(t, map[string]*image.Node{
		"/good": image.NewFile(0o644, image.Bytes("good")), "/x": x, "/link": image.NewSymlink("target"), "/other": image.NewFile(0o644, image.Bytes("other")),
		"/dir/file": image.NewFile(0o644, image.Bytes("data")), "/big": image.NewFile(0o644, image.Bytes(strings.Repeat("big", 5000))),
	})
	w := &writer{}
	must(t, w.scan(tree))
	must(t, w.place(tree))
	at := map[string]int{} // where inodes stand
	for _, n := range w.inodes {
		at[n.path()] = int(n.pos)
	}
	format := func(f int) func(b, inode []byte) {
		return func(_, inode []byte) { binary.LittleEndian.PutUint16(inode, uint16(f)) }
	}
	number := func(path string) string { return fmt.Sprint(at[path] / slotSize) }
	for what, c := range map[string]struct {
		path   string
		change func(b, inode []byte)
		want   string
		lost   bool
		gone   bool // there is no such file any more
	}{
		"another kind of attribute": {"/x", func(_, i []byte) { i[extendedSize+xattrHeaderSize+1] = 5 }, "/x: an extended attribute has the unknown name index 5; ingot ignores it", false, false},
		"a long attribute":          {"/x", func(_, i []byte) { i[extendedSize+xattrHeaderSize+2] = 255 }, "/x: extended attributes: they are longer than their size", true, false},
		"a compressed file":         {"/big", format(layoutCompressedCompact << formatLayoutShift), "/big: its contents are compressed, which ingot cannot read", true, false},
		"a new layout":              {"/big", format(6 << formatLayoutShift), "/big: has the unknown data layout 6", true, false},
		"a new format":              {"/big", format(0x1000), "/big: inode " + number("/big") + ": has the unknown format 0x1000", true, true},
		"beyond the end":            {"/big", func(_, i []byte) { i[17] = 1 }, "/big: 15000 bytes at 1056768 are beyond the volume's end at 24576", true, false},
		"chunks beyond the end":     {"/big", func(_, i []byte) { format(layoutChunks<<formatLayoutShift)(nil, i); i[11], i[16], i[17] = 1, 0, 0 }, "/big: 4096 bytes at ", true, false},
		"a table without room": {"/big", func(_, i []byte) {
			format(layoutChunks<<formatLayoutShift)(nil, i)
			i[11], i[16] = 255, 0
		}, "/big: has 4278205080 bytes in chunks of 4096, but the volume has no room for a table of them", true, false},
		"a mode of no kind":         {"/good", func(_, i []byte) { i[4], i[5] = 0, 0 }, "/good: has the invalid mode 0; ingot ignores it", true, true},
		"a symlink of 0 bytes":      {"/link", func(_, i []byte) { i[8] = 0 }, "/link: is a symlink of 0 bytes; ingot ignores it", true, true},
		"a long symlink":            {"/link", func(_, i []byte) { format(0)(nil, i); i[9], i[16] = 0x10, 0 }, "/link: is a symlink of 4102 bytes; ingot ignores it, since the limit is 4095", true, true},
		"a directory of 0 bytes":    {"/dir", func(_, i []byte) { i[8] = 0 }, "/dir: is a directory of 0 bytes", true, false},
		"a directory without names": {"/dir", func(_, i []byte) { clear(i[compactSize : compactSize+direntSize]) }, "/dir: block 0 of the directory: its names begin at byte 0 of 43", true, false},
		"a directory again": {"/dir", func(_, i []byte) {
			binary.LittleEndian.PutUint64(i[compactSize+2*direntSize:], uint64(at["/"]/slotSize))
		}, "/dir/file: inode 36 is a directory in two places; ingot reads it only at /", true, false},
		"a slash in a name": {"/dir", func(_, i []byte) { copy(i[compactSize+3*direntSize:], "...f/le") }, `/dir: "f/le" is not a file name; ingot ignores the file of inode ` + number("/dir/file"), true, false},
		"a name twice":      {"/", func(_, i []byte) { copy(i[bytes.Index(i, []byte("goodlink")):], "linklink") }, `/: "link" is in the directory twice; ingot ignores the file of inode ` + number("/link"), true, false},
	} {
		b, err := image.ReadAll(layout(t, tree, image.Volume{}))
		must(t, err)
		c.change(b, b[at[c.path]:])
		resum(b)
		r, err := Open(image.Bytes(b), int64(len(b)))
		must(t, err)
		got, err := r.Tree()
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		list := got.Flaws.List()
		if len(list) != 1 || !strings.HasPrefix(list[0].Error(), c.want) || list[0].Lost != c.lost {
			t.Errorf("%s: the flaws are %v; want %q, lost %v", what, list, c.want, c.lost)
		}
		if n := got.Lookup(c.path); (n == nil) != c.gone {
			t.Errorf("%s: %s is %v", what, c.path, n)
		} else if c.lost && n != nil && n.Mode.IsRegular() && c.path == "/big" {
			if _, err := n.Data.ReadAt(make([]byte, 1), 0); err == nil || !strings.HasPrefix("/big: "+err.Error(), c.want) {
				t.Errorf("%s: its contents are read: %v", what, err)
			}
		}
		n := got.Lookup("/other")
		if n == nil {
			t.Errorf("%s: the other file is gone", what)
			continue
		}
		if data, err := image.ReadAll(n.Data); err != nil || string(data) != "other" {
			t.Errorf("%s: the other file holds %q, %v", what, data, err)
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
