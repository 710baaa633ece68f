package initramfs

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"ingot/image"
	"ingot/internal/printable"
)

// The format newc, and crc, which differs by a sum of the contents' bytes alone
// (Documentation/driver-api/early-userspace/buffer-format.rst).
const (
	magicNewc  = "070701"
	magicCRC   = "070702"
	headerSize = 110 // the magic number, and 13 numbers of 8 hexadecimal digits
	maxPath    = 4096
	trailer    = "TRAILER!!!"
	magicSize  = 18 // bytes by which a part is told
)

// Types of files: the upper bits of a mode, as in stat(2).
const (
	typeMask      = 0o170000
	typeFIFO      = 0o010000
	typeCharacter = 0o020000
	typeDirectory = 0o040000
	typeBlock     = 0o060000
	typeRegular   = 0o100000
	typeSymlink   = 0o120000
	typeSocket    = 0o140000
)

// header is what stands before an entry's name.
type header struct {
	inode, mode, uid, gid, links, mtime, size uint32
	major, minor, rmajor, rminor, nameSize    uint32
}

// isHeader reports whether a header of an archive begins here, be it of a kind that is not read.
func isHeader(b []byte) bool { return len(b) >= 4 && string(b[:4]) == "0707" }

func parseHeader(b [headerSize]byte) (h header, err error) {
	if magic := string(b[:6]); magic != magicNewc && magic != magicCRC {
		return h, fmt.Errorf("%s begins no entry of a cpio archive: those of newc begin with %s or %s", printable.Quote(magic), magicNewc, magicCRC)
	}
	var check uint32
	for i, field := range []*uint32{
		&h.inode, &h.mode, &h.uid, &h.gid, &h.links, &h.mtime, &h.size,
		&h.major, &h.minor, &h.rmajor, &h.rminor, &h.nameSize, &check,
	} {
		for _, c := range b[6+8*i : 14+8*i] {
			digit, ok := hexDigit(c)
			if !ok {
				return h, fmt.Errorf("%s in the header of an entry is no hexadecimal number", printable.Quote(string(b[6+8*i:14+8*i])))
			}
			*field = *field<<4 | digit
		}
	}
	return h, nil
}

func hexDigit(c byte) (uint32, bool) {
	switch {
	case '0' <= c && c <= '9':
		return uint32(c - '0'), true
	case 'a' <= c && c <= 'f':
		return uint32(c-'a') + 10, true
	case 'A' <= c && c <= 'F':
		return uint32(c-'A') + 10, true
	}
	return 0, false
}

// pad returns how many bytes follow n until the next multiple of 4.
func pad(n int64) int64 { return -n & 3 }

// cleanPath makes a name absolute. Nothing lies above the root.
func cleanPath(name string) string { return path.Clean("/" + name) }

// put places a node at a path, through symlinks as the kernel does.
func (u *unpacker) put(name string, n *image.Node) error {
	dir, base := path.Split(name)
	if base == "" { // the root itself
		return nil
	}
	d, err := u.folder(dir)
	if d == nil || err != nil {
		return err
	}
	old := d.Child(base)
	switch {
	case old == nil:
		return d.Add(base, n)
	case old == n:
	case old.IsDir() && n.IsDir():
		old.Mode, old.UID, old.GID, old.Mtime = n.Mode, n.UID, n.GID, n.Mtime
	case old.IsDir(): // the kernel removes no folder with files in it
	default:
		*old = *n
	}
	return nil
}

// folder returns the folder at a path, symlinks followed; nil if there is none.
func (u *unpacker) folder(name string) (*image.Node, error) {
	const maxLinks = 40 // the kernel's limit
	type level struct{ dir *image.Node }
	above, cur := []level{}, u.out.Tree.Root
	rest := strings.Split(name, "/")
	for links := 0; len(rest) > 0; {
		part := rest[0]
		rest = rest[1:]
		if u.steps++; u.steps > maxSteps {
			return nil, &LimitError{"names of folders in paths", maxSteps}
		}
		switch part {
		case "", ".":
			continue
		case "..":
			if len(above) > 0 {
				cur, above = above[len(above)-1].dir, above[:len(above)-1]
			}
			continue
		}
		next := cur.Child(part)
		switch {
		case next == nil:
			return nil, nil
		case next.Mode.Type() == fs.ModeSymlink:
			if links++; links > maxLinks {
				return nil, nil
			}
			if path.IsAbs(next.Link) {
				above, cur = nil, u.out.Tree.Root
			}
			rest = append(strings.Split(next.Link, "/"), rest...)
		case !next.IsDir():
			return nil, nil
		default:
			above, cur = append(above, level{cur}), next
		}
	}
	return cur, nil
}
