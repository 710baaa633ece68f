package vdi

import (
	"context"
	"encoding/binary"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ingot/image"
	"ingot/tests/testenv"
)

const (
	kib = int64(1) << 10
	mib = int64(1) << 20
)

// disk makes a Map of the extents given as offsets and lengths; each has bytes of its own.
func disk(t testing.TB, size int64, extents ...int64) *image.Map {
	t.Helper()
	var b image.Builder
	for i := 0; i < len(extents); i += 2 {
		off := extents[i]
		b.Add(off, image.Computed(extents[i+1], func(p []byte, at int64) error {
			for k := range p {
				p[k] = byte((off+at+int64(k))*2654435761>>8) | 1
			}
			return nil
		}), nil)
	}
	m, err := b.Map(size)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// judged writes a disk both as VDI and raw, and has qemu-img compare the two.
func judged(t testing.TB, dir string, m *image.Map) (vdiFile string, problem string) {
	t.Helper()
	file, err := Layout(t.Context(), m, image.NewSeed([]byte("test")), image.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	o := image.WriteOptions{NoSync: true}
	vdi, raw := filepath.Join(dir, "disk.vdi"), filepath.Join(dir, "disk.raw")
	for path, bytes := range map[string]*image.Map{vdi: file, raw: m} {
		if err := image.WriteRaw(context.Background(), bytes, path, o); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{{"check", "-f", "vdi", vdi}, {"compare", "-f", "vdi", "-F", "raw", vdi, raw}} {
		if out, err := exec.Command("qemu-img", args...).CombinedOutput(); err != nil {
			problem += strings.Join(args, " ") + ": " + err.Error() + "\n" + string(out)
		}
	}
	return vdi, problem
}

func needQEMU(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("qemu-img"); err != nil {
		testenv.Missing(t, "qemu-img is missing: tests/setup/debian brings it")
	}
}

func TestBoundaries(t *testing.T) {
	needQEMU(t)
	for name, m := range map[string]*image.Map{
		"holes alone":      disk(t, 5*mib),
		"one sector":       disk(t, 512, 0, 512),
		"full":             disk(t, 3*mib, 0, 3*mib),
		"a last part":      disk(t, 2*mib+512, 2*mib, 512),
		"a block less one": disk(t, 4*mib, 1*mib, mib-1),
		"a block and one":  disk(t, 4*mib, 1*mib, mib+1),
		"two in one block": disk(t, 4*mib, 1*mib+4*kib, 8*kib, 1*mib+64*kib, 4*kib),
		"neighbours":       disk(t, 6*mib, 1*mib, mib, 2*mib, mib, 4*mib+kib, kib),
		"the map's sector": disk(t, 128*mib, 127*mib, mib),
		"one map's MiB":    disk(t, 1<<40, 0, kib, 1<<40-kib, kib),
	} {
		if _, problem := judged(t, t.TempDir(), m); problem != "" {
			t.Errorf("%s: %s", name, problem)
		}
	}
}

func TestRandom(t *testing.T) {
	needQEMU(t)
	dir := t.TempDir()
	rapid.Check(t, func(r *rapid.T) {
		size := rapid.Int64Range(1, 64*1024).Draw(r, "sectors") * 512
		var extents []int64
		for at := int64(0); ; {
			at += rapid.Int64Range(0, 3*mib).Draw(r, "hole")
			n := rapid.Int64Range(1, 2*mib).Draw(r, "length")
			if at+n > size || len(extents) > 20 {
				break
			}
			extents = append(extents, at, n)
			at += n
		}
		if _, problem := judged(t, dir, disk(t, size, extents...)); problem != "" {
			r.Fatalf("size %d, extents %v: %s", size, extents, problem)
		}
	})
}

func TestHeader(t *testing.T) {
	if n := binary.Size(preHeader{}) + binary.Size(header1Plus{}); n != sectorSize {
		t.Errorf("the header has %d bytes; want %d", n, sectorSize)
	}
	head := func(seed string) string {
		file, err := Layout(t.Context(), disk(t, 2*mib+100, mib, 1), image.NewSeed([]byte(seed)), image.WriteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		p := make([]byte, sectorSize)
		if _, err := file.ReadAt(p, 0); err != nil {
			t.Fatal(err)
		}
		return string(p)
	}
	a, b := head("a"), head("b")
	if a != head("a") {
		t.Error("two files of one disk differ")
	}
	if a[392:424] == b[392:424] || a[:392] != b[:392] || a[424:] != b[424:] {
		t.Error("disks of two seeds differ in something else than their two UUIDs, or not in these")
	}
	if size := binary.LittleEndian.Uint64([]byte(a[368:])); size != 2*1<<20+512 {
		t.Errorf("the disk has %d bytes; want whole sectors", size)
	}
}

// TestTooLarge has the largest disk, and one block more.
func TestTooLarge(t *testing.T) {
	holes := func(size int64) *image.Map {
		m, err := new(image.Builder).Map(size)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	file, err := Layout(t.Context(), holes(maxBlocks*blockSize), image.Seed{}, image.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var p [4]byte
	if _, err := file.ReadAt(p[:], 344); err != nil || int64(binary.LittleEndian.Uint32(p[:])) != file.Size() || file.Size() >= 1<<32 {
		t.Errorf("blocks begin at %x, %v, of a file of %d bytes without any", p, err, file.Size())
	}
	if _, err := Layout(t.Context(), holes(maxBlocks*blockSize+1), image.Seed{}, image.WriteOptions{}); err == nil || !strings.Contains(err.Error(), "too large for VDI, which holds 1125624894717952") {
		t.Errorf("Layout = %v; want a refusal", err)
	}
}
