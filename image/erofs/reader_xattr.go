package erofs

import (
	"encoding/binary"
	"errors"
	"fmt"

	"ingot/image"
)

var errXattr = errors.New("extended attributes: they are longer than they say")

// unpackXattrs returns the attributes that follow an inode, and those that it shares.
func (w *walk) unpackXattrs(b []byte) ([]image.Xattr, error) {
	if len(b) == 0 {
		return nil, nil
	}
	shared := int(b[4])
	b = b[xattrHeaderSize:]
	if len(b) < shared*xattrAlign {
		return nil, errXattr
	}
	ids, b := b[:shared*xattrAlign], b[shared*xattrAlign:]
	var list []image.Xattr
	for len(b) > 0 {
		x, size, err := unpackXattr(b)
		if err != nil {
			return nil, err
		}
		list, b = append(list, x), b[size:]
	}
	for ; len(ids) > 0; ids = ids[xattrAlign:] {
		x, err := w.sharedXattr(binary.LittleEndian.Uint32(ids))
		if err != nil {
			return nil, err
		}
		list = append(list, x)
	}
	return list, nil
}

// sharedXattr reads an attribute from the area that inodes share.
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

// unpackXattr returns the attribute at the beginning of b, and the bytes that it takes.
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
	for _, p := range xattrPrefixes {
		if p.index == b[1] {
			prefix = p.prefix
		}
	}
	if prefix == "" {
		return x, 0, fmt.Errorf("extended attributes: one has the name index %d, which is not read", b[1])
	}
	b = b[xattrEntrySize:]
	return image.Xattr{Name: prefix + string(b[:name]), Value: b[name : name+value : name+value]}, size, nil
}
