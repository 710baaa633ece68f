package block

import (
	"errors"
	"io"

	"ingot/image"
	"ingot/partition/filesystems"
	"ingot/partition/volume"
)

// ID says what lies on a device. Fields that do not apply are empty.
type ID struct {
	Type      string // of the file system, as mount -t takes it, or swap, crypto_LUKS
	UUID      string
	Label     string
	PartUUID  string
	PartLabel string
	Table     string // gpt or dos: the device holds a partition table
}

// Identify reads the superblock on a device. An ID without a Type means that
// nothing known lies there.
func Identify(device io.ReaderAt) (ID, error) {
	size, err := sizeOf(device)
	if err != nil {
		return ID{}, err
	}
	p := volume.NewProbe(image.BlobOf(device, size))
	for _, k := range filesystems.All() {
		if id, ok := k.ID(p); ok && k.Class != volume.DiskLabel {
			return ID{Type: id.Type, UUID: id.UUID, Label: id.Label}, nil
		}
	}
	return ID{Table: table(p)}, p.Err()
}

// sizeOf returns the size of a device in bytes. That of a block device is where it ends.
func sizeOf(device io.ReaderAt) (int64, error) {
	s, ok := device.(io.Seeker)
	if !ok {
		return 0, errors.New("has no size")
	}
	return s.Seek(0, io.SeekEnd)
}

// table returns the kind of partition table that the device starts with.
func table(p *volume.Probe) string {
	if p.Has(512, gptMagic) || p.Has(4096, gptMagic) {
		return "gpt"
	}
	if !p.Has(mbrSignatureAt, "\x55\xaa") {
		return ""
	}
	for i := range int64(4) {
		if !p.Has(mbrEntriesAt+i*mbrEntrySize+mbrTypeAt, "\x00") {
			return "dos"
		}
	}
	return ""
}
