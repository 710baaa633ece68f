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

// A File is the Map of a file that has not been written yet. Its source must stay open until
// it is closed.
type File struct {
	*image.Map
	closer io.Closer
}

// Close deletes compressed data. The Map cannot be read any more.
func (f *File) Close() error {
	if f == nil || f.closer == nil {
		return nil
	}
	return f.closer.Close()
}

// Make returns the file that holds a disk, compressed if c has a type; compressed data lie in
// the folder temp. Progress and Workers of the options count; if Make reads the disk, progress
// adds up to its size.
func (f Format) Make(ctx context.Context, disk *image.Map, temp string, c image.Compression, o image.WriteOptions) (*File, error) {
	if f.Layout == nil {
		return nil, fmt.Errorf("the format %s is not made of a disk", f.Name)
	}
	if err := errors.Join(f.CheckSize(disk.Size()), f.CheckCompression(c)); err != nil {
		return nil, err
	}
	file := &File{}
	var err error
	if c.Type == "" {
		file.Map, err = f.Layout(ctx, disk, o)
	} else {
		file.Map, file.closer, err = f.Compress(ctx, disk, temp, c, o)
	}
	if err != nil {
		return nil, err
	}
	return file, nil
}

// CheckSize refuses a disk that is larger than the format holds.
func (f Format) CheckSize(size int64) error {
	if f.Check == nil {
		return nil
	}
	return f.Check(size)
}

// CheckCompression refuses a compression that the format does not have.
func (f Format) CheckCompression(c image.Compression) error {
	if c.Type == "" && c.Level == 0 {
		return nil
	}
	_, _, err := c.Find(f.Name, f.Codecs)
	return err
}

// PackOptions say how files become an archive.
type PackOptions struct {
	docker.Options // those of tar count for every format, the others for a Container
	image.WriteOptions
}

// identified makes a Layout of a function that derives identifiers from a seed. The seed is
// the beginning of the disk, which has the GUIDs or the signature of the partition table.
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
	return tar.Layout(files, o.Options.Options)
}

func packDocker(ctx context.Context, files *image.Tree, o PackOptions) (*image.Map, error) {
	return docker.Layout(ctx, files, o.Options, o.WriteOptions)
}

// opened makes an Open of a function that returns the disk in a file.
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
