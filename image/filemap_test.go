package image

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

func TestMapFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "raw")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, off := range []int64{8 << 20, 100 << 20} {
		if _, err := f.WriteAt([]byte("data"), off); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(200 << 20); err != nil {
		t.Fatal(err)
	}
	m, err := MapFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := m.Allocated(1); m.Size() != 200<<20 || n < 8 || n > 10<<20 && n != 200<<20 { // a host without holes has it all
		t.Errorf("a file of %d bytes has %d of data; want 200 MiB with little data", m.Size(), n)
	}
	if diffs, err := Compare(context.Background(), m, f, WriteOptions{}); err != nil || len(diffs) > 0 {
		t.Errorf("Compare = %v, %v; want no difference", diffs, err)
	}
	if _, err := MapFile(t.TempDir()); err == nil {
		t.Error("MapFile of a folder succeeds")
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if m, err := MapFile(empty); err != nil || m.Size() != 0 || len(m.Extents()) > 0 {
		t.Errorf("MapFile of an empty file = %v, %v; want a Map of nothing", m, err)
	}
}
