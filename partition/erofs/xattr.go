package erofs

import (
	"encoding/binary"
	"fmt"

	"ingot/image"
	"ingot/partition/volume"
)

// packXattrs returns the bytes behind an inode with such attributes, none if there are none.
// It puts no attribute into the area that inodes can share: a store has no attributes at all,
// and elsewhere they are few.
func packXattrs(list []image.Xattr) ([]byte, error) {
	if len(list) == 0 {
		return nil, nil
	}
	xattrs, err := volume.NewXattrs(list, volume.XattrPrefixes)
	if err != nil {
		return nil, err
	}
	names := 0
	b := make([]byte, xattrHeaderSize)
	for _, x := range xattrs {
		names += len(x.Full) + 1
		if len(x.Value) > maxXattrValue {
			return nil, fmt.Errorf("extended attribute %.100q: the value is %d bytes long; EROFS allows %d", x.Full, len(x.Value), maxXattrValue)
		}
		b = append(b, uint8(len(x.Name)), x.Index)
		b = binary.LittleEndian.AppendUint16(b, uint16(len(x.Value)))
		b = append(append(b, x.Name...), x.Value...)
		b = append(b, make([]byte, alignUp(int64(len(b)), xattrAlign)-int64(len(b)))...)
	}
	if names > maxXattrNames {
		return nil, fmt.Errorf("the names of the extended attributes take %d bytes; Linux lists at most %d", names, maxXattrNames)
	}
	if len(b) > maxXattrBody {
		return nil, fmt.Errorf("the extended attributes take %d bytes; EROFS allows %d", len(b), maxXattrBody)
	}
	return b, nil
}

// icount is the i_xattr_icount of n bytes of attributes.
func icount(n int) uint16 {
	if n == 0 {
		return 0
	}
	return uint16((n-xattrHeaderSize)/xattrAlign + 1)
}
