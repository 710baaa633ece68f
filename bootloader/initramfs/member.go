package initramfs

import (
	"errors"
	"fmt"
	"math"

	"ingot/image"
)

// Member returns an uncompressed archive that holds one file at its root, for reading alone. Its
// bytes are those of [Pack]; but it refers to the file's, of which there may be gigabytes.
func Member(name string, data image.Blob) (*image.Map, error) {
	if err := image.CheckName(name); err != nil {
		return nil, fmt.Errorf("initramfs: %w", err)
	}
	if data.Size() > math.MaxUint32 {
		return nil, fmt.Errorf("initramfs: %s: %w", name, errors.New(tooLarge(data.Size())))
	}
	end, err := Pack(image.NewTree(), None)
	if err != nil {
		return nil, err
	}
	// The fields of cpio's newc format, in hexadecimal: Documentation/driver-api/early-userspace/buffer-format.rst.
	n := image.NewFile(0o444, nil)
	head := fmt.Appendf(nil, "%s%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\x00", newcMagic,
		1, n.UnixMode(), n.UID, n.GID, 1, n.Mtime.Sec, data.Size(), 0, 0, 0, 0, len(name)+1, 0, name)
	for len(head)%newcAlign != 0 {
		head = append(head, 0)
	}
	var b image.Builder
	b.Add(0, image.Bytes(head), nil)
	b.Add(int64(len(head)), data, nil)
	after := (int64(len(head)) + data.Size() + newcAlign - 1) / newcAlign * newcAlign
	b.Add(after, end, nil)
	return b.Map(after + end.Size())
}

const (
	newcMagic = "070701"
	newcAlign = 4 // of the file's bytes, and of what follows them
)
