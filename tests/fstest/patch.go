package fstest

import (
	"io"
	"slices"
	"testing"

	"ingot/image"
)

// Metadata is what a reader reads of an image, for fuzz targets: an input is a script of
// changes to these bytes, a few dozen bytes where the image has a hundred KiB, and all that
// a fuzzer tries is met.
type Metadata struct {
	image []byte
	spans [][2]int64 // off, end; each once, in the order in which they were read
}

// Record notes what read reads of an image.
func Record(image []byte, read func(r image.Blob)) *Metadata {
	m := &Metadata{image: image}
	read(recorder{m})
	return m
}

// recorder notes what is read.
type recorder struct{ *Metadata }

// Size implements [image.Blob].
func (r recorder) Size() int64 { return int64(len(r.image)) }

// ReadAt implements [io.ReaderAt].
func (r recorder) ReadAt(p []byte, off int64) (int, error) {
	if span := [2]int64{off, min(off+int64(len(p)), r.Size())}; span[0] < span[1] && !slices.Contains(r.spans, span) {
		r.spans = append(r.spans, span)
	}
	return image.Bytes(r.image).ReadAt(p, off)
}

// Seeds returns scripts that change each of the parts that are read, and the empty one.
func (m *Metadata) Seeds() [][]byte {
	seeds := [][]byte{{}}
	for i := range min(len(m.spans), 256) {
		seeds = append(seeds, []byte{byte(i), 0, 0, 4, 0xff, 0xff, 0xff, 0xff}, []byte{byte(i), 8, 0, 4, 0, 0, 0, 0})
	}
	return seeds
}

// FuzzMetadata is the fuzz target of a reader of images: check is given one of the images
// with changes to what read reads of it. read must accept the images as they are.
func FuzzMetadata(f *testing.F, images [][]byte, read func(r image.Blob) error, check func(t *testing.T, b *Patched)) {
	f.Helper()
	var all []*Metadata
	for i, b := range images {
		m := Record(b, func(r image.Blob) {
			if err := read(r); err != nil {
				f.Fatal(err)
			}
		})
		all = append(all, m)
		for _, seed := range m.Seeds() {
			f.Add(uint8(i), seed)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, script []byte) {
		if len(script) > 512 {
			return
		}
		check(t, all[int(which)%len(all)].Patch(script))
	})
}

// Patch returns the image as a script changes it: the number of a part, the place in it (16
// bits, little-endian), how many bytes follow, and these; again and again.
func (m *Metadata) Patch(script []byte) *Patched {
	p := &Patched{base: m.image}
	for len(script) > 4 && len(m.spans) > 0 {
		span := m.spans[int(script[0])%len(m.spans)]
		at, n := int64(script[1])|int64(script[2])<<8, min(int(script[3]), len(script)-4)
		at = span[0] + at%(span[1]-span[0])
		p.Set(at, script[4:4+n])
		script = script[4+n:]
	}
	return p
}

// Patched is an image with changes. The image itself is shared.
type Patched struct {
	base    []byte
	patches []patch
}

type patch struct {
	off  int64
	data []byte
}

var _ image.Blob = (*Patched)(nil)

// Set changes the bytes at off, as far as the image has them.
func (p *Patched) Set(off int64, data []byte) { p.patches = append(p.patches, patch{off, data}) }

// Size implements [image.Blob].
func (p *Patched) Size() int64 { return int64(len(p.base)) }

// ReadAt implements [io.ReaderAt].
func (p *Patched) ReadAt(q []byte, off int64) (int, error) {
	n, err := image.Bytes(p.base).ReadAt(q, off)
	if err != nil && err != io.EOF {
		return n, err
	}
	for _, x := range p.patches {
		if at := x.off - off; at < int64(n) && at+int64(len(x.data)) > 0 {
			copy(q[max(at, 0):n], x.data[max(-at, 0):])
		}
	}
	return n, err
}
