package tar

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"strings"

	"ingot/image"
	"ingot/internal/printable"
)

// Options are settings of an archive. The zero value keeps all metadata of a Tree.
type Options struct {
	// WholeSeconds leaves out the fractions of times.
	WholeSeconds bool
	// MaxSize is the largest size of the archive in bytes. Default: no limit. Archives have no
	// holes, and a tree from outside can have files of petabytes, all zeros, and very long
	// paths.
	MaxSize int64
	// LeftOut is called for each file, and each extended attribute, that an archive cannot
	// hold. Default: Layout refuses such a tree.
	LeftOut func(path string, why error)
}

// A SizeError says that an archive would be larger than [Options.MaxSize].
type SizeError struct {
	Path  string // of the first file that has no room
	Limit int64  // in bytes
}

func (e *SizeError) Error() string {
	return fmt.Sprintf("%.4096s: up to this file, the archive has more than %d bytes", e.Path, e.Limit)
}

// Layout returns the archive of a tree. It reads no file.
func Layout(t *image.Tree, o Options) (*image.Map, error) {
	a := &archive{Options: o, first: map[*image.Node]*image.Owner{}}
	if err := a.walk(nil, t.Root); err != nil {
		return nil, err
	}
	return a.Map(a.at + endSize)
}

type archive struct {
	image.Builder
	Options
	at    int64
	first map[*image.Node]*image.Owner // the first name of each file
}

func (a *archive) walk(parent *image.Owner, dir *image.Node) error {
	for _, e := range dir.Entries() {
		owner := &image.Owner{Parent: parent, Name: e.Name}
		if err := check(e.Node); err != nil {
			if err := a.leaveOut(owner, err); err != nil {
				return err
			}
			continue
		}
		if err := a.add(owner, e.Node); err != nil {
			return err
		}
		if err := a.walk(owner, e.Node); err != nil {
			return err
		}
	}
	return nil
}

// leaveOut reports a part of a file that an archive cannot hold, or refuses it.
func (a *archive) leaveOut(owner *image.Owner, why error) error {
	if a.LeftOut == nil {
		return fmt.Errorf("/%s: %w", printable.Name(owner.String()), why)
	}
	a.LeftOut("/"+owner.String(), why)
	return nil
}

// add appends one file.
func (a *archive) add(owner *image.Owner, n *image.Node) error {
	other, seen := a.first[n]
	for _, x := range n.Xattrs {
		if err := checkXattr(x); err != nil && !seen {
			if err := a.leaveOut(owner, err); err != nil {
				return err
			}
		}
	}
	h := &header{node: n, owner: owner, wholeSeconds: a.WholeSeconds}
	if seen {
		h.link = other
	} else if !n.IsDir() {
		a.first[n] = owner
	}
	h.size = int64(len(h.render()))
	a.Add(a.at, h, owner)
	a.at += h.size
	limit := cmp.Or(a.MaxSize, math.MaxInt64)
	room, data := limit-endSize-a.at, h.dataSize()
	if room < 0 || data > room || padded(data) > room {
		return &SizeError{"/" + owner.String(), limit}
	}
	if data > 0 {
		a.Add(a.at, n.Data, owner)
		a.at += padded(data)
	}
	return nil
}

// padded rounds n bytes up to whole blocks.
func padded(n int64) int64 { return (n + blockSize - 1) / blockSize * blockSize }

// check refuses a file that an archive cannot hold.
func check(n *image.Node) error {
	if _, ok := types[n.Mode.Type()]; !ok {
		return fmt.Errorf("is %s; a tar archive holds none", image.Kind(n.Mode))
	}
	if d := n.Dev; d.Major > maxDevice || d.Minor > maxDevice {
		return fmt.Errorf("is the device %d:%d; a tar archive counts to %d:%d", d.Major, d.Minor, maxDevice, maxDevice)
	}
	if n.Mode.Type() == fs.ModeSymlink && (n.Link == "" || strings.Contains(n.Link, "\x00")) {
		return fmt.Errorf("is a symlink to %.300q, which is not a path", n.Link)
	}
	return nil
}

