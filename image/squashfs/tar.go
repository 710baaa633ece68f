package squashfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"ingot/image"
)

// layoutTar returns the tar archive of a tree, with extended headers where plain ones
// cannot say it. Being a Map, it is read ahead of whoever takes it by several goroutines.
func layoutTar(t *image.Tree) (*image.Map, error) {
	a := &archive{first: map[*image.Node]*image.Owner{}}
	if err := checkRoot(t.Root); err != nil {
		return nil, fmt.Errorf("/: %w", err)
	}
	if err := a.walk(nil, t.Root); err != nil {
		return nil, err
	}
	return a.Map(a.at + tarEnd)
}

type archive struct {
	image.Builder
	at    int64
	first map[*image.Node]*image.Owner // the first name of each file
}

// checkRoot refuses what mksquashfs 4.5 does not give a root directory: it ignores that of
// an archive, and of its own options it heeds the mode alone.
func checkRoot(n *image.Node) error {
	switch {
	case n.UID != 0 || n.GID != 0:
		return fmt.Errorf("belongs to %d:%d; mksquashfs makes it root's (0:0)", n.UID, n.GID)
	case len(n.Xattrs) > 0:
		return fmt.Errorf("has the extended attribute %s; mksquashfs gives it none", n.Xattrs[0].Name)
	}
	return check(n)
}

// allRoot says whether all files are root's.
func allRoot(t *image.Tree) bool {
	return t.Walk(func(_ string, n *image.Node) error {
		if n.UID != 0 || n.GID != 0 {
			return errOwned
		}
		return nil
	}) == nil
}

var errOwned = errors.New("not root's")

// newest returns the time of the file that was changed last, in seconds.
func newest(t *image.Tree) int64 {
	last := t.Root.Mtime.Sec
	t.Walk(func(_ string, n *image.Node) error {
		last = max(last, n.Mtime.Sec)
		return nil
	})
	return last
}

func (a *archive) walk(parent *image.Owner, dir *image.Node) error {
	for _, e := range dir.Entries() {
		owner := &image.Owner{Parent: parent, Name: e.Name}
		if err := a.add(owner, e.Node); err != nil {
			return fmt.Errorf("/%s: %w", owner, err)
		}
		if err := a.walk(owner, e.Node); err != nil {
			return err
		}
	}
	return nil
}

// add puts one file behind what is there.
func (a *archive) add(owner *image.Owner, n *image.Node) error {
	if err := check(n); err != nil {
		return err
	}
	h := &header{node: n, owner: owner}
	if other, seen := a.first[n]; seen {
		h.link = other
	} else if !n.IsDir() {
		a.first[n] = owner
	}
	h.size = int64(len(h.render()))
	a.Add(a.at, h, owner)
	a.at += h.size
	if h.dataSize() > 0 {
		a.Add(a.at, n.Data, owner)
		a.at += (n.Size() + tarBlock - 1) / tarBlock * tarBlock
	}
	return nil
}

// The limits of squashfs (https://docs.kernel.org/filesystems/squashfs.html), and of
// the new form of a device number in it.
const (
	maxName  = 256
	maxMajor = 1<<12 - 1
	maxMinor = 1<<20 - 1

	// lastTime is below any clock that this program can run by. mksquashfs gives the root
	// directory the time of the clock, or of the newest file where that is older.
	lastTime = 1767225599
)

// check refuses what squashfs cannot hold, or a tar archive not tell.
func check(n *image.Node) error {
	if s := n.Mtime.Sec; s < 0 || s > lastTime {
		return fmt.Errorf("its time is %d seconds after 1970; a squashfs that is the same every time has 0 to %d (the end of 2025)", s, lastTime)
	}
	if _, ok := types[n.Mode.Type()]; !ok {
		return fmt.Errorf("is %s; a tar archive, which the squashfs is made of, holds none", image.Kind(n.Mode))
	}
	if d := n.Dev; d.Major > maxMajor || d.Minor > maxMinor {
		return fmt.Errorf("is the device %d:%d; squashfs counts to %d:%d", d.Major, d.Minor, maxMajor, maxMinor)
	}
	for _, x := range n.Xattrs {
		switch class, name, _ := strings.Cut(x.Name, "."); {
		case class != "user" && class != "trusted" && class != "security":
			return fmt.Errorf("extended attribute %s: squashfs holds those of user, trusted and security", x.Name)
		case strings.Contains(name, "="):
			return fmt.Errorf("extended attribute %s: a tar archive, which the squashfs is made of, has no = in a name", x.Name)
		}
	}
	for _, e := range n.Entries() {
		if len(e.Name) > maxName {
			return fmt.Errorf("%q is a name of %d bytes; squashfs has %d at most", e.Name, len(e.Name), maxName)
		}
	}
	if n.Mode.Type() == fs.ModeSymlink && (n.Link == "" || strings.Contains(n.Link, "\x00")) {
		return fmt.Errorf("is a symlink to %q, which is no path", n.Link)
	}
	return nil
}

