package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"ingot/image"
	"ingot/image/erofs"
	"ingot/image/iso9660"
	"ingot/partition"
	"ingot/partition/ext4"
	"ingot/partition/fat"
)

// A diskImage is an image whose table and file systems have been read.
type diskImage struct {
	*disk
	ctx     context.Context    // that ends the reading
	table   *partition.Listing // nil if the image is one file system
	volumes []*volume
}

// A volume is a partition, a whole image that has no table or is an ISO, or a file of an
// ISO that is a file system itself.
type volume struct {
	partition.Placed
	filesystem string // "" for what ingot does not know
	open       func() (*image.Tree, error)
	tree       *image.Tree // nil for what ingot does not read
	err        error       // why there is no tree, though there is a file system
}

// String names the volume in messages.
func (v *volume) String() string {
	switch {
	case v.Number == 0 && v.Name != "" && v.Name != wholeISO:
		return v.Name + " in the image"
	case v.Number == 0:
		return "the image"
	case v.Name == "":
		return fmt.Sprintf("partition %d", v.Number)
	}
	return fmt.Sprintf("partition %d (%s)", v.Number, v.Name)
}

// openDiskImage opens an image and reads its table and all files of its file systems,
// without their contents. What is damaged is no error but in the volumes.
func openDiskImage(ctx context.Context, name string) (*diskImage, error) {
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s: is a folder, not an image: give a root as --root", name)
	}
	f, err := openDisk(name)
	if err != nil {
		return nil, err
	}
	d := &diskImage{disk: f, ctx: ctx}
	if err := d.read(); err != nil {
		f.close()
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return d, nil
}

func (d *diskImage) read() error {
	var err error
	d.table, err = partition.Read(d.bytes, d.size)
	switch {
	case err != nil && !errors.Is(err, partition.ErrNoTable):
		return err
	case iso9660.Detect(d.bytes):
		return d.readISO()
	case err != nil:
		d.volumes = []*volume{{Placed: partition.Placed{Size: d.size}}}
	default:
		for _, p := range d.table.Partitions {
			d.volumes = append(d.volumes, &volume{Placed: p})
		}
	}
	left := d.size // of the disk, a part for each partition that is read
	for _, v := range d.volumes {
		if err := v.find(until{d.ctx, d.bytes}, d.size); err != nil {
			return err
		}
		if v.open == nil {
			continue
		}
		if left -= v.Size / maxOverlap; left < 0 {
			left, v.err = 0, fmt.Errorf("is not read: the partitions up to this one lie over each other, and have more than %d times the disk's %d bytes", maxOverlap, d.size)
			continue
		}
		if err := v.readTree(v.open()); err != nil {
			return err
		}
	}
	return d.ctx.Err() // which is no damage of the volume that was being read
}

// until is what is read until its context ends: the readers of file systems look for it
// nowhere else.
type until struct {
	ctx context.Context
	io.ReaderAt
}

// ReadAt implements [io.ReaderAt].
func (u until) ReadAt(p []byte, off int64) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.ReaderAt.ReadAt(p, off)
}

// maxOverlap is how many times the bytes of a disk are read as file systems: a table can
// name the same ones thousands of times.
const maxOverlap = 4

// find finds out what file system a volume has, and how its tree is read.
func (v *volume) find(disk io.ReaderAt, size int64) error {
	if v.Start >= size {
		return nil // the table's own problem
	}
	v.Size = min(v.Size, size-v.Start)
	r := io.NewSectionReader(disk, v.Start, v.Size)
	head := make([]byte, 2048)
	if n, err := r.ReadAt(head, 0); err != nil && err != io.EOF {
		return err
	} else if n < len(head) {
		return nil
	}
	switch {
	case string(head[extMagicAt:][:2]) == extMagic:
		v.filesystem, v.open = "ext4", func() (*image.Tree, error) { return treeOf(ext4.Open(r, v.Size)) }
	case string(head[fatTypeAt:][:3]) == "FAT" || string(head[fat32TypeAt:][:3]) == "FAT":
		v.filesystem, v.open = "fat", func() (*image.Tree, error) { return treeOf(fat.Open(r, v.Size)) }
	case erofs.Detect(r):
		v.filesystem, v.open = "erofs", func() (*image.Tree, error) { return treeOf(erofs.Open(r, v.Size)) }
	case string(head[:len(squashfsMagic)]) == squashfsMagic:
		v.filesystem = "squashfs"
	}
	return nil
}

// treeOf reads the tree of a file system that was opened, or not.
func treeOf(r interface{ Tree() (*image.Tree, error) }, err error) (*image.Tree, error) {
	if err != nil {
		return nil, err
	}
	t, err := r.Tree()
	if err != nil {
		return nil, err
	}
	return t, t.Complete("/")
}

// readTree takes in what was read of the volume. What the host could not read is an
// error; what is damaged is for whoever wants the volume.
func (v *volume) readTree(t *image.Tree, err error) error {
	var host *os.PathError
	if errors.As(err, &host) {
		return err
	}
	if v.err = err; err == nil {
		v.tree = t
	}
	return nil
}

// wholeISO is what --partition calls an ISO beside the file systems that are files of it.
const wholeISO = "/"

// readISO reads an ISO as what it is on a CD: its table, which makes it a stick, has the
// same files once more. A system that ingot made may have its root in a file.
func (d *diskImage) readISO() error {
	whole := &volume{Placed: partition.Placed{Size: d.size}, filesystem: "iso9660"}
	whole.Name = wholeISO
	d.volumes = []*volume{whole}
	if err := whole.readTree(treeOf(iso9660.Open(d.bytes, d.size))); err != nil || whole.tree == nil {
		return err
	}
	for _, name := range []string{"/root.erofs", "/root.squashfs", "/nix-store.squashfs"} {
		n := whole.tree.Lookup(name)
		if n == nil || !n.Mode.IsRegular() || n.Data == nil {
			continue
		}
		inner := &volume{Placed: partition.Placed{Size: n.Size()}}
		inner.Name = name
		if err := inner.find(n.Data, n.Size()); err != nil {
			return err
		}
		if inner.open != nil {
			if err := inner.readTree(inner.open()); err != nil {
				return err
			}
		}
		d.volumes = append(d.volumes, inner)
	}
	return nil
}

// readable are the file systems whose trees are read, for messages.
const readable = "ext4, FAT, ISO 9660 or EROFS"

// Where volumes say what they are: the magic number of an ext4 superblock, the names that
// the boot sectors of FAT12, FAT16 and FAT32 bear, and what a squashfs begins with.
const (
	extMagicAt  = 1024 + 56
	extMagic    = "\x53\xef"
	fatTypeAt   = 54
	fat32TypeAt = 82

	squashfsMagic = "hsqs"
)
