package nbd

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"ingot/image"
)

// An overlay that is kept is a sparse file: the blocks that were written, at their
// places on the disk; from the end of the disk on, rounded up to a block, a header;
// after that the states of all blocks, a byte each, in pages of 4096. What nobody wrote
// to is a hole in either part.
//
// A flush syncs the blocks before it writes the states, so that a state never tells of
// a block that is not there. Each state is either the old or the new one after a crash,
// as the sectors of a real disk are.

// keptHeader is what the header's block begins with, little-endian.
type keptHeader struct {
	Magic [8]byte
	Size  uint64   // of the disk
	Base  [32]byte // what the overlay lies over
}

var keptMagic = [8]byte{'i', 'n', 'g', 'o', 't', 'c', 'o', 'w'}

// kept is what an Overlay needs to be written down.
type kept struct{ header int64 } // where the header lies

func (k *kept) page(index int64) int64 { return k.header + overlayBlock + index*pageBlocks }

// An OverlayError says that a file cannot be the overlay of a disk.
type OverlayError struct {
	Path string
	Why  string
}

func (e *OverlayError) Error() string {
	return fmt.Sprintf("overlay %s: %s; name another file, or remove it to start anew", e.Path, e.Why)
}

// OpenOverlay returns the Overlay that the file at path keeps, a new one if there is no
// such file. It must not be in use elsewhere, and have been made over a disk of the
// same size and [Fingerprint]; an [*OverlayError] says that it was not.
func OpenOverlay(base *image.Map, path string) (*Overlay, error) {
	want := keptHeader{keptMagic, uint64(base.Size()), [32]byte{}}
	var err error
	if want.Base, err = Fingerprint(base); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	o := &Overlay{base: base, file: file, kept: &kept{roundUp(base.Size())}}
	if err := o.open(&want); err != nil {
		file.Close()
		return nil, err
	}
	return o, nil
}

func (o *Overlay) open(want *keptHeader) error {
	refuse := func(why string) error { return &OverlayError{o.file.Name(), why} }
	if err := unix.Flock(int(o.file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return refuse(fmt.Sprintf("is in use by another process (%v)", err))
	}
	info, err := o.file.Stat()
	switch {
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return refuse("is not a regular file")
	case info.Size() == 0:
		return o.create(want)
	}
	if have, err := o.readHeader(info.Size()); err != nil {
		return err
	} else if have == nil {
		return refuse(fmt.Sprintf("is not an overlay of a disk of %d bytes", o.Size()))
	} else if *have != *want {
		return refuse("was made over another disk, or what it was made over has changed since")
	}
	return o.load()
}

func (o *Overlay) create(h *keptHeader) error {
	if err := o.file.Truncate(o.kept.page(o.pages())); err != nil {
		return err
	}
	raw, err := binary.Append(nil, binary.LittleEndian, h)
	if err == nil {
		_, err = o.file.WriteAt(raw, o.kept.header)
	}
	return err
}

// pages is how many pages the states of all blocks take.
func (o *Overlay) pages() int64 {
	return (roundUp(o.Size())/overlayBlock + pageBlocks - 1) / pageBlocks
}

// readHeader returns nil where there is none.
func (o *Overlay) readHeader(size int64) (*keptHeader, error) {
	var h keptHeader
	raw := make([]byte, binary.Size(h))
	if size < o.kept.page(0) {
		return nil, nil
	}
	if _, err := o.file.ReadAt(raw, o.kept.header); err != nil {
		return nil, err
	}
	if err := binary.Read(bytes.NewReader(raw), binary.LittleEndian, &h); err != nil {
		return nil, err
	}
	if h.Magic != keptMagic {
		return nil, nil
	}
	return &h, nil
}

// load reads the states, as far as there are any.
func (o *Overlay) load() error {
	o.states.pages = map[int64]*statePage{}
	for at := o.kept.page(0); ; {
		from, err := unix.Seek(int(o.file.Fd()), at, unix.SEEK_DATA)
		if err == unix.ENXIO {
			return nil // no data from here on
		}
		if err != nil {
			return &os.PathError{Op: "seek data in", Path: o.file.Name(), Err: err}
		}
		index := (from - o.kept.page(0)) / pageBlocks
		if index >= o.pages() { // which would take memory, and mean nothing
			return &OverlayError{o.file.Name(), fmt.Sprintf("has data at %d, behind the states of all blocks", from)}
		}
		var raw [pageBlocks]byte
		if _, err := o.file.ReadAt(raw[:], o.kept.page(index)); err != nil && err != io.EOF {
			return err
		}
		page := new(statePage)
		for i, b := range raw {
			if b > byte(zeroed) {
				return &OverlayError{o.file.Name(), fmt.Sprintf("block %d has the unknown state %d", index*pageBlocks+int64(i), b)}
			}
			page[i] = state(b)
		}
		o.states.pages[index] = page
		at = o.kept.page(index + 1)
	}
}

// save writes down what has changed since it last did.
func (k *kept) save(o *Overlay) error {
	if err := fdatasync(o.file); err != nil {
		return err
	}
	if len(o.states.changed) == 0 {
		return nil
	}
	for index := range o.states.changed { // each has a place of its own
		page := o.states.pages[index]
		raw := make([]byte, pageBlocks)
		for i, s := range page {
			raw[i] = byte(s)
		}
		if _, err := o.file.WriteAt(raw, k.page(index)); err != nil {
			return err
		}
	}
	clear(o.states.changed)
	return fdatasync(o.file)
}

func fdatasync(f *os.File) error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EINTR) {
			return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
		}
	}
}

// Fingerprint tells disks apart without reading their files: it follows from the bytes
// that are in memory or computed, all metadata that is, and from the paths, sizes and
// times of the files. A disk made from the same files lying elsewhere has another one.
func Fingerprint(m *image.Map) ([32]byte, error) {
	h := sha256.New()
	fmt.Fprintf(h, "disk of %d bytes\n", m.Size())
	buf := make([]byte, 1<<20)
	for l := range m.Leaves(0, m.Size()) {
		fmt.Fprintf(h, "%d bytes at %d", l.Len, l.Off)
		f, ok := l.Src.(*image.File)
		if !ok {
			fmt.Fprintln(h)
			if _, err := io.CopyBuffer(struct{ io.Writer }{h}, io.NewSectionReader(l.Src, l.SrcOff, l.Len), buf); err != nil {
				return [32]byte{}, fmt.Errorf("%s: %w", l.Describe(), err)
			}
			continue
		}
		info, err := os.Stat(f.Path())
		if err != nil {
			return [32]byte{}, err
		}
		fmt.Fprintf(h, " of %q from %d, %d bytes, %d\n", f.Path(), l.SrcOff, f.Size(), info.ModTime().UnixNano())
	}
	return [32]byte(h.Sum(nil)), nil
}
