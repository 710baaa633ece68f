package nbd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ingot/image"
)

// FuzzKept opens overlays that were kept, with a patch somewhere in the file, and uses
// what can be opened.
func FuzzKept(f *testing.F) {
	const size = 20_000
	var b image.Builder
	b.Add(0, image.Bytes(strings.Repeat("base", size/4)), nil)
	m, err := b.Map(size)
	if err != nil {
		f.Fatal(err)
	}
	path := filepath.Join(f.TempDir(), "kept")
	o, err := OpenOverlay(m, path)
	if err != nil {
		f.Fatal(err)
	}
	for _, err := range []error{func() error { _, err := o.WriteAt([]byte("written"), 5000); return err }(), o.Zero(8192, 4096), o.Flush(), o.Close()} {
		if err != nil {
			f.Fatal(err)
		}
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	header, states := o.header(), o.page(0)
	f.Add(uint32(len(whole)), uint32(states), []byte{1, 2, 0, 2, 1})
	f.Add(uint32(len(whole)), uint32(states+4), []byte{1, 1, 1, 1})
	f.Add(uint32(len(whole)), uint32(header), []byte("ingotcow\x00"))
	f.Add(uint32(states), uint32(0), []byte("x"))
	f.Add(uint32(1<<20), uint32(1<<20-1), []byte{1})
	// A file in memory, which is opened by its number, costs a tenth of one on a disk.
	fd, err := unix.MemfdCreate("kept", unix.MFD_CLOEXEC)
	if err != nil {
		f.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), "kept")
	defer file.Close()
	f.Fuzz(func(t *testing.T, length, at uint32, patch []byte) {
		length, at = length%(2<<20), at%(2<<20)
		for _, err := range []error{
			file.Truncate(0), file.Truncate(int64(length)),
			func() error { _, err := file.WriteAt(whole[:min(int(length), len(whole))], 0); return err }(),
			func() error { _, err := file.WriteAt(patch[:min(len(patch), 8192)], int64(at)); return err }(),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		o, err := OpenOverlay(m, fmt.Sprintf("/proc/self/fd/%d", fd))
		if err != nil {
			if _, ok := errors.AsType[*OverlayError](err); !ok {
				t.Errorf("OpenOverlay = %v; want an OverlayError", err)
			}
			return
		}
		defer o.Close()
		for index := range o.states.pages {
			if index >= o.pages() {
				t.Errorf("page %d of the states is in memory; the disk has %d", index, o.pages())
			}
		}
		if _, err := o.ReadAt(make([]byte, size), 0); err != nil {
			t.Errorf("ReadAt = %v", err)
		}
		if err := o.Zero(100, 5000); err != nil {
			t.Errorf("Zero = %v", err)
		}
	})
}
