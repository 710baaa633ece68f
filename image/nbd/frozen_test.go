package nbd

import (
	"bytes"
	"io"
	"testing"

	"ingot/image"
)

// TestOverlayMap: the Map reads as the Overlay does, and what is zero takes no space.
func TestOverlayMap(t *testing.T) {
	const size = 1<<20 + 512 // does not end with a block
	var b image.Builder
	b.Add(8192, image.Bytes(bytes.Repeat([]byte("base"), 8192)), nil)
	base, err := b.Map(size)
	if err != nil {
		t.Fatal(err)
	}
	o, err := TemporaryOverlay(base, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	for _, at := range []int64{0, 9000, 600_001, size - 3} {
		if _, err := o.WriteAt([]byte("new"), at); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.Zero(16384, 8192); err != nil {
		t.Fatal(err)
	}
	m, err := o.Map()
	if err != nil {
		t.Fatal(err)
	}
	want, got := make([]byte, size), make([]byte, size)
	if _, err := o.ReadAt(want, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := m.ReadAt(got, 0); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	if m.Size() != size || !bytes.Equal(got, want) {
		t.Errorf("Map has %d bytes; want the %d of the overlay, and the same", m.Size(), size)
	}
	// Five blocks of the base that were not zeroed, one of which was written to, and
	// three written ones.
	if got, want := m.Allocated(1), int64(6*overlayBlock+overlayBlock+overlayBlock+512); got != want {
		t.Errorf("Allocated = %d; want %d", got, want)
	}
}
