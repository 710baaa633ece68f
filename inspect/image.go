package inspect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"ingot/image"
	"ingot/image/diskfile"
	"ingot/image/qcow2"
	"ingot/internal/input"
)

// An Image is a disk, an ISO or a volume, as it lies in a file or on a device, or will.
type Image struct {
	Name   string          // of the file; empty for what is in none
	Format diskfile.Format // in which the disk lies in it
	Map    *image.Map      // the bytes of the disk
	Mode   os.FileMode     // of the file

	// Readings are those of the image as a whole, the one in use first.
	Readings []*Reading
	// Volumes are the image as a whole, where it is a volume itself, and all parts of it that
	// can be: those in use first, in the order of the disk's table.
	Volumes []*Volume

	closer io.Closer

	mu   sync.Mutex
	left int64 // bytes of volumes whose trees may still be read
}

// maxOverlap is how many times the bytes of a disk are read as file systems: a table can
// name the same ones thousands of times.
const maxOverlap = 4

// Of returns the image that a Map is, in no file as yet.
func Of(m *image.Map) *Image { return &Image{Map: m, Format: diskfile.Raw} }

// Open opens an image file or a block device, which may have a word for its format behind
// its name, as package diskfile reads it.
func Open(ctx context.Context, text string) (*Image, error) {
	name, err := diskfile.Parse(text)
	if err != nil {
		return nil, err
	}
	if err := input.Check(name.Path); err != nil {
		return nil, err
	}
	f, err := os.Open(name.Path)
	if err != nil {
		return nil, err
	}
	i := &Image{Name: name.Path}
	if err := i.open(ctx, name, f); err != nil {
		f.Close()
		return nil, err
	}
	return i, nil
}

// A FolderError says that a folder stands where an image was expected.
type FolderError struct{ Path string }

func (e *FolderError) Error() string { return e.Path + ": is a folder, not an image" }

// open opens the disk in a file, which stays open if the disk is read from it.
func (i *Image) open(ctx context.Context, name diskfile.Name, f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if i.Mode = info.Mode(); i.Mode.IsDir() {
		return &FolderError{name.Path}
	}
	i.Format, err = name.Decide(f)
	switch {
	case err != nil:
		return err
	case !i.Mode.IsRegular() && i.Format == diskfile.QCOW2:
		return fmt.Errorf("%s: a qcow2 is read from a file, and this is none", name.Path)
	case !i.Mode.IsRegular():
		i.Map, err = deviceMap(f)
		i.closer = f
		return err
	}
	i.Map, err = fileMap(ctx, name.Path, i.Format)
	return errors.Join(err, f.Close())
}

// fileMap is the disk in a regular file.
func fileMap(ctx context.Context, path string, format diskfile.Format) (*image.Map, error) {
	if format == diskfile.Raw {
		return image.MapFile(path)
	}
	file, err := image.NewHostFile(path)
	if err != nil {
		return nil, err
	}
	m, err := qcow2.Map(ctx, file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

// deviceMap is the disk of a block device.
func deviceMap(f *os.File) (*image.Map, error) {
	size, err := f.Seek(0, io.SeekEnd) // which its stat does not tell
	if err != nil {
		return nil, err
	}
	var b image.Builder
	b.Add(0, image.BlobOf(f, size), nil)
	return b.Map(size)
}

// Close closes what is open of the image. Its Map must not be read any more.
func (i *Image) Close() error {
	if i.closer == nil {
		return nil
	}
	return i.closer.Close()
}

// Table returns the reading of the table that is in use, or nil.
func (i *Image) Table() *Reading {
	if len(i.Readings) > 0 && i.Readings[0].Kind.Class() == Table {
		return i.Readings[0]
	}
	return nil
}

// take takes from what may still be read as trees.
func (i *Image) take(size int64) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.left -= size / maxOverlap; i.left < 0 {
		i.left = 0
		return fmt.Errorf("is not read: the partitions up to this one lie over each other, and have more than %d times the disk's %d bytes", maxOverlap, i.Map.Size())
	}
	return nil
}
