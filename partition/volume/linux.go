package volume

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"ingot/image"
	"ingot/internal/grammar"
	"ingot/internal/printable"
)

// Limits of Linux that hold for all of its file systems: include/uapi/linux/limits.h, and
// include/linux/kdev_t.h for the numbers of devices.
const (
	MaxName      = 255  // bytes of a name in a directory
	MaxSymlink   = 4095 // PATH_MAX without the zero at its end
	MaxXattrName = 255  // with the prefix
	MaxMajor     = 1<<12 - 1
	MaxMinor     = 1<<20 - 1
)

// CheckName refuses a name in the directory dir that Linux does not allow. The error names it.
func CheckName(dir *image.Owner, name string) error {
	if len(name) > MaxName {
		return fmt.Errorf("%s/%.32s…: the name is %d bytes long; Linux allows %d", printable.Name(dir.String()), printable.Name(name), len(name), MaxName)
	}
	return nil
}

// CheckNode refuses a node that the file systems of Linux cannot hold. The caller adds the path.
func CheckNode(n *image.Node) error {
	switch n.Mode.Type() {
	case 0, fs.ModeDir, fs.ModeNamedPipe, fs.ModeSocket:
	case fs.ModeSymlink:
		if size := len(n.Link); size < 1 || size > MaxSymlink {
			return fmt.Errorf("the symlink's target is %d bytes long; Linux allows 1 to %d", size, MaxSymlink)
		}
	case fs.ModeDevice, fs.ModeDevice | fs.ModeCharDevice:
		if n.Dev.Major > MaxMajor || n.Dev.Minor > MaxMinor {
			return fmt.Errorf("the device number is %d:%d; Linux allows up to %d:%d", n.Dev.Major, n.Dev.Minor, MaxMajor, MaxMinor)
		}
	default:
		return fmt.Errorf("is %s, which no file system of Linux can hold", image.Kind(n.Mode))
	}
	if n.Mtime.Nsec < 0 || n.Mtime.Nsec >= 1e9 {
		return fmt.Errorf("the modification time has %d nanoseconds; the limit is 999999999", n.Mtime.Nsec)
	}
	return nil
}

// FileType returns the number of a mode's type in directories: FT_ in
// include/linux/fs_types.h. It is 0 for an unknown type.
func FileType(m fs.FileMode) uint8 {
	switch m.Type() {
	case 0:
		return 1
	case fs.ModeDir:
		return 2
	case fs.ModeDevice | fs.ModeCharDevice:
		return 3
	case fs.ModeDevice:
		return 4
	case fs.ModeNamedPipe:
		return 5
	case fs.ModeSocket:
		return 6
	case fs.ModeSymlink:
		return 7
	}
	return 0
}

// EncodeDev is new_encode_dev in include/linux/kdev_t.h: 12 bits of major and 20 of minor.
func EncodeDev(d image.Dev) uint32 { return d.Minor&0xff | d.Major<<8 | d.Minor&^0xff<<12 }

// DecodeDev is the reverse of [EncodeDev].
func DecodeDev(n uint32) image.Dev {
	return image.Dev{Major: n >> 8 & MaxMajor, Minor: n&0xff | n>>12&0xfff00}
}

// An Xattr is an extended attribute on disk: a number replaces the prefix of its name.
type Xattr struct {
	Index uint8
	Name  string // without the prefix
	Full  string
	Value []byte
}

// An XattrPrefix is the beginning of a name, or a Whole name, that a number replaces.
type XattrPrefix struct {
	Index uint8
	Text  string
	Whole bool
}

// XattrPrefixes are those of ext4 and EROFS.
var XattrPrefixes = []XattrPrefix{
	{1, "user.", false},
	{2, "system.posix_acl_access", true},
	{3, "system.posix_acl_default", true},
	{4, "trusted.", false},
	{6, "security.", false},
}

// NewXattrs returns a file's attributes sorted by index and name. It refuses a name that stands
// twice and one that Linux or the prefixes do not allow.
func NewXattrs(list []image.Xattr, prefixes []XattrPrefix) ([]Xattr, error) {
	attributes := make([]Xattr, len(list))
	for i, x := range list {
		var err error
		if attributes[i], err = newXattr(x, prefixes); err != nil {
			return nil, fmt.Errorf("extended attribute %.100q: %w", x.Name, err)
		}
	}
	slices.SortFunc(attributes, func(a, b Xattr) int {
		return cmp.Or(cmp.Compare(a.Index, b.Index), cmp.Compare(a.Name, b.Name))
	})
	for i := 1; i < len(attributes); i++ {
		if name := attributes[i].Full; name == attributes[i-1].Full {
			return nil, fmt.Errorf("extended attribute %.100q: is given twice", name)
		}
	}
	return attributes, nil
}

func newXattr(x image.Xattr, prefixes []XattrPrefix) (Xattr, error) {
	for _, p := range prefixes {
		name, ok := strings.CutPrefix(x.Name, p.Text)
		switch {
		case !ok || p.Whole && name != "":
			continue
		case !p.Whole && name == "":
			return Xattr{}, errors.New("the name ends with its prefix")
		case len(x.Name) > MaxXattrName:
			return Xattr{}, fmt.Errorf("the name is %d bytes long; Linux allows %d", len(x.Name), MaxXattrName)
		case strings.Contains(name, "\x00"):
			return Xattr{}, errors.New("the name contains a zero byte")
		}
		return Xattr{p.Index, name, x.Name, x.Value}, nil
	}
	var known []string
	for _, p := range prefixes {
		known = append(known, p.Text)
	}
	return Xattr{}, fmt.Errorf("the name must begin with %s", grammar.Or(known...))
}
