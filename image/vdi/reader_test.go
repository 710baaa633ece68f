package vdi

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ingot/image"
	"ingot/image/blocks"
	"ingot/tests/fstest"
)

// same fails the test unless two disks have the same bytes.
func same(t *testing.T, what string, got, want *image.Map) {
	t.Helper()
	if got.Size() < want.Size() || got.Size()-want.Size() >= sectorSize {
		t.Fatalf("%s: %d bytes; want %d, in whole sectors", what, got.Size(), want.Size())
	}
	diffs, err := image.Compare(t.Context(), want, image.Section(got, 0, want.Size()), image.WriteOptions{})
	if err != nil || len(diffs) > 0 {
		t.Errorf("%s: %v, %v; want the same bytes", what, diffs, err)
	}
}

// TestMap reads what Layout makes and what qemu-img does, dynamic and fixed.
func TestMap(t *testing.T) {
	needQEMU(t)
	for name, m := range map[string]*image.Map{
		"holes alone":  disk(t, 5*mib),
		"one sector":   disk(t, 512, 0, 512),
		"a last part":  disk(t, 2*mib+512, 2*mib, 512),
		"odd size":     disk(t, 2*mib+100, mib, 1),
		"neighbours":   disk(t, 6*mib, 1*mib, mib, 2*mib, mib, 4*mib+kib, kib),
		"one map part": disk(t, 20<<30, 0, kib, 20<<30-kib, kib),
	} {
		file, err := Layout(t.Context(), m, image.NewSeed([]byte("test")), image.WriteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := Map(t.Context(), file)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		same(t, name, got, m)
		if got.Allocated(mib) > (m.Allocated(mib)+mib-1)/mib*mib {
			t.Errorf("%s: %d bytes allocated of %d", name, got.Allocated(mib), m.Allocated(mib))
		}
		if m.Size() > 6*mib {
			continue
		}
		dir := t.TempDir()
		raw := filepath.Join(dir, "raw")
		if err := image.WriteRaw(t.Context(), m, raw, image.WriteOptions{NoSync: true}); err != nil {
			t.Fatal(err)
		}
		for _, static := range []string{"off", "on"} {
			theirs := filepath.Join(dir, static+".vdi")
			if out, err := exec.Command("qemu-img", "convert", "-f", "raw", "-O", "vdi", "-o", "static="+static, raw, theirs).CombinedOutput(); err != nil {
				t.Fatalf("qemu-img: %v\n%s", err, out)
			}
			f, err := image.NewHostFile(theirs)
			if err != nil {
				t.Fatal(err)
			}
			if got, err = Map(t.Context(), f); err != nil {
				t.Errorf("%s, static %s: %v", name, static, err)
				continue
			}
			same(t, name+", static "+static, got, m)
		}
	}
}

// small is a file with a disk of three blocks, of which two hold data.
func small(t testing.TB) []byte {
	file, err := Layout(t.Context(), disk(t, 3*mib, 0, 1, 2*mib, 1), image.Seed{}, image.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := image.ReadAll(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestMapRefuses what is damaged, cut off, or leads elsewhere.
func TestMapRefuses(t *testing.T) {
	le := binary.LittleEndian
	for want, change := range map[string]func(b []byte) []byte{
		"not a VDI file":                            func(b []byte) []byte { b[64]++; return b },
		"is of version 2.1, not 1.1":                func(b []byte) []byte { b[70] = 2; return b },
		"is of type 4 (4 is differencing)":          func(b []byte) []byte { b[76] = 4; return b },
		"is differencing, and needs its parent":     func(b []byte) []byte { b[424] = 1; return b },
		"has blocks of 1048577 bytes":               func(b []byte) []byte { b[376] = 1; return b },
		"too few for a disk of 1152921504606846976": func(b []byte) []byte { le.PutUint64(b[368:], 1<<60); return b },
		"table of 4294967295 blocks at byte 512":    func(b []byte) []byte { le.PutUint32(b[384:], 1<<32-1); return b },
		"block 2 of the disk at byte 2097152, and":  func(b []byte) []byte { return b[:2*mib] },
		"block 1 of the disk at byte 8388608, and":  func(b []byte) []byte { le.PutUint32(b[516:], 7); return b },
		"uses more blocks than the 4 that it has":   func(b []byte) []byte { return many(b) },
		"not a VDI file ":                           func(b []byte) []byte { return b[:100] },
	} {
		var err error
		b := change(small(t))
		fstest.Budget(t, len(b), func() { _, err = Map(t.Context(), image.Bytes(b)) })
		if err == nil || !strings.Contains(err.Error()+" ", want) {
			t.Errorf("Map = %v; want %q", err, want)
		}
	}
	if _, err := Map(t.Context(), image.Bytes(nil)); !errors.Is(err, ErrNotVDI) {
		t.Errorf("Map of nothing = %v; want %v", err, ErrNotVDI)
	}
}

// many makes the disk one of 100 blocks that are all the file's first.
func many(b []byte) []byte {
	binary.LittleEndian.PutUint32(b[384:], 100)
	binary.LittleEndian.PutUint64(b[368:], uint64(100*mib))
	clear(b[512 : 512+400])
	return b
}

// FuzzMap reads files with blocks of 4 KiB.
func FuzzMap(f *testing.F) {
	seed := append((&layout{size: 3 * blockSize, blocks: 3, data: 1024, runs: blocks.Runs{Count: 2}}).header(image.Seed{}), bytes.Repeat([]byte{0xff}, 512)...)
	clear(seed[512:516])
	binary.LittleEndian.PutUint32(seed[376:], 4096) // blocks
	binary.LittleEndian.PutUint64(seed[368:], 3*4096)
	binary.LittleEndian.PutUint32(seed[344:], 1024)
	f.Add(seed, uint16(8192))
	f.Fuzz(func(t *testing.T, head []byte, more uint16) {
		if len(head) > 8<<10 {
			return
		}
		b := append(bytes.Clone(head), make([]byte, more)...)
		var m *image.Map
		var err error
		fstest.Budget(t, len(b), func() { m, err = Map(t.Context(), image.Bytes(b)) })
		if err != nil {
			return
		}
		if n := m.Allocated(1); n > int64(len(b))+blocks.MaxBlock {
			t.Errorf("a file of %d bytes holds %d", len(b), n)
		}
		for _, at := range []int64{0, m.Size() - 1} {
			if n, err := m.ReadAt(make([]byte, 1), at); n != 1 && at >= 0 && m.Size() > 0 {
				t.Errorf("byte %d: %v", at, err)
			}
		}
	})
}
