package archive

import (
	"fmt"
	"strings"

	"ingot/image"
	"ingot/internal/printable"
)

// debContents returns the tarball of a Debian package's files, compressed as it is.
func debContents(b image.Blob) (image.Blob, error) {
	for off, n := int64(len(arMagic)), 0; off < b.Size(); n++ {
		member, data, err := arMember(b, off)
		if err != nil {
			return nil, err
		}
		switch {
		case n == 0 && member.name != debBinary:
			return nil, fmt.Errorf("is an ar archive, but no Debian package: its first member is %q, not %q", member.name, debBinary)
		case n == 0:
			if err := checkVersion(data); err != nil {
				return nil, err
			}
		case member.name == debData || strings.HasPrefix(member.name, debData+"."):
			return data, nil
		}
		off += arHeaderSize + member.size + member.size&1
	}
	return nil, fmt.Errorf("has no %s: it is no Debian package, or it is cut short", debData)
}

// arMember returns the member whose header stands at off.
func arMember(b image.Blob, off int64) (arHeader, image.Blob, error) {
	left := b.Size() - off - arHeaderSize
	if left < 0 {
		return arHeader{}, nil, fmt.Errorf("byte %d: ends within the header of a member", off)
	}
	header, err := image.ReadAll(image.Section(b, off, arHeaderSize))
	if err != nil {
		return arHeader{}, nil, err
	}
	m, err := parseARHeader(header)
	if err == nil && m.size > left {
		err = fmt.Errorf("member %q has %d bytes, and %d are left", m.name, m.size, left)
	}
	if err != nil {
		return arHeader{}, nil, fmt.Errorf("byte %d: %w", off, err)
	}
	return m, image.Section(b, off+arHeaderSize, m.size), nil
}

func checkVersion(data image.Blob) error {
	version, err := image.ReadAll(image.Section(data, 0, min(data.Size(), 16)))
	if err != nil {
		return err
	}
	if !strings.HasPrefix(string(version), debMajor) {
		return fmt.Errorf("is a Debian package of version %s, 2.0 is supported", printable.Quote(strings.TrimSpace(string(version))))
	}
	return nil
}
