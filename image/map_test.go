package image

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestBuilderRefuses(t *testing.T) {
	for _, c := range []struct {
		size    int64
		extents []Extent
		want    string
	}{
		{8, []Extent{{Off: 0, Len: 4, Src: Bytes("abcd"), Owner: &Owner{Name: "x"}}, {Off: 3, Len: 1, Src: Bytes("e")}},
			"extent [3, 4) overlaps extent [0, 4) of x"},
		{8, []Extent{{Off: 4, Len: 4, Src: Bytes("abcd")}, {Off: 4, Len: 4, Src: Bytes("abcd")}}, "overlaps"},
		{8, []Extent{{Off: 5, Len: 4, Src: Bytes("abcd")}}, "extent [5, 9) reaches beyond the 8 bytes of the map"},
		{8, []Extent{{Off: -1, Len: 4, Src: Bytes("abcd")}}, "reaches beyond"},
		{8, []Extent{{Off: 1<<63 - 2, Len: 4, Src: Bytes("abcd")}}, "reaches beyond"},
		{8, []Extent{{Off: 0, Len: 5, Src: Bytes("abcd")}}, "5 bytes from 0 of a source of 4"},
		{8, []Extent{{Off: 0, Len: 1, Src: Bytes("abcd"), SrcOff: 4}}, "1 bytes from 4 of a source of 4"},
		{8, []Extent{{Off: 0, Len: 1, Src: Bytes("abcd"), SrcOff: -1}}, "1 bytes from -1"},
		{8, []Extent{{Off: 0, Len: 0, Src: Bytes("abcd")}}, "0 bytes"},
		{8, []Extent{{Off: 0, Len: -1, Src: Bytes("abcd")}}, "-1 bytes"},
	} {
		var b Builder
		for _, e := range c.extents {
			b.AddExtent(e)
		}
		if _, err := b.Map(c.size); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Map = %v; want %q", err, c.want)
		}
	}
}

// Extents in any order, and those that touch, make a Map; an empty source is none.
func TestBuilderOrder(t *testing.T) {
	var b Builder
	b.Grow(4)
	b.Add(4, Bytes("ef"), nil)
	b.Add(0, Bytes("ab"), nil)
	b.Add(1, Bytes(nil), nil)
	b.Add(2, Bytes("cd"), nil)
	m, err := b.Map(6)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ReadAll(m); err != nil || string(got) != "abcdef" {
		t.Errorf("ReadAll = %q, %v; want abcdef", got, err)
	}
	if n := len(m.Extents()); n != 3 {
		t.Errorf("%d extents; want 3", n)
	}
}

func TestOverlay(t *testing.T) {
	var b Builder
	b.Add(2, Bytes("abcd"), nil)
	b.Add(8, Bytes("efgh"), nil)
	m, err := b.Map(14)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		off  int64
		src  string
		want string
	}{
		{0, "", "..abcd..efgh.."},
		{3, "", "..abcd..efgh.."},
		{14, "", "..abcd..efgh.."},
		{0, "X", "X.abcd..efgh.."},
		{2, "XYZW", "..XYZW..efgh.."},
		{3, "XY", "..aXYd..efgh.."},
		{5, "XYZWV", "..abcXYZWVgh.."},
		{0, "XXXXXXXXXXXXXX", "XXXXXXXXXXXXXX"},
		{13, "X", "..abcd..efgh.X"},
		{6, "XX", "..abcdXXefgh.."},
	} {
		o, err := m.Overlay(c.off, Bytes(c.src), nil)
		if err != nil {
			t.Errorf("Overlay(%d, %q): %v", c.off, c.src, err)
			continue
		}
		got, err := ReadAll(o)
		if got := strings.ReplaceAll(string(got), "\x00", "."); err != nil || got != c.want {
			t.Errorf("Overlay(%d, %q) = %s, %v; want %s", c.off, c.src, got, err, c.want)
		}
	}
	for _, off := range []int64{-1, 13, 1 << 62} {
		if _, err := m.Overlay(off, Bytes("XY"), nil); err == nil {
			t.Errorf("Overlay(%d, 2 bytes) of a map of 14 succeeded", off)
		}
	}
	if got, _ := ReadAll(m); string(bytes.Trim(got, "\x00")) != "abcd\x00\x00efgh" {
		t.Errorf("the Map itself is now %q", got)
	}
}

