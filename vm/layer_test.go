package vm

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"ingot/image"
	"ingot/image/diskfile"
	"ingot/image/qcow2"
)

// TestAddLayer puts a layer over the disks that a guest may write to in vain, and over
// no others.
func TestAddLayer(t *testing.T) {
	dir := t.TempDir()
	raw, odd, q := filepath.Join(dir, "raw"), filepath.Join(dir, "odd"), filepath.Join(dir, "disk.qcow2")
	for name, size := range map[string]int64{raw: 3 << 20, odd: 1000} {
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(name, size); err != nil {
			t.Fatal(err)
		}
	}
	layer, err := newLayer(5 << 30)
	if err != nil {
		t.Fatal(err)
	}
	defer layer.Close()
	text, err := os.ReadFile(fmt.Sprintf("/proc/self/fd/%d", layer.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(q, append(text, make([]byte, -len(text)&(sector-1))...), 0o644); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, "other.img")
	text = append(text, make([]byte, -len(text)&(sector-1))...)
	if err := os.WriteFile(other, text, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		name string
		disk Disk
		size int64 // of the layer's disk; 0: none
	}{
		{"raw", Disk{Path: raw, Bus: USB, Serial: "x"}, 3 << 20},
		{"qcow2", Disk{Path: q}, 5 << 30},
		{"qcow2 by a word", Disk{Path: other, Format: diskfile.QCOW2}, 5 << 30},
		{"raw, whatever a guest has written to it", Disk{Path: other}, int64(len(text))},
		{"raw by a word", Disk{Path: q, Format: diskfile.Raw}, int64(len(text))},
		{"no sectors", Disk{Path: odd}, 0},
		{"writable", Disk{Path: raw, Writable: true}, 0},
		{"read-only", Disk{Path: raw, ReadOnly: true}, 0},
		{"a CD", Disk{Path: raw, Bus: CDROM}, 0},
		{"by address", Disk{Path: "nbd+unix:///?socket=/none", Size: 1 << 20}, 0},
		{"by NBD", Disk{NBD: layer, Size: 1 << 20}, 1 << 20},
		{"by NBD, of no known size", Disk{NBD: layer}, 0},
	} {
		got := x.disk
		if err := got.addLayer(); err != nil {
			t.Fatalf("%s: %v", x.name, err)
		}
		if got.Bus != x.disk.Bus || got.Serial != x.disk.Serial {
			t.Errorf("%s: the guest sees %+v; want %+v", x.name, got, x.disk)
		}
		size := int64(0)
		if got.layer != nil {
			r, err := qcow2.Open(image.BlobOf(got.layer, 1<<20))
			if err != nil {
				t.Fatalf("%s: %v", x.name, err)
			}
			size = r.Size()
			got.layer.Close()
		}
		if size != x.size {
			t.Errorf("%s: the layer's disk has %d bytes; want %d", x.name, size, x.size)
		}
	}
}

// TestTemporary starts a machine that has no folder for what its guest writes.
func TestTemporary(t *testing.T) {
	dir := t.TempDir()
	raw, missing := filepath.Join(dir, "raw"), filepath.Join(dir, "missing")
	if err := os.WriteFile(raw, make([]byte, 1<<20), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", missing)
	c := Config{Disks: []Disk{{Path: raw}}}
	want := "a layer over the disk, which is discarded on exit: temporary file: create " + missing + ": no such file or directory"
	if err := c.addLayers(); err == nil || err.Error() != want {
		t.Errorf("addLayers = %v; want %s", err, want)
	}
	c.Disks[0].Writable = true
	if err := c.addLayers(); err != nil {
		t.Errorf("addLayers with a disk that keeps what is written: %v", err)
	}
}
