package erofs

import (
	"encoding/binary"
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
	b, err := image.ReadAll(layout(t, tree, Options{}))
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
		if _, err = r.Tree(); err == nil || !strings.HasPrefix(err.Error(), "erofs: /") {
			t.Errorf("Tree = %v; want that a block holds no names", err)
		}
	})
}