// leaves of nested Maps are where they lie in the outermost one.
func TestLeavesNested(t *testing.T) {
	file := Computed(1000, func([]byte, int64) error { return nil })
	var in, mid, out Builder
	in.Add(100, Section(file, 10, 500), &Owner{Name: "file", Parent: &Owner{Name: "dir"}})
	im, err := in.Map(1000)
	if err != nil {
		t.Fatal(err)
	}
	mid.Add(50, Section(im, 150, 200), nil)
	mm, err := mid.Map(400)
	if err != nil {
		t.Fatal(err)
	}
	out.Add(7, mm, &Owner{Name: "part"})
	m, err := out.Map(500)
	if err != nil {
		t.Fatal(err)
	}
	var got []Leaf
	for l := range m.Leaves(60, 100) {
		got = append(got, l)
	}
	if len(got) != 1 {
		t.Fatalf("%d leaves; want 1", len(got))
	}
	// The file's byte 60 is the inner map's 150, the middle one's 50, the disk's 57.
	if l := got[0]; l.Off != 60 || l.Len != 100 || l.SrcOff != 63 || l.Describe() != "part: dir/file" {
		t.Errorf("leaf = [%d, %d) from %d of %q; want [60, 160) from 63 of part: dir/file", l.Off, l.End(), l.SrcOff, l.Describe())
	}
	for range m.Leaves(0, 500) {
		break // an iteration that ends early must not panic
	}
}

// An error of a source is passed on, even if all bytes came with it.
func TestReadErrors(t *testing.T) {
	bad := errors.New("bad")
	m := single(t, 100, 10, fullButBad{bad})
	for name, b := range map[string]Blob{"Map": m, "Section": Section(m, 5, 90), "Section of the source": Section(fullButBad{bad}, 1, 5)} {
		if _, err := ReadAll(b); !errors.Is(err, bad) {
			t.Errorf("%s: ReadAll = %v; want the source's error", name, err)
		}
	}
	var none Builder
	none.Add(3, short{}, nil)
	m, err := none.Map(20)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ReadAll(m); !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "bytes [3, 13)") {
		t.Errorf("ReadAll of what ends early = %v; want %v", err, io.ErrUnexpectedEOF)
	}
}

type fullButBad struct{ err error }

func (fullButBad) Size() int64 { return 10 }

func (b fullButBad) ReadAt(p []byte, off int64) (int, error) { return len(p), b.err }

type short struct{}

func (short) Size() int64 { return 10 }

func (short) ReadAt(p []byte, off int64) (int, error) { return 0, io.EOF }

func TestAllocated(t *testing.T) {
	var b Builder
	b.Add(10, Bytes("x"), nil)
	b.Add(20, Bytes("x"), nil)
	b.Add(4090, Bytes("0123456789"), nil)
	b.Add(12287, Bytes("x"), nil)
	b.Add(16384, Hole(4096), nil)
	m, err := b.Map(1 << 20)
	if err != nil {
		t.Fatal(err)
	}
	for block, want := range map[int64]int64{1: 13, 4096: 3 * 4096, 1 << 16: 1 << 16} {
		if got := m.Allocated(block); got != want {
			t.Errorf("Allocated(%d) = %d; want %d", block, got, want)
		}
	}
}

// All Blobs follow io.ReaderAt at their ends.
func TestReaderAt(t *testing.T) {
	path := t.TempDir() + "/file"
	data := noise(100, 1)
	writeFile(t, path, data)
	for name, b := range map[string]Blob{
		"Bytes":    Bytes(data),
		"File":     hostFile(t, path),
		"Section":  Section(single(t, 120, 10, Bytes(data)), 10, 100),
		"Map":      single(t, 100, 0, Bytes(data)),
		"Computed": Computed(100, func(p []byte, off int64) error { copy(p, data[off:]); return nil }),
	} {
		for _, c := range []struct {
			off  int64
			n    int
			want int
			eof  bool
		}{{0, 100, 100, false}, {0, 0, 0, false}, {99, 1, 1, false}, {99, 2, 1, true}, {0, 101, 100, true}, {100, 1, 0, true}, {200, 1, 0, true}} {
			p := make([]byte, c.n)
			n, err := b.ReadAt(p, c.off)
			if n != c.want || c.eof && err != io.EOF || !c.eof && err != nil && err != io.EOF {
				t.Errorf("%s.ReadAt(%d, %d) = %d, %v; want %d, EOF %v", name, c.n, c.off, n, err, c.want, c.eof)
			}
			if !bytes.Equal(p[:n], data[min(c.off, 100):][:n]) {
				t.Errorf("%s.ReadAt(%d, %d): other bytes", name, c.n, c.off)
			}
		}
		if _, err := b.ReadAt(make([]byte, 1), -1); err == nil || err == io.EOF {
			t.Errorf("%s.ReadAt(-1) = %v; want an error", name, err)
		}
	}
}