var types = map[fs.FileMode]byte{
	0: typeRegular, fs.ModeDir: typeDirectory, fs.ModeSymlink: typeSymlink, fs.ModeNamedPipe: typeFIFO,
	fs.ModeDevice: typeBlock, fs.ModeDevice | fs.ModeCharDevice: typeCharacter,
}

// header is the blocks before a file's data. They are made when they are read: those of
// a million files would take half a GiB.
type header struct {
	node        *image.Node
	owner, link *image.Owner
	size        int64
}

var _ image.Blob = (*header)(nil)

// Size returns how many bytes the blocks have.
func (h *header) Size() int64 { return h.size }

// ReadAt implements [io.ReaderAt].
func (h *header) ReadAt(p []byte, off int64) (int, error) {
	return image.Bytes(h.render()).ReadAt(p, off)
}

// dataSize returns how many bytes follow the header.
func (h *header) dataSize() int64 {
	if h.link != nil || !h.node.Mode.IsRegular() {
		return 0
	}
	return h.node.Size()
}

// render returns the header, behind an extended one where it needs that.
func (h *header) render() []byte {
	n := h.node
	t := tarHeader{Typeflag: types[n.Mode.Type()]}
	name, link := h.owner.String(), n.Link
	if n.IsDir() {
		name += "/"
	}
	if h.link != nil {
		t.Typeflag, link = typeLink, h.link.String()
	}
	copy(t.Magic[:], tarMagic)
	copy(t.Version[:], tarVersion)
	octal(t.Mode[:], int64(n.UnixMode()&0o7777))
	octal(t.Mtime[:], n.Mtime.Sec)
	octal(t.Devmajor[:], int64(n.Dev.Major))
	octal(t.Devminor[:], int64(n.Dev.Minor))
	var more strings.Builder
	if !text(t.Name[:], name) {
		more.WriteString(record("path", name))
	}
	var before []byte
	if !text(t.Linkname[:], link) {
		// mksquashfs 4.5 takes slashes and dots off the beginning of a linkpath record.
		before = extended(typeLongLink, link+"\x00")
	}
	for _, s := range []struct {
		keyword string
		field   []byte
		value   int64
	}{{"uid", t.UID[:], int64(n.UID)}, {"gid", t.GID[:], int64(n.GID)}, {"size", t.Size[:], h.dataSize()}} {
		if !octal(s.field, s.value) {
			octal(s.field, 0)
			more.WriteString(record(s.keyword, strconv.FormatInt(s.value, 10)))
		}
	}
	if h.link == nil {
		for _, x := range n.Xattrs {
			more.WriteString(record(xattrRecord+x.Name, string(x.Value)))
		}
	}
	if more.Len() > 0 {
		before = append(before, extended(typeExtended, more.String())...)
	}
	return append(before, t.encode()...)
}

// extended returns a header for the next one, and the blocks of what it says.
func extended(kind byte, records string) []byte {
	t := tarHeader{Typeflag: kind}
	copy(t.Magic[:], tarMagic)
	copy(t.Version[:], tarVersion)
	copy(t.Name[:], "pax")
	for _, field := range [][]byte{t.UID[:], t.GID[:], t.Mtime[:]} {
		octal(field, 0)
	}
	octal(t.Mode[:], 0o644)
	octal(t.Size[:], int64(len(records)))
	padding := (tarBlock - len(records)%tarBlock) % tarBlock
	return append(append(t.encode(), records...), make([]byte, padding)...)
}

// encode returns the header's block, with its checksum: the sum of its bytes, of which
// those of the checksum count as blanks.
func (t *tarHeader) encode() []byte {
	copy(t.Checksum[:], "        ")
	var b bytes.Buffer
	if err := binary.Write(&b, binary.LittleEndian, t); err != nil {
		panic(err) // the type is of this package
	}
	sum := 0
	for _, c := range b.Bytes() {
		sum += int(c)
	}
	p := b.Bytes()
	copy(p[148:], fmt.Sprintf("%06o\x00 ", sum))
	return p
}
