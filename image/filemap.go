package image

import (
	"fmt"

	"golang.org/x/sys/unix"

	"ingot/internal/printable"
)

// MapFile returns the regular file at path, such as a raw image, as a Map of its data. The
// file's holes are no extents. As with any [File], reading fails if the file is written to
// afterwards.
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
		from, to := dataWithin(int(h.Fd()), at, f.Size())
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

// dataWithin returns the first run of data of an open file between off and end, or an empty
// run at end. Without support for holes in the file system all bytes are data.
func dataWithin(fd int, off, end int64) (from, to int64) {
	from, err := unix.Seek(fd, off, unix.SEEK_DATA)
	switch {
	case err == unix.ENXIO, err == nil && from >= end:
		return end, end
	case err != nil || from < off:
		return off, end
	}
	to, err = unix.Seek(fd, from, unix.SEEK_HOLE)
	if err != nil || to <= from || to > end {
		to = end
	}
	return from, to
}
