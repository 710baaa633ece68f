package erofs

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ingot/image"
)

// xattr is an extended attribute as EROFS names it.
type xattr struct {
	index      uint8
	name, full string
	value      []byte
}

// packXattrs returns what follows an inode with such attributes; nothing where there are
// none. All of them stand there, none in the area that inodes can share: a store has none
// at all, and elsewhere they are few.
func packXattrs(list []image.Xattr) ([]byte, error) {
	if len(list) == 0 {
		return nil, nil
	}
	xattrs, names := make([]xattr, len(list)), 0
	for i, x := range list {
		names += len(x.Name) + 1
		var err error
		if xattrs[i], err = newXattr(x); err != nil {
			return nil, fmt.Errorf("extended attribute %.100q: %w", x.Name, err)
		}
	}
	if names > maxXattrNames {
		return nil, fmt.Errorf("the names of the extended attributes take %d bytes; Linux lists at most %d", names, maxXattrNames)
	}
	slices.SortFunc(xattrs, func(a, b xattr) int { return cmp.Or(cmp.Compare(a.index, b.index), cmp.Compare(a.name, b.name)) })
	b := make([]byte, xattrHeaderSize)
	for i, x := range xattrs {
		if i > 0 && x.full == xattrs[i-1].full {
			return nil, fmt.Errorf("extended attribute %.100q: is given twice", x.full)
		}
		b = append(b, uint8(len(x.name)), x.index)
		b = binary.LittleEndian.AppendUint16(b, uint16(len(x.value)))
		b = append(append(b, x.name...), x.value...)
		b = append(b, make([]byte, alignUp(int64(len(b)), xattrAlign)-int64(len(b)))...)
	}
	if len(b) > maxXattrBody {
		return nil, fmt.Errorf("the extended attributes take %d bytes; EROFS allows %d", len(b), maxXattrBody)
	}
	return b, nil
}

func newXattr(x image.Xattr) (xattr, error) {
	for _, p := range xattrPrefixes {
		name, ok := strings.CutPrefix(x.Name, p.prefix)
		switch {
		case !ok || p.whole && name != "":
			continue
		case !p.whole && name == "":
			return xattr{}, errors.New("the name ends with its prefix")
		case len(x.Name) > maxXattrName:
			return xattr{}, fmt.Errorf("the name is %d bytes long; Linux allows %d", len(x.Name), maxXattrName)
		case strings.Contains(name, "\x00"):
			return xattr{}, errors.New("the name holds a zero byte")
		case len(x.Value) > maxXattrValue:
			return xattr{}, fmt.Errorf("the value is %d bytes long; EROFS allows %d", len(x.Value), maxXattrValue)
		}
		return xattr{p.index, name, x.Name, x.Value}, nil
	}
	return xattr{}, fmt.Errorf("EROFS holds those of user, trusted and security, and access control lists")
}

// icount is the i_xattr_icount of so many bytes.
func icount(n int) uint16 {
	if n == 0 {
		return 0
	}
	return uint16((n-xattrHeaderSize)/xattrAlign + 1)
}
