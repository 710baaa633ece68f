package inspect

import (
	"bytes"
	"errors"
	"fmt"

	"ingot/image"
	"ingot/partition"
	"ingot/partition/volume"
)

// A Volume is a part of an image that can hold files: the image as a whole, a partition, a
// boot image of El Torito, or a file of an ISO.
type Volume struct {
	// Placed is a partition's entry in the table. Number is 0 if the volume is none.
	partition.Placed
	// Table is the table that lists the partition.
	Table *Reading
	// File is the path of a file of an ISO, BootImage the number of an entry of the boot
	// catalog of El Torito, from 1 on.
	File      string
	BootImage int

	Data     image.Blob // its bytes
	Readings []*Reading // the one in use first
	// InUse says that the volume follows from the image's reading in use.
	InUse bool
}

// String names the volume in messages.
func (v *Volume) String() string {
	switch {
	case v.File != "":
		return v.File + " in the image"
	case v.BootImage > 0:
		return fmt.Sprintf("boot image %d of El Torito", v.BootImage)
	case v.Table == nil:
		return "the image"
	case v.Name == "":
		return fmt.Sprintf("partition %d", v.Number)
	}
	return fmt.Sprintf("partition %d (%s)", v.Number, v.Name)
}

// Reading returns the reading in use, or nil if there is none.
func (v *Volume) Reading() *Reading {
	if len(v.Readings) == 0 {
		return nil
	}
	return v.Readings[0]
}

// Kind returns that of the reading in use, or "".
func (v *Volume) Kind() Kind {
	if r := v.Reading(); r != nil {
		return r.Kind
	}
	return ""
}

// HoldsFiles says whether the volume's kind can hold files, whether or not ingot reads it.
func (v *Volume) HoldsFiles() bool {
	r := v.Reading()
	if r == nil {
		return false
	}
	class := r.Kind.Class()
	return class != 0 && class != volume.Memory
}

// Tree returns the volume's files by its reading in use.
func (v *Volume) Tree() (*image.Tree, error) {
	r := v.Reading()
	if r == nil {
		return nil, errors.New("holds no file system that ingot knows: it reads " + Readable())
	}
	return r.Tree()
}

// unknown says whether the volume has data and no reading.
func (v *Volume) unknown() (bool, error) {
	if len(v.Readings) > 0 || v.Size == 0 || v.Type == "bios-boot" || v.Type == "prep" {
		return false, nil
	}
	head := make([]byte, min(v.Size, 64<<10))
	if _, err := v.Data.ReadAt(head, 0); IsHost(err) {
		return false, err
	}
	return len(bytes.Trim(head, "\x00")) > 0, nil
}
