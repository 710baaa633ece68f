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
	n := image.NewFile(0o444, nil)
	head := fmt.Appendf(nil, "%s%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%s\x00", magicNewc,
		1, n.UnixMode(), n.UID, n.GID, 1, n.Mtime.Sec, data.Size(), 0, 0, 0, 0, len(name)+1, 0, name)
	head = append(head, make([]byte, pad(int64(len(head))))...)
	var b image.Builder
	b.Add(0, image.Bytes(head), nil)
	b.Add(int64(len(head)), data, nil)
	after := int64(len(head)) + data.Size()
	after += pad(after)
	b.Add(after, end, nil)
	return b.Map(after + end.Size())
}

// Join returns archives one after the other, as the kernel takes them for one: each begins at a
// multiple of 4 bytes.
func Join(archives ...image.Blob) (*image.Map, error) {
	var b image.Builder
	end := int64(0)
	for _, data := range archives {
		b.Add(end, data, nil)
		end += data.Size()
		end += pad(end)
	}
	return b.Map(end)
}
