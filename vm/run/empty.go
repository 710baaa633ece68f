package run

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"ingot/image"
	"ingot/image/diskfile"
	"ingot/image/nbd"
	"ingot/image/qcow2"
	"ingot/internal/near"
	"ingot/partition"
	"ingot/partition/filesystems"
	"ingot/partition/volume"
	"ingot/vm"
)

// An Empty is a further disk, without any files.
type Empty struct {
	Size       int64
	Filesystem string // of the whole disk, one of [filesystems.Writable]; none if empty
	Label      string // of the file system
}

// ParseEmpty reads SIZE, SIZE:FILESYSTEM or SIZE:FILESYSTEM:LABEL.
func ParseEmpty(text string) (e Empty, err error) {
	size, rest, _ := strings.Cut(text, ":")
	e.Filesystem, e.Label, _ = strings.Cut(rest, ":")
	if e.Size, err = ParseSize(size); err == nil && (e.Size == 0 || e.Size%sector != 0) {
		err = fmt.Errorf("the size is %s; that of a disk is a multiple of %d bytes, and not 0", partition.FormatBytes(e.Size), sector)
	}
	if err == nil {
		err = e.check()
	}
	if err != nil {
		return e, &OptionError{OptionEmpty, text, err}
	}
	return e, nil
}

// fileSystem returns what makes the disk's file system, or nil if there is no such.
func (e Empty) fileSystem() volume.FileSystem {
	for _, k := range filesystems.Writable() {
		if k.Name == e.Filesystem {
			return k.FileSystem
		}
	}
	return nil
}

// check returns an error if there cannot be such a disk.
func (e Empty) check() error {
	names := filesystems.Names(filesystems.Writable())
	switch fs := e.fileSystem(); {
	case fs != nil:
		return fs.Check(e.volume(0))
	case e.Filesystem == "" && e.Label == "":
		return nil
	case e.Filesystem == "":
		return fmt.Errorf("a label is a file system's: name one of %s before it", strings.Join(names, ", "))
	default:
		meant := ""
		if name := near.Word(e.Filesystem, names); name != "" {
			meant = fmt.Sprintf("; did you mean %q?", name)
		}
		return fmt.Errorf("file system %q: a disk can have %s%s", e.Filesystem, strings.Join(names, ", "), meant)
	}
}

// volume is what is asked of the file system on the disk of number i: an identifier of its
// own among those of the machine.
func (e Empty) volume(i int) image.Volume {
	return image.Volume{Size: image.Exactly(e.Size), Label: e.Label, Seed: image.NewSeed(fmt.Appendf(nil, "empty disk %d", i))}
}

// Layout returns the bytes of the disk, the number i of its machine.
func (e Empty) Layout(i int) (*image.Map, error) {
	if e.Filesystem == "" {
		return image.Hole(e.Size), nil
	}
	m, err := e.fileSystem().Layout(image.NewTree(), e.volume(i))
	if err != nil {
		return nil, fmt.Errorf("empty disk %d: %w", i, err)
	}
	return m, nil
}

// Serve returns the disk of number i, whose bytes an NBD server of this process gives. What
// the guest writes to it is discarded on exit.
func (e Empty) Serve(ctx context.Context, i int) (vm.Disk, error) {
	m, err := e.Layout(i)
	if err != nil {
		return vm.Disk{}, err
	}
	socket, err := nbd.Connect(ctx, m, nbd.Options{})
	return vm.Disk{NBD: socket, Size: m.Size(), Serial: e.serial(i)}, err
}

func (e Empty) serial(i int) string { return fmt.Sprintf("empty%d", i) }

// empty makes the empty disk of number i.
func (w *wiring) empty(o *Options, i int) (vm.Disk, error) {
	e := o.Empty[i]
	if o.TempDir == "" {
		d, err := e.Serve(w.ctx, i)
		w.files = append(w.files, d.NBD)
		return d, err
	}
	d := vm.Disk{Path: o.emptyPath(i), Format: diskfile.QCOW2, Serial: e.serial(i), Writable: true}
	m, err := e.Layout(i)
	switch {
	case err != nil:
		return vm.Disk{}, err
	case w.dry:
		d.New = missing(d.Path)
		return d, nil
	}
	return d, create(w.ctx, d.Path, m)
}

// own makes a disk whose image is all of it, and not what has changed of something else:
// out of the base at the first start, and from then on whatever has become of it.
func (w *wiring) own(base Base, o *Options) (d vm.Disk, err error) {
	d = vm.Disk{Path: o.Overlay, Writable: true, Bus: base.Bus, Serial: base.Serial}
	if _, err := os.Stat(d.Path + baseSuffix); err == nil {
		return d, fmt.Errorf("%s keeps changes to another disk, as %[1]s%s says: name another file", d.Path, baseSuffix)
	}
	// What the guest has written to it decides nothing: it is the qcow2 that was made.
	d.Format = diskfile.QCOW2
	there, err := Base{File: d.Path, Format: d.Format}.open(w.ctx)
	switch {
	case errors.Is(err, fs.ErrNotExist) && w.dry:
		d.New, err = true, nil
	case errors.Is(err, fs.ErrNotExist):
		err = qcow2.Write(w.ctx, base.Map, d.Path, image.WriteOptions{Mode: keptMode})
	case err == nil && o.DiskSize > there.Size():
		err = fmt.Errorf("%s has %d bytes already, fewer than the %d requested: grow it with qemu-img resize and resize2fs, or remove it to start anew",
			d.Path, there.Size(), o.DiskSize)
	}
	return d, err
}

// keptMode is what the permissions of a new overlay begin with: what a guest writes is
// not for other users, such as its host keys.
const keptMode = 0o600

// create makes a qcow2 file, unless it is there.
func create(ctx context.Context, path string, m *image.Map) error {
	if !missing(path) {
		return nil
	}
	return qcow2.Write(ctx, m, path, image.WriteOptions{NoSync: true, Mode: keptMode})
}

// missing reports whether there is nothing at a path.
func missing(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}
