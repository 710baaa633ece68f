package erofs

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"ingot/image"
	"ingot/tests/fstest"
)

// TestSizeOfADirectory: a directory's size is what its inode says, and takes no memory
// before there are names.
func TestSizeOfADirectory(t *testing.T) {
	tree := image.NewTree()
	for i := range 40 { // names of several blocks
		must(t, tree.Put("/"+strings.Repeat(string(rune('0'+i)), 200), image.NewFile(0o644, nil)))
	}
	b, err := image.ReadAll(layout(t, tree, image.Volume{}))
	must(t, err)
	at := superOffset + superSize // the root's inode
	if f := binary.LittleEndian.Uint16(b[at:]); f&formatExtended != 0 {
		t.Fatalf("the root's inode has the format %#x; want a compact one", f)
	}
	binary.LittleEndian.PutUint16(b[at:], layoutFlatPlain<<formatLayoutShift)
	binary.LittleEndian.PutUint32(b[at+8:], 256<<20)
	resum(b)
	sparse := image.Builder{}
	sparse.Add(0, image.Bytes(b), nil)
	m, err := sparse.Map(300 << 20)
	must(t, err)
	fstest.Budget(t, len(b), func() {
		r, err := Open(m, m.Size())
		must(t, err)
		tree, err := r.Tree()
		must(t, err)
		if err := tree.Complete("/"); err == nil || !strings.HasPrefix(err.Error(), "/: block 2 of the directory: its names begin at byte 0 of 4096") {
			t.Errorf("Complete = %v; want that a block holds no names", err)
		}
		if n := tree.Flaws.Count(); n != maxDamaged+1 {
			t.Errorf("%d flaws; want %d, and that the rest is not read", n, maxDamaged)
		}
	})
}

// TestSparseVolumes: holes make a volume as large as one likes and cost nothing, so the
// names of directories that lie over each other are counted against what is none.
func TestSparseVolumes(t *testing.T) {
	const dirs, blocks = 150, 200
	tree := image.NewTree()
	for i := range dirs {
		must(t, tree.Put(fmt.Sprintf("/d%03d/", i), image.NewDir(0o755)))
	}
	for i := range blocks * 40 {
		must(t, tree.Put(fmt.Sprintf("/names/%0100d", i), image.NewFile(0o644, nil)))
	}
	w := &writer{}
	must(t, w.scan(tree))
	must(t, w.place(tree))
	b, err := image.ReadAll(layout(t, tree, image.Volume{}))
	must(t, err)
	names := w.byNode[tree.Lookup("/names")]
	for _, n := range w.inodes { // all are the one directory once more
		if strings.HasPrefix(n.path(), "/d") {
			binary.LittleEndian.PutUint16(b[n.pos:], layoutFlatPlain<<formatLayoutShift)
			binary.LittleEndian.PutUint32(b[n.pos+8:], uint32(names.size-names.inline))
			binary.LittleEndian.PutUint32(b[n.pos+16:], names.block)
		}
	}
	resum(b)
	sparse := image.Builder{}
	sparse.Add(0, image.Bytes(b), nil)
	m, err := sparse.Map(1 << 40)
	must(t, err)
	r, err := Open(m, m.Size())
	must(t, err)
	fstest.Budget(t, len(b), func() {
		if _, err := r.Tree(); err == nil || !strings.Contains(err.Error(), "files overlap") {
			t.Errorf("Tree = %v; want that files overlap", err)
		}
	})
}
