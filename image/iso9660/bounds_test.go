package iso9660

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"ingot/image"
	"ingot/tests/fstest"
)

// nested is a volume without Rock Ridge of directories within each other, each in a
// block of its own, as small as it gets.
func nested(depth int, name string) []byte {
	const first = firstDescriptor + 2
	b := make([]byte, (first+depth+1)*blockSize)
	rec := func(at int, id string, block int) int {
		n := recordHeader + len(id) + (len(id)+1)%2
		r := b[at : at+n]
		r[0], r[25], r[32] = byte(n), flagDirectory, byte(len(id))
		binary.LittleEndian.PutUint32(r[2:], uint32(block))
		binary.LittleEndian.PutUint32(r[10:], blockSize)
		copy(r[recordHeader:], id)
		return at + n
	}
	d := b[firstDescriptor*blockSize:]
	d[0], d[blockSize] = typePrimary, typeTerminator
	copy(d[1:], standardID)
	copy(d[blockSize+1:], standardID)
	binary.LittleEndian.PutUint16(d[128:], blockSize)
	rec(firstDescriptor*blockSize+156, "\x00", first)
	for i := range depth + 1 {
		at := rec((first+i)*blockSize, "\x00", first+i)
		if at = rec(at, "\x01", first+max(0, i-1)); i < depth {
			rec(at, name, first+i+1)
		}
	}
	return b
}

// TestDeepNames: directories within each other take as much memory as their records, and
// not their depth times their names.
func TestDeepNames(t *testing.T) {
	name := strings.Repeat("d", 200)
	b := nested(image.MaxDepth, name)
	fstest.Budget(t, len(b)/16, func() { must(t, treeOf(b)) })

	b = nested(image.MaxDepth+1, name)
	err := treeOf(b)
	var depth *image.DepthError
	if !errors.As(err, &depth) || len(err.Error()) > 10_000 {
		t.Errorf("Tree = %.200v; want a short DepthError", err)
	}
}

func treeOf(b []byte) error {
	r, err := Open(image.Bytes(b), int64(len(b)))
	if err != nil {
		return err
	}
	tree, err := r.Tree()
	if err == nil {
		err = tree.Complete("/")
	}
	return err
}

// TestSizesOfDirectories: a directory's size is what a record says, and takes no memory
// before there are records. One that holds itself is refused, and so are two that share a
// block.
func TestSizesOfDirectories(t *testing.T) {
	b := nested(1, "d")
	first, root := (firstDescriptor+2)*blockSize, firstDescriptor*blockSize+156
	last := uint32(len(b) / blockSize)
	b = append(b, b[first:first+blockSize]...) // the root anew, with nothing but a hole behind it
	binary.LittleEndian.PutUint32(b[root+2:], last)
	binary.LittleEndian.PutUint32(b[root+10:], 256<<20)
	sparse := image.Builder{}
	sparse.Add(0, image.Bytes(b), nil)
	m, err := sparse.Map(300 << 20)
	must(t, err)
	fstest.Budget(t, len(b), func() {
		tree := reread(t, m)
		if n := tree.Lookup("/d"); n == nil || !n.IsDir() {
			t.Errorf("/d is %v; want a directory", n)
		}
	})

	b = nested(2, "d")
	second := first + blockSize
	copy(b[second+2*34+2:], []byte{firstDescriptor + 3}) // /d/d begins where /d does
	if err := treeOf(b); err == nil || err.Error() != "/d/d: the directory at block 19 stands in two places, and is read at /d alone" {
		t.Errorf("Tree of a directory that holds itself = %v", err)
	}
}

// TestSparseVolumes: holes make a volume as large as one likes and cost nothing, so the
// records of directories that lie over each other are counted against what is none.
func TestSparseVolumes(t *testing.T) {
	const first, blocks = 24, 200
	dirs := map[int][]made{first: directoryOf(first)}
	for i := range blocks {
		at := uint32(first + 1 + i)
		dirs[first] = append(dirs[first], made{id: fmt.Sprintf("D%03d", i), flags: flagDirectory, block: at, size: uint32(blocks-i) * sectorSize})
		for k := range 50 {
			dirs[first+1+i] = append(dirs[first+1+i], made{id: fmt.Sprintf("F%05d", 100*i+k)})
		}
	}
	dirs[first] = dirs[first][:40] // as many as a block has room for
	b := volume([][]byte{descriptor(typePrimary, first, nil)}, dirs)
	sparse := image.Builder{}
	sparse.Add(0, image.Bytes(b), nil)
	m, err := sparse.Map(1 << 40)
	must(t, err)
	r, err := Open(image.Section(m, 0, m.Size()), m.Size())
	must(t, err)
	fstest.Budget(t, len(b), func() {
		if _, err := r.Tree(); err == nil || !strings.Contains(err.Error(), "directories overlap") {
			t.Errorf("Tree = %v; want that directories overlap", err)
		}
	})
	if err := treeOf(b[:(first+2)*sectorSize]); err == nil {
		t.Error("a volume that ends early is complete")
	}
}
