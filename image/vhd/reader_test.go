package vhd

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ingot/image"
	"ingot/image/blocks"
	"ingot/tests/fstest"
	"ingot/tests/testenv"
)

// TestMap reads what Layout makes and what qemu-img does, fixed and dynamic, with the size of
// its own geometry and with that of others.
func TestMap(t *testing.T) {
	if _, err := exec.LookPath("qemu-img"); err != nil {
		testenv.Missing(t, "qemu-img is missing: tests/setup/debian brings it")
	}
	var b image.Builder
	b.Add(100, image.Bytes("begin"), nil)
	b.Add(5<<20+7, image.Bytes(strings.Repeat("middle", 1000)), nil)
	b.Add(9<<20-3, image.Bytes("end"), nil)
	m, err := b.Map(9 << 20)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	raw := filepath.Join(dir, "raw")
	write(t, m, raw)
	own, err := Layout(m, image.NewSeed([]byte("test")))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]image.Blob{"own": own}
	for _, options := range []string{"subformat=fixed", "subformat=dynamic", "subformat=fixed,force_size=on", "subformat=dynamic,force_size=on"} {
		path := filepath.Join(dir, options)
		if out, err := exec.Command("qemu-img", "convert", "-f", "raw", "-O", "vpc", "-o", options, raw, path).CombinedOutput(); err != nil {
			t.Fatalf("qemu-img: %v\n%s", err, out)
		}
		if files[options], err = image.NewHostFile(path); err != nil {
			t.Fatal(err)
		}
	}
	for name, file := range files {
		got, err := Map(t.Context(), file)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got.Size() < m.Size() {
			t.Errorf("%s: %d bytes; want at least %d", name, got.Size(), m.Size())
			continue
		}
		if diffs, err := image.Compare(t.Context(), m, image.Section(got, 0, m.Size()), image.WriteOptions{}); err != nil || len(diffs) > 0 {
			t.Errorf("%s: %v, %v; want the same bytes", name, diffs, err)
		}
		if name == "own" {
			continue
		}
		back := filepath.Join(dir, "back")
		write(t, got, back)
		if out, err := exec.Command("qemu-img", "compare", "-f", "vpc", "-F", "raw", filepath.Join(dir, name), back).CombinedOutput(); err != nil {
			t.Errorf("%s: qemu-img compare: %v\n%s", name, err, out)
		}
		out, err := exec.Command("qemu-img", "info", "-f", "vpc", "--output", "json", filepath.Join(dir, name)).Output()
		if want := fmt.Sprintf(`"virtual-size": %d,`, got.Size()); err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: qemu-img info: %v\n%s; want %s", name, err, out, want)
		}
	}
}

// dynamicFile is a file of the dynamic kind with a disk of as many blocks of 4 KiB, the first
// of which is there.
func dynamicFile(n int) []byte {
	be := binary.BigEndian
	f := encode(sizeUnit, image.Seed{})
	be.PutUint64(f[16:], footerSize)
	be.PutUint64(f[48:], uint64(n)*blocks.MinBlock)
	be.PutUint32(f[60:], diskTypeDynamic)
	sum(f, checksumAt)
	h := make([]byte, dynamicHeaderSize)
	copy(h, dynamicCookie)
	be.PutUint64(h[16:], footerSize+dynamicHeaderSize)
	be.PutUint32(h[28:], uint32(n))
	be.PutUint32(h[32:], blocks.MinBlock)
	sum(h, dynamicChecksumAt)
	table := bytes.Repeat([]byte{0xff}, (4*n+511)/512*512)
	at := footerSize + dynamicHeaderSize + len(table)
	be.PutUint32(table, uint32(at/512))
	data := append(make([]byte, 512), bytes.Repeat([]byte("x"), blocks.MinBlock)...)
	return bytes.Join([][]byte{f, h, table, data, f}, nil)
}

// sum makes a checksum right.
func sum(b []byte, at int) { binary.BigEndian.PutUint32(b[at:], checksum(b, at)) }

