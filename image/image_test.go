package image

import (
	"bytes"
	"io"
	"math"
	"testing"
)

func TestMapOverlayAndRead(t *testing.T) {
	var inner Builder
	inner.Add(4, Bytes("abcdef"), &Owner{Name: "inner"})
	im, err := inner.Map(16)
	if err != nil {
		t.Fatal(err)
	}
	var outer Builder
	outer.Add(8, im, &Owner{Name: "part"})
	m, err := outer.Map(32)
	if err != nil {
		t.Fatal(err)
	}
	m, err = m.Overlay(14, Bytes("XY"), &Owner{Name: "boot"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := ReadAll(m)
	if err != nil {
		t.Fatal(err)
	}
	want := append(append(make([]byte, 12), "abXYef"...), make([]byte, 14)...)
	if !bytes.Equal(got, want) {
		t.Errorf("ReadAll = %q; want %q", got, want)
	}
	var names []string
	for l := range m.Leaves(0, m.Size()) {
		names = append(names, l.Describe())
	}
	if len(names) != 3 || names[0] != "part: inner" || names[1] != "boot" || names[2] != "part: inner" {
		t.Errorf("Leaves = %q", names)
	}
	if n, err := m.ReadAt(make([]byte, 8), 28); n != 4 || err != io.EOF {
		t.Errorf("ReadAt(8, 28) = %d, %v; want 4, EOF", n, err)
	}
	if got := m.Allocated(4); got != 8 {
		t.Errorf("Allocated(4) = %d; want 8", got)
	}
}

func TestBuilderRefusesOverlap(t *testing.T) {
	var b Builder
	b.Add(0, Bytes("abcd"), &Owner{Name: "x"})
	b.Add(3, Bytes("e"), &Owner{Name: "y"})
	if _, err := b.Map(8); err == nil {
		t.Error("Map accepted extents that overlap")
	}
}

func TestCivil(t *testing.T) {
	for _, c := range []struct {
		sec  int64
		want Civil
	}{
		{0, Civil{1970, 1, 1, 0, 0, 0}},
		{-1, Civil{1969, 12, 31, 23, 59, 59}},
		{951782400, Civil{2000, 2, 29, 0, 0, 0}},
		{4102444799, Civil{2099, 12, 31, 23, 59, 59}},
		{-62135596800, Civil{1, 1, 1, 0, 0, 0}},
		{math.MinInt64, Civil{-292277022657, 1, 27, 8, 29, 52}},
		{math.MaxInt64, Civil{292277026596, 12, 4, 15, 30, 7}},
	} {
		if got := (Time{Sec: c.sec}).Civil(); got != c.want {
			t.Errorf("Civil(%d) = %v; want %v", c.sec, got, c.want)
		}
	}
}
