package erofs

import (
	"encoding/binary"
	"errors"
	"fmt"

	"ingot/image"
	"ingot/partition/volume"
)

var errXattr = errors.New("extended attributes: they are longer than their size")

// xattrs returns an inode's own attributes and those that it shares with others. Unreadable
// ones are flaws.
func (w *walk) xattrs(place *image.Place, p *parsed) ([]image.Xattr, error) {
	if p.xattrSize == 0 {
		return nil, nil
	}
	b, err := w.read(p.xattrAt, p.xattrSize)
	if err != nil {
		return nil, w.flaw(place, fmt.Errorf("extended attributes: %w", err), true)
	}
	shared := int(b[4])
	b = b[xattrHeaderSize:]
	if len(b) < shared*xattrAlign {
		return nil, w.flaw(place, errXattr, true)
	}
	ids, b := b[:shared*xattrAlign], b[shared*xattrAlign:]
	var list []image.Xattr
	add := func(x image.Xattr, err error) error {
		if err != nil {
			return w.flaw(place, err, !errors.As(err, new(kindError)))
		}
		list = append(list, x)
		return nil
	}
	for len(b) > 0 {
		x, size, err := unpackXattr(b)
		if err := add(x, err); err != nil {
			return nil, err
		}
		if size == 0 {
			break
		}
		b = b[size:]
	}
	for ; len(ids) > 0; ids = ids[xattrAlign:] {
		if err := add(w.sharedXattr(binary.LittleEndian.Uint32(ids))); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// A kindError is the error for an attribute with a prefix that is not in
// [volume.XattrPrefixes].
type kindError uint8

func (e kindError) Error() string {
	return fmt.Sprintf("an extended attribute has the unknown name index %d; ingot ignores it", uint8(e))
}

// sharedXattr reads an attribute from the shared area.
func (w *walk) sharedXattr(id uint32) (x image.Xattr, err error) {
	if x, ok := w.shared[id]; ok {
		return x, nil
	}
	at := int64(w.XattrBlkAddr)*blockSize + int64(id)*xattrAlign
	b, err := w.read(at, xattrEntrySize)
	if err != nil {
		return x, fmt.Errorf("shared extended attribute %d: %w", id, err)
	}
	size := xattrEntrySize + int64(b[0]) + int64(binary.LittleEndian.Uint16(b[2:]))
	if err := w.spend(size); err != nil {
		return x, err
	}
	if b, err = w.read(at, min(alignUp(size, xattrAlign), w.src.Size()-at)); err != nil {
		return x, fmt.Errorf("shared extended attribute %d: %w", id, err)
	}
	if x, _, err = unpackXattr(b); err == nil {
		w.shared[id] = x
	}
	return x, err
}

// unpackXattr returns the attribute at the beginning of b and its size in bytes, which is 0 if
// it is unknown.
func unpackXattr(b []byte) (x image.Xattr, size int, err error) {
	if len(b) < xattrEntrySize {
		return x, 0, errXattr
	}
	name, value := int(b[0]), int(binary.LittleEndian.Uint16(b[2:]))
	size = int(alignUp(int64(xattrEntrySize+name+value), xattrAlign))
	if size > len(b) {
		return x, 0, errXattr
	}
	prefix := ""
	for _, p := range volume.XattrPrefixes {
		if p.Index == b[1] {
			prefix = p.Text
		}
	}
	if prefix == "" {
		return x, size, kindError(b[1])
	}
	b = b[xattrEntrySize:]
	return image.Xattr{Name: prefix + string(b[:name]), Value: b[name : name+value : name+value]}, size, nil
}
