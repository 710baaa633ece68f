package inspect

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ingot/image"
	"ingot/image/diskfile"
	"ingot/image/fileformat"
	"ingot/internal/filekind"
	"ingot/internal/grammar"
	"ingot/internal/input"
)

// An Image is a disk, an ISO or a volume, in a file or on a device, or before it is written.
type Image struct {
	Name   string          // of the file; empty without one
	Format diskfile.Format // of the file
	Map    *image.Map      // the bytes of the disk
	Mode   os.FileMode     // of the file

	// Readings are those of the image as a whole, the one in use first.
	Readings []*Reading
	// Volumes are the image as a whole, if it can be a volume itself, and all parts that can:
	// those in use first, in the order of the disk's table.
	Volumes []*Volume

	closer io.Closer

	left int64 // bytes of volumes that may still be opened
}

// maxOverlap is how many times inspect reads the bytes of a disk as file systems, since a table
// can name the same ones thousands of times. An ISO with three tables and boot images needs
// six.
const maxOverlap = 16

// Of returns the image of a Map that has not been written.
func Of(m *image.Map) *Image { return &Image{Map: m, Format: diskfile.Raw} }

// Open opens an image file or a block device. Its name may have a word for its format, as in
// package diskfile.
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

// leastSize is that of the smallest disk: a sector.
const leastSize = 512

// tooShort refuses a file, or the disk in it, without a whole sector.
func tooShort(path string, size int64) error {
	if size == 0 {
		return fmt.Errorf("%s: is empty, and no image of a disk", path)
	}
	return fmt.Errorf("%s: has %s, too few for an image of a disk, which has sectors of %d", path, grammar.Count(size, "byte"), leastSize)
}

// A FolderError says that a path is a folder instead of an image.
type FolderError struct {
	Path   string
	Images []string // some images in the folder or its subfolders, by their names
}

func (e *FolderError) Error() string {
	s := e.Path + ": is a folder, not an image"
	if len(e.Images) > 0 {
		s += "; in it there is " + strings.Join(e.Images, ", ")
	}
	return s
}

// mostImages is how many images a FolderError names.
const mostImages = 3

// folderError looks for the images in a folder, such as the result of a build.
func folderError(path string) error {
	e := &FolderError{Path: path}
	for _, pattern := range []string{"*", "*/*"} {
		names, _ := fs.Glob(os.DirFS(path), pattern) // the pattern is right
		for _, n := range names {
			if f, ok := fileformat.OfName(n); ok && f.Read() && len(e.Images) < mostImages {
				e.Images = append(e.Images, filepath.Join(path, n))
			}
		}
	}
	return e
}

// A TextError says that a file is a text, or another file of a known kind, and no image.
type TextError struct {
	Path, What string
	Text       bool // not binary
}

func (e *TextError) Error() string { return e.Path + ": is no image of a disk: it is " + e.What }

// maxText is the largest size of a text.
const maxText = 16 << 20

// CheckText refuses with a [*TextError] a text or another of a person's files, unless a word
// behind its name makes it a disk. A file with the name of a disk and whole sectors is one,
// even if a guest has filled it with text.
func CheckText(name diskfile.Name, f io.ReaderAt, size int64) error {
	if name.Format != "" || size == 0 || size > maxText || name.IsDisk() && size%leastSize == 0 {
		return nil
	}
	head := make([]byte, min(size, filekind.Head))
	n, err := f.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return err
	}
	head = head[:n]
	isText := bytes.IndexByte(head, 0) < 0
	if !isText && !filekind.IsDocument(head) {
		return nil
	}
	return &TextError{name.Path, cmp.Or(filekind.Of(head), "a text"), isText}
}

// open opens the disk in a file, which stays open if the disk is read from it.
func (i *Image) open(ctx context.Context, name diskfile.Name, f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if i.Mode = info.Mode(); i.Mode.IsDir() {
		return folderError(name.Path)
	}
	size, err := f.Seek(0, io.SeekEnd) // stat has no size for devices
	if err != nil {
		return err
	}
	i.Format, err = name.Decide(f, size)
	if err == nil {
		err = CheckText(name, f, size)
	}
	switch {
	case err != nil:
		return err
	case size == 0, size < leastSize && name.Format == "":
		return tooShort(name.Path, size)
	case !i.Mode.IsRegular() && i.Format != diskfile.Raw:
		return fmt.Errorf("%s: a %s is read from a file, and this is none", name.Path, i.Format)
	case !i.Mode.IsRegular():
		i.Map, i.closer = image.MapOf(image.BlobOf(f, size), nil), f
		return nil
	}
	i.Map, err = fileMap(ctx, name.Path, i.Format)
	return errors.Join(err, f.Close())
}

// fileMap is the disk in a regular file.
func fileMap(ctx context.Context, path string, format diskfile.Format) (*image.Map, error) {
	if !format.Read() {
		return nil, fmt.Errorf("%s: ingot does not read the format %s", path, format)
	}
	is, _ := fileformat.Named(string(format))
	m, err := is.Open(ctx, path)
	if err == nil && !is.Plain && m.Size() < leastSize {
		return nil, tooShort(path, m.Size())
	}
	return m, err
}

// Close closes what is open of the image. Its Map must not be read any more.
func (i *Image) Close() error {
	if i.closer == nil {
		return nil
	}
	return i.closer.Close()
}

// String describes the image: "a qcow2 image with gpt of 2 partitions", "a raw image with
// ext4".
func (i *Image) String() string {
	s := fmt.Sprintf("a %s image", i.Format)
	if len(i.Readings) == 0 {
		return s
	}
	r := i.Readings[0]
	s += " with " + string(r.Kind)
	if r.Table != nil {
		s += " of " + grammar.Count(len(r.Table.Partitions), "partition")
	}
	return s
}

// Table returns the reading of the table in use, or nil. If the image has no other reading, the
// table may be unreadable.
func (i *Image) Table() *Reading {
	if len(i.Readings) > 0 && i.Readings[0].Kind.Class() == 0 {
		return i.Readings[0]
	}
	return nil
}

// take counts bytes that are opened as a file system, and refuses too many.
func (i *Image) take(size int64) error {
	if i.left -= size / maxOverlap; i.left < 0 {
		i.left = 0
		return fmt.Errorf("is not read: the partitions up to this one lie over each other, and have more than %d times the disk's %d bytes", maxOverlap, i.Map.Size())
	}
	return nil
}
