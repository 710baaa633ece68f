package nbd

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"ingot/image"
)

// The file of a kept overlay is sparse. It has the written blocks, at their places on the
// disk; from the end of the disk on, rounded up to a block, a header; after that the states of
// all blocks, a byte each, in pages of 4096. Untouched blocks are holes in either part.
//
// A flush syncs the blocks before it writes the states, so that a state never names a block
// that is not there. After a crash each state is either the old or the new one, like a sector
// of a real disk.

// keptHeader begins the header's block, little-endian.
type keptHeader struct {
	Magic [8]byte
	Size  uint64   // of the disk
	Base  [32]byte // the Fingerprint of the disk
}

var keptMagic = [8]byte{'i', 'n', 'g', 'o', 't', 'c', 'o', 'w'}

// header returns where the header lies in the file.
func (o *Overlay) header() int64 { return roundUp(o.Size()) }

// page returns where a page of states lies in the file.
func (o *Overlay) page(index int64) int64 { return o.header() + overlayBlock + index*pageBlocks }

// pages returns how many pages the states of all blocks take.
func (o *Overlay) pages() int64 { return (o.header()/overlayBlock + pageBlocks - 1) / pageBlocks }

// An OverlayError says that a file cannot be the overlay of a disk.
type OverlayError struct {
	Path string
	Why  string
}

func (e *OverlayError) Error() string {
	return fmt.Sprintf("overlay %s: %s; name another file, or remove it to start anew", e.Path, e.Why)
}

// OpenOverlay returns the Overlay that the file at path keeps, or makes a new one if there is
// no such file. An [*OverlayError] says that another process uses the file, or that it is no
// overlay of a disk of this size and [Fingerprint].
func OpenOverlay(base *image.Map, path string) (*Overlay, error) {
	want := keptHeader{Magic: keptMagic, Size: uint64(base.Size())}
	var err error
	if want.Base, err = Fingerprint(base); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	o := &Overlay{base: base, file: file, open: file, kept: true, states: newStates()}
	if err := o.start(want); err != nil {
		file.Close()
		return nil, err
	}
	return o, nil
}

// start locks the file and reads its states, or makes an empty file an overlay.
func (o *Overlay) start(want keptHeader) error {
	refuse := func(format string, args ...any) error {
		return &OverlayError{o.file.Name(), fmt.Sprintf(format, args...)}
	}
	if err := unix.Flock(int(o.file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return refuse("is in use by another process (%v)", err)
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
	var have keptHeader
	raw := make([]byte, binary.Size(have))
	if err := image.ReadFull(o.file, raw, o.header()); err != nil && err != io.ErrUnexpectedEOF {
		return err
	}
	binary.Decode(raw, binary.LittleEndian, &have) // of zeros if the file is too short
	switch {
	case have.Magic != keptMagic || info.Size() < o.page(0):
		return refuse("is not an overlay of a disk of %d bytes", o.Size())
	case have != want:
		return refuse("was made over another disk, or that disk has changed since")
	}
	return o.load()
}

func (o *Overlay) create(h keptHeader) error {
	if err := o.file.Truncate(o.page(o.pages())); err != nil {
		return err
	}
	raw, _ := binary.Append(nil, binary.LittleEndian, h) // the type has a fixed size
	_, err := o.file.WriteAt(raw, o.header())
	return err
}

// load reads the pages of states that the file has.
func (o *Overlay) load() error {
	for at := o.page(0); ; {
		from, err := unix.Seek(int(o.file.Fd()), at, unix.SEEK_DATA)
		if err == unix.ENXIO {
			return nil // no data from here on
		}
		if err != nil {
			return &os.PathError{Op: "seek data in", Path: o.file.Name(), Err: err}
		}
		index := (from - o.page(0)) / pageBlocks
		if index >= o.pages() { // pages without a meaning, which would take memory
			return &OverlayError{o.file.Name(), fmt.Sprintf("has data at %d, behind the states of all blocks", from)}
		}
		var raw [pageBlocks]byte
		if err := image.ReadFull(o.file, raw[:], o.page(index)); err != nil && err != io.ErrUnexpectedEOF {
			return err
		}
		page := new(statePage)
		for i, b := range raw {
			if page[i] = state(b); page[i] > zeroed {
				return &OverlayError{o.file.Name(), fmt.Sprintf("block %d has the unknown state %d", index*pageBlocks+int64(i), b)}
			}
		}
		o.states.pages[index] = page
		at = o.page(index + 1)
	}
}

// save writes the states that have changed since the last time.
func (o *Overlay) save() error {
	if err := fdatasync(o.file); err != nil {
		return err
	}
	if len(o.states.changed) == 0 {
		return nil
	}
	for index := range o.states.changed { // each has a place of its own
		raw := make([]byte, pageBlocks)
		for i, s := range o.states.pages[index] {
			raw[i] = byte(s)
		}
		if _, err := o.file.WriteAt(raw, o.page(index)); err != nil {
			return err
		}
	}
	clear(o.states.changed)
	return fdatasync(o.file)
}

func fdatasync(f *os.File) error {
	err := unix.Fdatasync(int(f.Fd()))
	for err == unix.EINTR {
		err = unix.Fdatasync(int(f.Fd()))
	}
	if err != nil {
		return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
	}
	return nil
}

// Fingerprint tells disks apart without reading their files: it is a hash of the bytes in
// memory or computed, which are all metadata, and of the paths, sizes and times of the files.
// If the same files lie elsewhere, their disk has another fingerprint.
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
