package image

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"ingot/internal/printable"
)

// MapFile returns the regular file at path as a Map of what it holds: a raw image, say.
// What the host's file system knows to be holes is no extent of it. As with any [File],
// one that is written to afterwards is an error when it is read.
func MapFile(path string) (*Map, error) {
	f, err := NewHostFile(path)
	if err != nil {
		return nil, err
	}
	h, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer h.Close()
	var b Builder
	for at := int64(0); at < f.Size(); {
		from, to, err := dataAfter(h, at, f.Size())
		if err != nil {
			return nil, err
		}
		if to > from {
			b.AddExtent(Extent{Off: from, Len: to - from, Src: f, SrcOff: from})
		}
		at = to
	}
	m, err := b.Map(f.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", printable.Name(path), err)
	}
	return m, f.Check(h)
}

// dataAfter returns the first run of data at or after off, or an empty one at the end.
func dataAfter(f *os.File, off, size int64) (from, to int64, err error) {
	from, err = unix.Seek(int(f.Fd()), off, unix.SEEK_DATA)
	switch {
	case err == unix.ENXIO:
		return size, size, nil
	case err != nil: // the file system does not tell: all is data
		return off, size, nil
	case from < off || from >= size:
		return size, size, nil
	}
	to, err = unix.Seek(int(f.Fd()), from, unix.SEEK_HOLE)
	if err != nil || to <= from || to > size {
		to = size
	}
	return from, to, nil
}
