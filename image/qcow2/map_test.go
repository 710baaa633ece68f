package qcow2

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"ingot/image"
)

// TestMap: the Map of an image that QEMU has written, in each kind of cluster, holds what
// the raw one does, and no more extents than there is data.
func TestMap(t *testing.T) {
	if _, err := exec.LookPath("qemu-img"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("qemu-img is missing: install qemu-utils")
		}
		t.Skip("qemu-img is missing: install qemu-utils")
	}
	dir := t.TempDir()
	raw := filepath.Join(dir, "raw")
	f, err := os.Create(raw)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data := make([]byte, 300<<10)
	for i := range data {
		data[i] = byte(i>>8) ^ byte(i)*7 | 1
	}
	for _, off := range []int64{0, 5 << 20, 600 << 20} {
		if _, err := f.WriteAt(data, off); err != nil {
			t.Fatal(err)
		}
	}
	const size = 700<<20 + 512
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	for name, options := range map[string][]string{
		"plain": nil, "zlib": {"-c"}, "zstd": {"-c", "-o", "compression_type=zstd"}, "old": {"-o", "compat=0.10"}, "small": {"-o", "cluster_size=512"},
	} {
		path := filepath.Join(dir, name)
		args := append([]string{"convert", "-f", "raw", "-O", "qcow2"}, options...)
		if out, err := exec.Command("qemu-img", append(args, raw, path)...).CombinedOutput(); err != nil {
			t.Fatalf("qemu-img: %v\n%s", err, out)
		}
		file, err := image.NewHostFile(path)
		if err != nil {
			t.Fatal(err)
		}
		m, err := Map(t.Context(), file)
		if err != nil {
			t.Fatal(err)
		}
		if m.Size() != size {
			t.Errorf("%s: size %d; want %d", name, m.Size(), size)
		}
		if n := m.Allocated(512); n < 900<<10 || n > 3<<20 {
			t.Errorf("%s: %d bytes are allocated; want those of the data, 900 KiB, in whole clusters", name, n)
		}
		diffs, err := image.Compare(context.Background(), m, f, image.WriteOptions{})
		if err != nil || len(diffs) > 0 {
			t.Errorf("%s: Compare = %v, %v; want no difference", name, diffs, err)
		}
	}
	if _, err := Map(t.Context(), image.Bytes(data)); err == nil || err.Error() != "not a qcow2 file" {
		t.Errorf("Map of something else = %v; want that it is no qcow2 file", err)
	}
}
