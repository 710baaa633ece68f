package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"ingot/image"
	"ingot/partition"
	"ingot/partition/ext4"
	"ingot/partition/fat"
)

// A diskImage is an image whose table and file systems have been read.
type diskImage struct {
	*disk
	table   *partition.Listing // nil if the image is one file system
	volumes []*volume
}

// A volume is a partition, or a whole image that has no table.
type volume struct {
	partition.Placed
	filesystem string // "ext4", "fat", or "" for what ingot does not read
	tree       *image.Tree
	err        error // why there is no tree, though there is a file system
}

// String names the volume in messages.
func (v *volume) String() string {
	switch {
	case v.Number == 0:
		return "the image"
	case v.Name == "":
		return fmt.Sprintf("partition %d", v.Number)
	}
	return fmt.Sprintf("partition %d (%s)", v.Number, v.Name)
}

// openDiskImage opens an image and reads its table and all files of its file systems,
// without their contents. What is damaged is no error but in the volumes.
func openDiskImage(name string) (*diskImage, error) {
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s: is a folder, not an image: give a root as --root", name)
	}
	f, err := openDisk(name)
	if err != nil {
		return nil, err
	}
	d := &diskImage{disk: f}
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
	case errors.Is(err, partition.ErrNoTable):
		d.volumes = []*volume{{Placed: partition.Placed{Size: d.size}}}
	case err != nil:
		return err
	default:
		for _, p := range d.table.Partitions {
			d.volumes = append(d.volumes, &volume{Placed: p})
		}
	}
	for _, v := range d.volumes {
		if err := v.read(d.bytes, d.size); err != nil {
			return err
		}
	}
	return nil
}

// read finds out what file system a volume has, and reads its tree.
func (v *volume) read(disk io.ReaderAt, size int64) error {
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
	var reader interface{ Tree() (*image.Tree, error) }
	var err error
	switch {
	case string(head[extMagicAt:][:2]) == extMagic:
		v.filesystem = "ext4"
		reader, err = ext4.Open(r, v.Size)
	case string(head[fatTypeAt:][:3]) == "FAT" || string(head[fat32TypeAt:][:3]) == "FAT":
		v.filesystem = "fat"
		reader, err = fat.Open(r, v.Size)
	default:
		return nil
	}
	if err == nil {
		v.tree, err = reader.Tree()
	}
	var host *os.PathError
	if errors.As(err, &host) {
		return err
	}
	v.err = err
	return nil
}

// Where volumes say what they are: the magic number of an ext4 superblock, and the
// names that the boot sectors of FAT12, FAT16 and FAT32 bear.
const (
	extMagicAt  = 1024 + 56
	extMagic    = "\x53\xef"
	fatTypeAt   = 54
	fat32TypeAt = 82
)