// checkXattr refuses an attribute that a record cannot hold.
func checkXattr(x image.Xattr) error {
	if strings.Contains(x.Name, "=") {
		return fmt.Errorf("extended attribute %.300s: a tar archive has no = in a name", x.Name)
	}
	return nil
}

var types = map[fs.FileMode]byte{
	0: typeRegular, fs.ModeDir: typeDirectory, fs.ModeSymlink: typeSymlink, fs.ModeNamedPipe: typeFIFO,
	fs.ModeDevice: typeBlock, fs.ModeDevice | fs.ModeCharDevice: typeCharacter,
}

// header is the blocks before a file's data. It makes them on each read: those of a million
// files would take half a GiB of memory.
type header struct {
	node        *image.Node
	owner, link *image.Owner
	size        int64

	wholeSeconds bool
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

// render returns the header, behind an extended one if it needs one.
func (h *header) render() []byte {
	n := h.node
	t := newHeader(types[n.Mode.Type()])
	name, link := h.owner.String(), n.Link
	if n.IsDir() {
		name += "/"
	}
	if h.link != nil {
		t.Typeflag, link = typeLink, h.link.String()
	}
	octal(t.Mode[:], int64(n.UnixMode()&0o7777))
	octal(t.Devmajor[:], int64(n.Dev.Major))
	octal(t.Devminor[:], int64(n.Dev.Minor))
	var more strings.Builder
	if !octal(t.Mtime[:], n.Mtime.Sec) {
		octal(t.Mtime[:], 0)
		more.WriteString(record("mtime", seconds(n.Mtime, h.wholeSeconds)))
	} else if n.Mtime.Nsec != 0 && !h.wholeSeconds {
		more.WriteString(record("mtime", seconds(n.Mtime, false)))
	}
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
			if checkXattr(x) == nil {
				more.WriteString(record(xattrRecord+x.Name, string(x.Value)))
			}
		}
	}
	if more.Len() > 0 {
		before = append(before, extended(typeExtended, more.String())...)
	}
	return append(before, t.encode()...)
}

// seconds returns a time in the form of extended headers.
func seconds(t image.Time, whole bool) string {
	switch {
	case t.Nsec == 0 || whole:
		return strconv.FormatInt(t.Sec, 10)
	case t.Sec < 0: // the fraction of a negative number counts downwards
		return fmt.Sprintf("-%d.%09d", -t.Sec-1, 1_000_000_000-t.Nsec)
	}
	return fmt.Sprintf("%d.%09d", t.Sec, t.Nsec)
}

// extended returns a header that extends the next one, and the blocks of its records.
func extended(kind byte, records string) []byte {
	t := newHeader(kind)
	copy(t.Name[:], "pax")
	for _, field := range [][]byte{t.UID[:], t.GID[:], t.Mtime[:]} {
		octal(field, 0)
	}
	octal(t.Mode[:], 0o644)
	octal(t.Size[:], int64(len(records)))
	padding := (blockSize - len(records)%blockSize) % blockSize
	return append(append(t.encode(), records...), make([]byte, padding)...)
}

func newHeader(kind byte) *ustarHeader {
	t := &ustarHeader{Typeflag: kind}
	copy(t.Magic[:], magic)
	copy(t.Version[:], version)
	return t
}

// encode returns the header's block with its checksum, the sum of its bytes. The bytes of the
// checksum itself count as blanks.
func (t *ustarHeader) encode() []byte {
	copy(t.Checksum[:], "        ")
	p, err := binary.Append(nil, binary.LittleEndian, t)
	if err != nil {
		panic(err) // the type is of this package
	}
	sum := 0
	for _, c := range p {
		sum += int(c)
	}
	copy(p[148:], fmt.Sprintf("%06o\x00 ", sum))
	return p
}
