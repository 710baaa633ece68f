package swap

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/image"
	"ingot/tests/fstest"
)

var seed = image.NewSeed([]byte("swap test"))

// write lays an area out and returns the path of its image.
func write(t *testing.T, a Area, v image.Volume) string {
	t.Helper()
	v.Seed = seed
	m, err := a.Layout(nil, v)
	if err != nil {
		t.Fatalf("Layout(%+v) = %v", v, err)
	}
	img := filepath.Join(t.TempDir(), "swap")
	if err := fstest.Write(m, img); err != nil {
		t.Fatal(err)
	}
	return img
}

func ask(t *testing.T, img, tag string) string {
	t.Helper()
	blkid := fstest.Judge(t, "blkid", "util-linux")
	return strings.TrimSuffix(fstest.Run(t, blkid, "-p", "-s", tag, "-o", "value", img), "\n")
}

func TestJudges(t *testing.T) {
	const id = "0b9b7f3c-1f0e-4d7c-8e43-0f6ad7b6b2a4"
	img := write(t, Area{}, image.Volume{Label: "sixteen bytes xx", UUID: id, Size: image.Exactly(1 << 20)})
	for tag, want := range map[string]string{"TYPE": "swap", "VERSION": "1", "LABEL": "sixteen bytes xx", "UUID": id} {
		if got := ask(t, img, tag); got != want {
			t.Errorf("blkid: %s = %q; want %q", tag, got, want)
		}
	}
	out := fstest.Run(t, fstest.Judge(t, "swaplabel", "util-linux"), img)
	if !strings.Contains(out, "LABEL: sixteen bytes xx\n") || !strings.Contains(out, id) {
		t.Errorf("swaplabel: %s", out)
	}
	out = fstest.Run(t, fstest.Judge(t, "file", "file"), "-b", img)
	if !strings.Contains(out, "4k page size, little endian, version 1, size 255 pages, 0 bad pages") {
		t.Errorf("file: %s", out)
	}
}

// TestMkswap compares with the bytes that mkswap makes.
func TestMkswap(t *testing.T) {
	mkswap := fstest.Judge(t, "mkswap", "util-linux")
	const id = "0b9b7f3c-1f0e-4d7c-8e43-0f6ad7b6b2a4"
	want := filepath.Join(t.TempDir(), "want")
	if err := os.WriteFile(want, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	fstest.Run(t, mkswap, "-q", "-p", "4096", "-L", "abc", "-U", id, want)
	got := write(t, Area{}, image.Volume{Label: "abc", UUID: id, Size: image.Exactly(1 << 20)})
	if read(t, got) != read(t, want) {
		t.Error("the area is not mkswap's")
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestDerivedUUID(t *testing.T) {
	v := image.Volume{Size: image.Exactly(40 << 10), Seed: seed}
	if got, want := ask(t, write(t, Area{}, v), "UUID"), (Area{}).UUID(v); got != want {
		t.Errorf("blkid: UUID = %s; want %s", got, want)
	}
}

func TestSize(t *testing.T) {
	for _, c := range []struct {
		size image.Size
		want int64
		last uint32
	}{
		{image.Exactly(40960), 40960, 9},
		{image.Exactly(45055), 45055, 9},
		{image.Exactly(45056), 45056, 10},
		{image.Fit(0), 40960, 9},
		{image.Fit(9 * 4096), 40960, 9},
		{image.Fit(9*4096 + 1), 45056, 10},
		{image.Fit(1 << 30), 1<<30 + 4096, 1 << 18},
		{image.Exactly(1 << 44), 1 << 44, 1<<32 - 1},
	} {
		m, err := Area{}.Layout(image.NewTree(), image.Volume{Size: c.size})
		if err != nil {
			t.Errorf("Layout(%+v) = %v", c.size, err)
			continue
		}
		var p [4]byte
		if _, err := m.ReadAt(p[:], headerOffset+4); err != nil {
			t.Fatal(err)
		}
		if last := binary.LittleEndian.Uint32(p[:]); m.Size() != c.want || last != c.last {
			t.Errorf("Layout(%+v): %d bytes, last page %d; want %d, %d", c.size, m.Size(), last, c.want, c.last)
		}
		if n := m.Allocated(4096); n != 4096 {
			t.Errorf("Layout(%+v) allocates %d bytes; want 4096", c.size, n)
		}
	}
}

func TestRefused(t *testing.T) {
	ok := image.Exactly(1 << 20)
	for _, c := range []struct {
		area Area
		v    image.Volume
		want string
	}{
		{Area{}, image.Volume{}, "needs 40960 bytes, has 0"},
		{Area{}, image.Volume{Size: image.Exactly(40959)}, "needs 40960 bytes, has 40959"},
		{Area{}, image.Volume{Size: image.Exactly(1<<44 + 1)}, "a swap area allows 17592186044416"},
		{Area{}, image.Volume{Size: image.Fit(1 << 44)}, "a swap area allows 17592186040320"},
		{Area{}, image.Volume{Size: image.Fit(-1)}, "negative"},
		{Area{}, image.Volume{Size: ok, Label: "seventeen bytes x"}, "17 bytes long; a swap area holds at most 16"},
		{Area{}, image.Volume{Size: ok, Label: "a\nb"}, "control characters"},
		{Area{}, image.Volume{Size: ok, Label: "a "}, "ends with a space"},
		{Area{}, image.Volume{Size: ok, UUID: "ABCD-1234"}, "of the form"},
		{Area{}, image.Volume{Size: ok, UUID: "{0b9b7f3c-1f0e-4d7c-8e43-0f6ad7b6b2a4}"}, "of the form"},
		{Area{}, image.Volume{Size: ok, UUID: "00000000-0000-0000-0000-000000000000"}, "read as none"},
	} {
		err := c.area.Check(c.v)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("Check(%+v) = %v; want %q", c.v, err, c.want)
		}
		if _, err := c.area.Layout(nil, c.v); err == nil {
			t.Errorf("Layout(%+v) is accepted", c.v)
		}
	}
	if err := (Area{}).Check(image.Volume{Size: ok, Label: "a\u3000b"}); err != nil { // as mkswap
		t.Errorf("a wide space in a label: %v", err)
	}
	var small *image.TooSmallError
	if err := (Area{}).Check(image.Volume{Size: image.Exactly(1)}); !errors.As(err, &small) {
		t.Errorf("Check(1 byte) = %v; want a TooSmallError", err)
	}
}

func TestTreeMustBeEmpty(t *testing.T) {
	tree := image.NewTree()
	if err := tree.Put("/file", image.NewFile(0o644, nil)); err != nil {
		t.Fatal(err)
	}
	_, err := Area{}.Layout(tree, image.Volume{Size: image.Exactly(1 << 20)})
	if err == nil || !strings.Contains(err.Error(), "/file") {
		t.Errorf("Layout of a file = %v; want an error that names /file", err)
	}
}