// TestMapRefuses what is damaged, cut off, or leads elsewhere.
func TestMapRefuses(t *testing.T) {
	be := binary.BigEndian
	both := func(b []byte, change func(f []byte)) []byte {
		for _, f := range [][]byte{b[:512], b[len(b)-512:]} {
			change(f)
			sum(f, checksumAt)
		}
		return b
	}
	head := func(b []byte, change func(h []byte)) []byte {
		change(b[512:1536])
		sum(b[512:1536], dynamicChecksumAt)
		return b
	}
	for want, change := range map[string]func(b []byte) []byte{
		"not a VHD file":                        func(b []byte) []byte { b[70]++; b[len(b)-400]++; return b },
		"is of type 4 (4 is differencing)":      func(b []byte) []byte { return both(b, func(f []byte) { f[63] = 4 }) },
		"of 1152921504606846976 bytes, and VHD": func(b []byte) []byte { return both(b, func(f []byte) { be.PutUint64(f[48:], 1<<60) }) },
		"lies at byte 1099511627776, and the":   func(b []byte) []byte { return both(b, func(f []byte) { be.PutUint64(f[16:], 1<<40) }) },
		"too few for a disk of 1048576":         func(b []byte) []byte { return both(b, func(f []byte) { be.PutUint64(f[48:], 1<<20) }) },
		`begins with "dxsparse"`:                func(b []byte) []byte { return head(b, func(h []byte) { h[0]++ }) },
		"has the checksum":                      func(b []byte) []byte { b[600]++; return b },
		"blocks of 6144 bytes":                  func(b []byte) []byte { return head(b, func(h []byte) { be.PutUint32(h[32:], 6144) }) },
		"table of 10 blocks at byte 1152":       func(b []byte) []byte { return head(b, func(h []byte) { be.PutUint64(h[16:], 1152921504606846976) }) },
		"block 1 of the disk at byte 4096512":   func(b []byte) []byte { be.PutUint32(b[1540:], 8000); return b },
		"some are used several times": func(b []byte) []byte {
			for i := 1540; i < 1576; i += 4 {
				copy(b[i:], b[1536:1540])
			}
			return b
		},
	} {
		var err error
		b := change(dynamicFile(10))
		fstest.Budget(t, len(b), func() { _, err = Map(t.Context(), image.Bytes(b)) })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Map = %v; want %q", err, want)
		}
	}
	cut := encode(sizeUnit, image.Seed{})
	if _, err := Map(t.Context(), image.Bytes(cut)); err == nil || !strings.Contains(err.Error(), "of which 0 are there: it is cut off") {
		t.Errorf("Map of a footer alone = %v", err)
	}
	if _, err := Map(t.Context(), image.Bytes(nil)); !errors.Is(err, ErrNotVHD) {
		t.Errorf("Map of nothing = %v; want %v", err, ErrNotVHD)
	}
}

// TestMapOfTheCopy: a dynamic file that has lost its end is read by the copy of the footer.
func TestMapOfTheCopy(t *testing.T) {
	b := dynamicFile(10)
	m, err := Map(t.Context(), image.Bytes(b[:len(b)-512]))
	if err != nil || m.Size() != 10*blocks.MinBlock || m.Allocated(1) != blocks.MinBlock {
		t.Errorf("Map = %v, %v; want a disk of 10 blocks with one", m, err)
	}
}

// FuzzMap reads fixed and dynamic files behind right checksums.
func FuzzMap(f *testing.F) {
	b := dynamicFile(10)
	f.Add(b[:2048], b[len(b)-512:], uint16(4096))
	f.Add([]byte{}, encode(sizeUnit, image.Seed{}), uint16(0))
	f.Fuzz(func(t *testing.T, head, tail []byte, between uint16) {
		if len(head)+len(tail) > 16<<10 {
			return
		}
		b := bytes.Join([][]byte{head, make([]byte, between), tail}, nil)
		if len(b) >= 512 {
			sum(b[len(b)-512:], checksumAt)
		}
		if len(b) >= 1536 {
			sum(b[512:1536], dynamicChecksumAt)
		}
		var m *image.Map
		var err error
		fstest.Budget(t, len(b), func() { m, err = Map(t.Context(), image.Bytes(b)) })
		if err != nil {
			return
		}
		if n := m.Allocated(1); n > int64(len(b))+blocks.MaxBlock {
			t.Errorf("a file of %d bytes holds %d", len(b), n)
		}
		if n, err := m.ReadAt(make([]byte, 1), m.Size()-1); n != 1 && m.Size() > 0 {
			t.Errorf("the last byte: %v", err)
		}
	})
}
