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

	left int64 // bytes of volumes that may still be opened
}

// maxOverlap is how many times the bytes of a disk are read as file systems: a table can
// name the same ones thousands of times. An ISO with three tables and boot images comes to
// six.
const maxOverlap = 16

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

// leastSize is that of the smallest disk: a sector.
const leastSize = 512

// A ShortError says that a file, or the disk in it, is too small to be one.
type ShortError struct {
	Path string
	Size int64
}

func (e *ShortError) Error() string {
	if e.Size == 0 {
		return e.Path + ": is empty, and no image of a disk"
	}
	return fmt.Sprintf("%s: has %s, too few for an image of a disk, which has sectors of %d", e.Path, grammar.Count(e.Size, "byte"), leastSize)
}

// A FolderError says that a folder stands where an image was expected.
type FolderError struct {
	Path   string
	Images []string // that lie in it by their names, or in a folder of it: some of them
}

func (e *FolderError) Error() string {
	s := e.Path + ": is a folder, not an image"
	if len(e.Images) > 0 {
		s += "; in it there is " + strings.Join(e.Images, ", ")
	}
	return s
}

// mostImages is how many images of a folder are named.
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
	Text       bool // it is one, and nothing binary
}

func (e *TextError) Error() string { return e.Path + ": is no image of a disk: it is " + e.What }

// maxText is how large a file can be that is taken for a text.
const maxText = 16 << 20

// isText says whether a file is a text, or another of a person's files. What is named like a
// disk is one, even if a guest has filled it with text, but not if it has no whole sectors.
func isText(f io.ReaderAt, size int64, named bool) bool {
	if size == 0 || size > maxText || named && size%leastSize == 0 {
		return false
	}
	head := make([]byte, min(size, filekind.Head))
	n, err := f.ReadAt(head, 0)
	return (err == nil || err == io.EOF) && (bytes.IndexByte(head[:n], 0) < 0 || filekind.IsDocument(head[:n]))
}

// CheckText refuses with a [*TextError] a file that no word behind its name makes a disk, and
// that is a text or another of a person's files.
func CheckText(name diskfile.Name, f io.ReaderAt, size int64) error {
	if name.Format != "" || !isText(f, size, name.IsDisk()) {
		return nil
	}
	return textError(name.Path, f)
}

func textError(path string, f io.ReaderAt) error {
	head := make([]byte, filekind.Head)
	n, err := f.ReadAt(head, 0)
	if err != nil && err != io.EOF {
		return err
	}
	return &TextError{path, cmp.Or(filekind.Of(head[:n]), "a text"), bytes.IndexByte(head[:n], 0) < 0}
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
	size, err := f.Seek(0, io.SeekEnd) // which the stat of a device does not tell
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
		return &ShortError{name.Path, size}
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
		return nil, &ShortError{path, m.Size()}
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

// String says what the image is, for messages: "a qcow2 image with gpt of 2 partitions", "a
// raw image with ext4".
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

// Table returns the reading of the table that is in use, or nil. Where nothing else is known
// of the image, it may be one that cannot be read.
func (i *Image) Table() *Reading {
	if len(i.Readings) > 0 && i.Readings[0].Kind.Class() == 0 {
		return i.Readings[0]
	}
	return nil
}

// take takes from what may still be opened as file systems.
func (i *Image) take(size int64) error {
	if i.left -= size / maxOverlap; i.left < 0 {
		i.left = 0
		return fmt.Errorf("is not read: the partitions up to this one lie over each other, and have more than %d times the disk's %d bytes", maxOverlap, i.Map.Size())
	}
	return nil
}
