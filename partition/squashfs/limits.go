package squashfs

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"ingot/image"
	"ingot/internal/printable"
	"ingot/partition/volume"
)

// checkTree refuses files that squashfs or mksquashfs cannot represent.
func checkTree(t *image.Tree) error {
	if err := checkRoot(t.Root); err != nil {
		return fmt.Errorf("/: %w", err)
	}
	return t.Walk(func(name string, n *image.Node) error {
		if err := check(n); err != nil {
			return fmt.Errorf("%s: %w", printable.Name(name), err)
		}
		return nil
	})
}

// checkRoot refuses metadata that mksquashfs 4.5 cannot give to the root directory: it ignores
// the archive's, and its own options set only the mode.
func checkRoot(n *image.Node) error {
	switch {
	case n.UID != 0 || n.GID != 0:
		return fmt.Errorf("belongs to %d:%d; mksquashfs makes it root's (0:0)", n.UID, n.GID)
	case len(n.Xattrs) > 0:
		return fmt.Errorf("has the extended attribute %s; mksquashfs gives it none", n.Xattrs[0].Name)
	}
	return check(n)
}

// allRoot reports whether root owns all files.
func allRoot(t *image.Tree) bool {
	return t.Walk(func(_ string, n *image.Node) error {
		if n.UID != 0 || n.GID != 0 {
			return errOwned
		}
		return nil
	}) == nil
}

var errOwned = errors.New("not root's")

// newest returns the latest modification time, in seconds.
func newest(t *image.Tree) int64 {
	last := t.Root.Mtime.Sec
	t.Walk(func(_ string, n *image.Node) error {
		last = max(last, n.Mtime.Sec)
		return nil
	})
	return last
}

const (
	maxXattrValue = 65536 // XATTR_SIZE_MAX

	// lastTime is before the time of any clock now. mksquashfs gives the root directory the
	// earlier of the clock's time and the newest file's.
	lastTime = 1767225599
)

// check refuses metadata that squashfs or a tar archive cannot represent.
func check(n *image.Node) error {
	if s := n.Mtime.Sec; s < 0 || s > lastTime {
		return fmt.Errorf("its time is %d seconds after 1970; a squashfs that is the same every time has 0 to %d (the end of 2025)", s, lastTime)
	}
	if n.Mode.Type() == fs.ModeSocket || n.Mode.Type() == fs.ModeIrregular {
		return fmt.Errorf("is %s; a tar archive, which the squashfs is made of, holds none", image.Kind(n.Mode))
	}
	for _, x := range n.Xattrs {
		switch class, name, _ := strings.Cut(x.Name, "."); {
		case class != "user" && class != "trusted" && class != "security":
			return fmt.Errorf("extended attribute %s: squashfs holds those of user, trusted and security", x.Name)
		case len(x.Name) > volume.MaxXattrName || len(x.Value) > maxXattrValue:
			return fmt.Errorf("extended attribute %.100q: has a name of %d bytes and a value of %d; Linux has up to %d and %d", x.Name, len(x.Name), len(x.Value), volume.MaxXattrName, maxXattrValue)
		case strings.Contains(name, "="):
			return fmt.Errorf("extended attribute %s: a tar archive, which the squashfs is made of, has no = in a name", x.Name)
		}
	}
	for _, e := range n.Entries() {
		if len(e.Name) > volume.MaxName {
			return fmt.Errorf("%.100q is a name of %d bytes; Linux allows %d", e.Name, len(e.Name), volume.MaxName)
		}
	}
	if strings.Contains(n.Link, "\x00") {
		return fmt.Errorf("is a symlink to %q, which is no path", n.Link)
	}
	return volume.CheckNode(n)
}
