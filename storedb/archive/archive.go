package archive

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"

	"ingot/image"
	"ingot/storedb/compression"
)

// Options says how an archive is read. The zero value reads all of it as it is.
type Options struct {
	// Strip is how many leading directories are taken off every name; what has no more
	// than these is left out. 1 suits a source tarball, whose files all lie in one folder.
	Strip int
	// Unpacked is how many bytes the contents may have that are unpacked; 4 GiB if 0. The first
	// 64 MiB of them are held in memory.
	Unpacked int64
	// Temp is the folder of a file without a name, for the rest; /var/tmp if empty.
	Temp string
	// LeftOut is called with each entry that is left out, or taken for another type, since a tree
	// has no such type. Nil refuses the archive instead.
	LeftOut func(entry string, why error)
	// Storable leaves out what no item of a store can be, too: devices and FIFOs.
	Storable bool
	// Entries is how many entries there may be, and how many directories; 4 Mi if 0.
	Entries int
}

// Read returns the files that the archive at path holds, below one directory.
func Read(path string, o Options) (*image.Node, error) {
	f, err := image.NewHostFile(path)
	if err != nil {
		return nil, err
	}
	return ReadBlob(path, f, o)
}

// ReadBlob is [Read] for an archive that is a Blob. name stands for it in errors.
func ReadBlob(name string, b image.Blob, o Options) (*image.Node, error) {
	n, err := open(b, o)
	var changed *image.ChangedError
	if err != nil && !errors.As(err, &changed) {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return n, err
}

// open keeps a file of the host open while it is read.
func open(b image.Blob, o Options) (*image.Node, error) {
	f, ok := b.(*image.File)
	if !ok {
		return read(b, b, o)
	}
	h, err := f.Open()
	if err != nil {
		return nil, err
	}
	defer h.Close()
	n, err := read(opened{f, h}, b, o)
	if changed := f.Check(h); changed != nil {
		return nil, changed
	}
	return n, err
}

// opened is a file of the host that is read without opening it anew each time.
type opened struct {
	*image.File
	h *os.File
}

func (o opened) ReadAt(p []byte, off int64) (int, error) { return o.h.ReadAt(p, off) }

// read reads from b; contents become sections of lasting, which has the same bytes.
func read(b, lasting image.Blob, o Options) (*image.Node, error) {
	magic, err := head(b)
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(magic, []byte(arMagic)) {
		tarball, err := debContents(b)
		if err != nil {
			return nil, err
		}
		// Where the tarball begins is the same in lasting: ask there, too.
		if lasting, err = debContents(lasting); err != nil {
			return nil, err
		}
		b = tarball
		if magic, err = head(b); err != nil {
			return nil, err
		}
	}
	t := &tarReader{tree: &image.Tree{Root: image.NewDir(0o755)}, Options: o}
	t.Unpacked, t.Entries, t.Temp = cmp.Or(t.Unpacked, 4<<30), cmp.Or(t.Entries, 4<<20), cmp.Or(t.Temp, "/var/tmp")
	in := io.NewSectionReader(b, 0, b.Size())
	method := compression.Detect(magic)
	if method == "none" {
		return t.read(in, lasting)
	}
	r, err := compression.Open(method, in)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return t.read(newBounded(r, t.Unpacked), nil)
}

func head(b image.Blob) ([]byte, error) {
	return image.ReadAll(image.Section(b, 0, min(b.Size(), max(compression.MagicSize, int64(len(arMagic))))))
}
