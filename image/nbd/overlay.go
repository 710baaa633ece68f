package nbd

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"sync"

	"golang.org/x/sys/unix"

	"ingot/image"
)

// An Overlay is a layer over a disk that takes writes, in blocks of 4 KiB, and leaves the
// disk itself as it is. It may be used by several goroutines; a read sees each write whole or
// not at all.
type Overlay struct {
	base *image.Map
	file *os.File  // as large as the disk; holes where nothing was written
	open io.Closer // the file, and what else is open for it
	kept bool      // the file outlives the process

	mu     sync.RWMutex
	states states
}

// overlayBlock is the unit in which an Overlay keeps writes.
const overlayBlock = 4096

// TemporaryOverlay returns an Overlay in a nameless file of the folder, which is gone with
// the process, however that ends.
func TemporaryOverlay(base *image.Map, dir string) (*Overlay, error) {
	file, err := image.NewScratch(dir)
	if err != nil {
		return nil, fmt.Errorf("overlay: %w", err)
	}
	if err := file.Truncate(roundUp(base.Size())); err != nil {
		file.Close()
		return nil, err
	}
	return &Overlay{base: base, file: file.File, open: file, states: newStates()}, nil
}

func roundUp(n int64) int64 { return (n + overlayBlock - 1) / overlayBlock * overlayBlock }

// Size returns the size of the disk.
func (o *Overlay) Size() int64 { return o.base.Size() }

// ReadAt implements [io.ReaderAt].
func (o *Overlay) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= o.Size() {
		return 0, io.EOF
	}
	n := min(int64(len(p)), o.Size()-off)
	o.mu.RLock()
	defer o.mu.RUnlock()
	for s := range o.states.spans(off, n) {
		if err := o.readSpan(p[s.off-off:s.off-off+s.n], s); err != nil {
			return int(s.off - off), err
		}
	}
	if int(n) < len(p) {
		return int(n), io.EOF
	}
	return len(p), nil
}

func (o *Overlay) readSpan(p []byte, s span) error {
	switch s.state {
	case zeroed:
		clear(p)
		return nil
	case written:
		return image.ReadFull(o.file, p, s.off)
	}
	return image.ReadFull(o.base, p, s.off)
}

// inside refuses a range that is not within the disk.
func (o *Overlay) inside(off, n int64) error {
	if off < 0 || n < 0 || off > o.Size()-n {
		return fmt.Errorf("%d bytes at %d are not within the %d of the disk", n, off, o.Size())
	}
	return nil
}

// WriteAt implements [io.WriterAt].
func (o *Overlay) WriteAt(p []byte, off int64) (int, error) {
	if err := o.inside(off, int64(len(p))); err != nil {
		return 0, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.copyUp(off, int64(len(p))); err != nil {
		return 0, err
	}
	n, err := o.file.WriteAt(p, off)
	if err != nil {
		return n, err
	}
	o.states.set(off/overlayBlock, roundUp(off+int64(len(p)))/overlayBlock, written)
	return n, nil
}

// copyUp copies the first and the last block of a range into the file, if the range covers
// only a part of them. A write of the range then makes them whole.
func (o *Overlay) copyUp(off, n int64) error {
	first, last := off/overlayBlock, (off+n-1)/overlayBlock
	for _, block := range []int64{first, last} {
		from := block * overlayBlock
		whole := off <= from && off+n >= min(from+overlayBlock, o.Size())
		if n == 0 || whole || o.states.get(block) == written {
			continue
		}
		var p [overlayBlock]byte
		s := span{from, min(overlayBlock, o.Size()-from), o.states.get(block)}
		if err := o.readSpan(p[:s.n], s); err != nil {
			return err
		}
		if _, err := o.file.WriteAt(p[:], from); err != nil {
			return err
		}
		o.states.set(block, block+1, written)
	}
	return nil
}

// Zero makes n bytes at off zeros, which then take no space.
func (o *Overlay) Zero(off, n int64) error {
	if err := o.inside(off, n); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	first, last := roundUp(off)/overlayBlock, (off+n)/overlayBlock // whole blocks
	if off+n == o.Size() {
		last = roundUp(off+n) / overlayBlock
	}
	if first >= last {
		return o.zeroPart(off, n)
	}
	if err := o.zeroPart(off, first*overlayBlock-off); err != nil {
		return err
	}
	if err := o.zeroPart(last*overlayBlock, max(off+n-last*overlayBlock, 0)); err != nil {
		return err
	}
	// On a file system without holes the old bytes stay, and are not read.
	err := unix.Fallocate(int(o.file.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, first*overlayBlock, (last-first)*overlayBlock)
	if err != nil && !errors.Is(err, unix.EOPNOTSUPP) {
		return &os.PathError{Op: "punch a hole into", Path: o.file.Name(), Err: err}
	}
	o.states.set(first, last, zeroed)
	return nil
}

// zeroPart zeroes less than a block, or parts of two.
func (o *Overlay) zeroPart(off, n int64) error {
	if n == 0 {
		return nil
	}
	if err := o.copyUp(off, n); err != nil {
		return err
	}
	if _, err := o.file.WriteAt(make([]byte, n), off); err != nil {
		return err
	}
	o.states.set(off/overlayBlock, roundUp(off+n)/overlayBlock, written)
	return nil
}

// Flush makes all writes durable, if the Overlay outlives the process.
func (o *Overlay) Flush() error {
	if !o.kept {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.save()
}

// Close flushes the Overlay and closes its file.
func (o *Overlay) Close() error { return errors.Join(o.Flush(), o.open.Close()) }

// runs implements device.
func (o *Overlay) runs(off, n int64) iter.Seq[run] {
	return joined(func(yield func(run) bool) {
		o.mu.RLock()
		spans := slices.Collect(o.states.spans(off, n))
		o.mu.RUnlock() // not held while yield sends to a client
		for _, s := range spans {
			if s.state != untouched {
				if !yield(run{s.off, s.n, s.state == zeroed}) {
					return
				}
				continue
			}
			for r := range runs(o.base, s.off, s.n) {
				if !yield(r) {
					return
				}
			}
		}
	})
}

var (
	_ device      = (*Overlay)(nil)
	_ io.WriterAt = (*Overlay)(nil)
)
