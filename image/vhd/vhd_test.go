package vhd

import (
	"context"
	"encoding/binary"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ingot/image"
	"ingot/tests/testenv"
)

func write(t *testing.T, m *image.Map, path string) {
	t.Helper()
	if err := image.WriteRaw(context.Background(), m, path, image.WriteOptions{NoSync: true}); err != nil {
		t.Fatal(err)
	}
}

// TestJudged has qemu-img compare disks of several sizes with what they are made of. It
// checks the footer's sum before.
func TestJudged(t *testing.T) {
	if _, err := exec.LookPath("qemu-img"); err != nil {
		testenv.Missing(t, "qemu-img is missing: tests/setup/debian brings it")
	}
	for size, want := range map[int64]int64{
		1: 1 << 20, 1 << 20: 1 << 20, 1<<20 + 1: 2 << 20, 100 << 20: 100 << 20, 137 << 30: 137 << 30, maxSize: maxSize,
	} {
		var b image.Builder
		b.Add(0, image.Bytes("\x55"), nil)
		if size > 1<<20 {
			b.Add(size-512, image.Bytes(strings.Repeat("\xaa", 512)), nil)
		}
		m, err := b.Map(size)
		if err != nil {
			t.Fatal(err)
		}
		file, err := Layout(m, image.NewSeed([]byte("test")))
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		vhd, raw := filepath.Join(dir, "disk.vhd"), filepath.Join(dir, "disk.raw")
		write(t, file, vhd)
		write(t, m, raw)
		if out, err := exec.Command("qemu-img", "compare", "-f", "vpc", "-F", "raw", vhd, raw).CombinedOutput(); err != nil {
			t.Errorf("%d bytes: qemu-img compare: %v\n%s", size, err, out)
		}
		out, err := exec.Command("qemu-img", "info", "-f", "vpc", "--output", "json", vhd).Output()
		if err != nil || !strings.Contains(string(out), fmt.Sprintf(`"virtual-size": %d,`, want)) {
			t.Errorf("%d bytes: qemu-img info: %v\n%s; want %d", size, err, out, want)
		}
	}
}

func TestFooter(t *testing.T) {
	if n := binary.Size(footer{}); n != footerSize {
		t.Errorf("the footer has %d bytes; want %d", n, footerSize)
	}
	a, b := encode(1<<20, image.NewSeed([]byte("a"))), encode(1<<20, image.NewSeed([]byte("b")))
	if string(a[68:84]) == string(b[68:84]) || string(a[:64]) != string(b[:64]) {
		t.Error("disks of two seeds differ in something else than their UUID, or not in it")
	}
	if _, err := Layout(disk(t, maxSize+1), image.Seed{}); err == nil || !strings.Contains(err.Error(), "which holds 2190433320960") {
		t.Errorf("Layout of too large a disk = %v; want a refusal", err)
	}
}

func disk(t *testing.T, size int64) *image.Map {
	t.Helper()
	m, err := new(image.Builder).Map(size)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestGeometry has what qemu-img writes for disks of as many sectors, and the largest.
func TestGeometry(t *testing.T) {
	for sectors, want := range map[int64]string{
		2108: "31 4 17", 20536: "302 4 17", 2097648: "2081 16 63", 83888880: "20561 16 255", 1 << 40: "65535 16 255",
	} {
		c, h, s := geometry(sectors)
		if got := fmt.Sprint(c, h, s); got != want {
			t.Errorf("geometry(%d) = %s; want %s", sectors, got, want)
		}
	}
}
