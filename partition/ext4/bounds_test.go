package ext4

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/image"
	"ingot/tests/fstest"
)

// TestMetadataIsReadOnce: a block of a block map that names itself, again and again, is
// refused when it is met the second time, and not after as many blocks as the volume has,
// whose holes cost nothing.
func TestMetadataIsReadOnce(t *testing.T) {
	debugfs := fstest.Judge(t, "debugfs", "e2fsprogs")
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "file"), []byte("x"), 0o644))
	img := mke2fs(t, dir, "64M", "-t", "ext2", "-b", "1024")
	const block = 9000
	for _, c := range []string{"size 4294967295", fmt.Sprintf("block[TIND] %d", block)} {
		fstest.Run(t, debugfs, "-w", "-R", "sif /file "+c, img)
	}
	p, err := os.ReadFile(img)
	must(t, err)
	for off := range 256 {
		binary.LittleEndian.PutUint32(p[block*1024+4*off:], block)
	}
	r, err := Open(bytes.NewReader(p), int64(len(p)))
	must(t, err)
	var tree *image.Tree
	if got := fstest.Allocated(func() { tree, err = r.Tree() }); got > 16<<20 {
		t.Errorf("Tree allocates %d bytes; want at most %d", got, 16<<20)
	}
	must(t, err)
	err = tree.Complete("/file")
	if want := "block 9000 of metadata belongs to more than one file, or twice to one"; err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("Tree = %v; want %s", err, want)
	}
}
