package fileformat

import (
	"context"
	"errors"
	"fmt"
	"io"

	"ingot/image"
	"ingot/image/docker"
	"ingot/image/tar"
	"ingot/image/vhd"
)

// A File is one of a format that has not been written: what it holds is read from the disk
// until it is closed.
type File struct {
	*image.Map
	closer io.Closer
}

// Close gives back what was compressed. The Map cannot be read any more.
func (f *File) Close() error {
	if f == nil || f.closer == nil {
		return nil
	}
	return f.closer.Close()
}

// Make returns the file that holds a disk, compressed if c has a type. What is compressed
// lies in the folder temp. Progress and Workers of the options count; where the disk is read,
// progress adds up to its size.
func (f Format) Make(ctx context.Context, disk *image.Map, temp string, c image.Compression, o image.WriteOptions) (*File, error) {
	if f.Layout == nil {
		return nil, fmt.Errorf("the format %s is not made of a disk", f.Name)
	}
	if err := errors.Join(f.CheckSize(disk.Size()), f.CheckCompression(c)); err != nil {
		return nil, err
	}
	if c.Type == "" {
		m, err := f.Layout(ctx, disk, o)
		if err != nil {
			return nil, err
		}
		return &File{m, nil}, nil
	}
	m, closer, err := f.Compress(ctx, disk, temp, c, o)
	if err != nil {
		return nil, err
	}
	return &File{m, closer}, nil
}

// CheckSize says why the format cannot hold a disk of a size.
func (f Format) CheckSize(size int64) error {
	if f.Check == nil {
		return nil
	}
	return f.Check(size)
}

// CheckCompression says why files of the format cannot be compressed in a way; without a type
// they are not.
func (f Format) CheckCompression(c image.Compression) error {
	if c.Type == "" && c.Level == 0 {
		return nil
	}
	_, _, err := c.Find(f.Name, f.Codecs)
	return err
}

// PackOptions say how files become an archive.
type PackOptions struct {
	docker.Options // MaxSize and LeftOut count for every format, what is run for a Container
	image.WriteOptions
}

// identified makes a Layout of one that derives identifiers from a seed, which the beginning
// of the disk is: with its GUIDs or its signature the partition table lies there.
func identified(layout func(context.Context, *image.Map, image.Seed, image.WriteOptions) (*image.Map, error)) func(context.Context, *image.Map, image.WriteOptions) (*image.Map, error) {
	return func(ctx context.Context, disk *image.Map, o image.WriteOptions) (*image.Map, error) {
		head := make([]byte, min(disk.Size(), 64<<10))
		if _, err := disk.ReadAt(head, 0); err != nil && err != io.EOF {
			return nil, err
		}
		return layout(ctx, disk, image.NewSeed(fmt.Appendf(head, "%d", disk.Size())), o)
	}
}

// asItIs is the Layout of a raw disk.
func asItIs(_ context.Context, disk *image.Map, _ image.WriteOptions) (*image.Map, error) {
	return disk, nil
}

func layOutVHD(_ context.Context, disk *image.Map, seed image.Seed, _ image.WriteOptions) (*image.Map, error) {
	return vhd.Layout(disk, seed)
}

func packTar(_ context.Context, files *image.Tree, o PackOptions) (*image.Map, error) {
	return tar.Layout(files, tar.Options{MaxSize: o.MaxSize, LeftOut: o.LeftOut})
}

func packDocker(ctx context.Context, files *image.Tree, o PackOptions) (*image.Map, error) {
	return docker.Layout(ctx, files, o.Options, o.WriteOptions)
}

// opened makes an Open of a function that finds the disk in a file.
func opened(disk func(context.Context, image.Blob) (*image.Map, error)) func(context.Context, string) (*image.Map, error) {
	return func(ctx context.Context, path string) (*image.Map, error) {
		file, err := image.NewHostFile(path)
		if err != nil {
			return nil, err
		}
		m, err := disk(ctx, file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		return m, nil
	}
}

func openRaw(_ context.Context, path string) (*image.Map, error) { return image.MapFile(path) }

// anySize makes a Detect of a function that does not need to know the size of the file.
func anySize(detect func(io.ReaderAt) bool) func(io.ReaderAt, int64) bool {
	return func(file io.ReaderAt, _ int64) bool { return detect(file) }
}

// isDMG looks for the trailer of an image of macOS.
func isDMG(file io.ReaderAt, size int64) bool {
	const trailer = 512
	var b [8]byte
	n, _ := file.ReadAt(b[:], max(size-trailer, 0))
	return n == len(b) && size >= trailer && string(b[:]) == "koly\x00\x00\x00\x04"
}
