package initramfs

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"ingot/image"
	"ingot/internal/printable"
	"ingot/storedb/compression"
)

// Limits of what [Read] reads. A NixOS system's archive unpacks to 40 to 150 MB in 2,000 names.
const (
	maxUnpacked = 1 << 30  // bytes of all archives
	maxEntries  = 1 << 18  // names in all archives
	maxNames    = 32 << 20 // bytes of all names and symlinks
	maxKept     = 32 << 20 // bytes of the contents that are kept
	maxParts    = 10_000   // archives
	maxPacked   = 32       // compressed parts, each of which can ask for 128 MiB of memory
	maxSteps    = 1 << 24  // names of folders that are looked up
)

// ErrNotKept is the error of reading a file whose contents [Read] has passed over.
var ErrNotKept = errors.New("the contents were not kept")

// An Archive is an initial RAM disk that was read.
type Archive struct {
	// Tree holds the files as the kernel would unpack them. Reading the contents of those
	// that were not kept is an [ErrNotKept].
	Tree *image.Tree
	// Compression is that of the last compressed part: gzip, zstd, xz, lz4, lzma or bzip2;
	// empty if no part is compressed.
	Compression string
}

// A LimitError says that an archive holds more than is read.
type LimitError struct {
	What  string
	Limit int64
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("holds more than %d %s", e.Limit, e.What)
}

// Read reads an initial RAM disk: archives in the formats newc and crc one after the other, each
// compressed or not, such as early microcode and what follows it. It unpacks as Linux does
// (init/initramfs.c): later files replace earlier ones, and an entry whose folder is missing is
// dropped. Checksums of the format crc are not compared.
//
// keep tells which contents to keep, by the path and the size in bytes; nil keeps none.
func Read(data image.Blob, keep func(name string, size int64) bool) (*Archive, error) {
	if keep == nil {
		keep = func(string, int64) bool { return false }
	}
	return readWithin(data, keep, compression.MaxWindow)
}

func readWithin(data image.Blob, keep func(string, int64) bool, window int64) (*Archive, error) {
	u := &unpacker{window: window, out: &Archive{Tree: image.NewTree()}, keep: keep, links: map[inode]*image.Node{}}
	// Linux has these without any archive (usr/default_cpio_list).
	for _, name := range []string{"/dev", "/root"} {
		if _, err := u.out.Tree.MakeDirs(name); err != nil {
			return nil, err
		}
	}
	defer func() {
		if u.zstdAgain != nil {
			u.zstdAgain.Close()
		}
	}()
	s := &stream{u: u, data: data}
	s.r = newBuffer(rawReader{s})
	for {
		at := s.offset()
		more, err := u.part(s)
		switch {
		case err != nil:
			return nil, fmt.Errorf("initial RAM disk: the part at byte %d: %w", at, err)
		case !more:
			return u.out, nil
		}
	}
}

// unpacker unpacks archives into a tree.
type unpacker struct {
	out       *Archive
	keep      func(string, int64) bool
	links     map[inode]*image.Node // of files with several names, in the archive at hand
	window    int64                 // how far a compressed part may look back, in bytes
	unpacked  int64
	entries   int
	names     int64
	kept      int64
	parts     int
	packed    int
	steps     int
	inner     *bufio.Reader // of compressed parts
	zstdAgain *zstd.Decoder // with the memory that it has taken
	block     []byte        // of lz4
	whole     bool          // the archive that was read last has its trailer
}

// inode names a file in one archive.
type inode struct{ major, minor, number uint32 }

// part reads the archive or the compressed part that comes next, behind zeros; false if there
// is none.
func (u *unpacker) part(s *stream) (bool, error) {
	if err := s.skipZeros(); err != nil {
		return false, err
	}
	head, err := s.r.Peek(magicSize)
	switch {
	case err != nil && err != io.EOF:
		return false, err
	case len(head) == 0:
		return false, nil
	case isHeader(head):
		return true, u.archive(s)
	}
	return true, u.compressed(s, head)
}

// unpackAll reads what a compressed part holds.
func (u *unpacker) unpackAll(r io.Reader) error {
	if u.inner == nil {
		u.inner = newBuffer(nil)
	}
	u.inner.Reset(r)
	s := &stream{u: u, r: u.inner}
	for any := false; ; any = true {
		if err := s.skipZeros(); err != nil {
			return ended(err, any)
		}
		head, err := s.r.Peek(magicSize)
		switch {
		case err != nil && err != io.EOF:
			return ended(err, any)
		case len(head) == 0:
			return nil
		case !isHeader(head):
			return fmt.Errorf("%s is no header of a cpio archive (newc)", printable.Quote(string(head[:min(6, len(head))])))
		}
		if err := u.archive(s); err != nil {
			return err
		}
	}
}

// archive reads one archive up to its trailer.
func (u *unpacker) archive(s *stream) error {
	if u.parts++; u.parts > maxParts {
		return &LimitError{"archives", maxParts}
	}
	clear(u.links)
	u.whole = false
	for {
		// Between entries, too, the kernel passes over zeros.
		if err := s.skipZeros(); err != nil {
			return err
		}
		h, name, err := u.header(s)
		switch {
		case err == io.EOF: // without a trailer, which the kernel does not miss
			return nil
		case err != nil:
			return err
		case name == trailer:
			u.whole = true
			return s.skip(pad(int64(h.size)) + int64(h.size))
		}
		if err := u.entry(s, h, name); err != nil {
			return fmt.Errorf("%s: %w", printable.Name(printable.Cut(name, 200)), err)
		}
		if err := s.skip(pad(int64(h.size))); err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return err
		}
	}
}

// header reads the header of an entry and its name.
func (u *unpacker) header(s *stream) (header, string, error) {
	var b [headerSize]byte
	if _, err := s.r.Peek(1); err == io.EOF {
		return header{}, "", io.EOF
	}
	if err := s.read(b[:]); err != nil {
		return header{}, "", err
	}
	h, err := parseHeader(b)
	if err != nil {
		return h, "", err
	}
	if h.nameSize < 1 || h.nameSize > maxPath {
		return h, "", fmt.Errorf("the name of an entry is %d bytes long; Linux allows 1 to %d", h.nameSize, maxPath)
	}
	if u.names += int64(h.nameSize); u.names > maxNames {
		return h, "", &LimitError{"bytes of names", maxNames}
	}
	name := make([]byte, int64(h.nameSize)+pad(headerSize+int64(h.nameSize)))
	if err := s.read(name); err != nil {
		return h, "", err
	}
	name, _, _ = bytes.Cut(name[:h.nameSize], []byte{0})
	if u.entries++; u.entries > maxEntries {
		return h, "", &LimitError{"names", maxEntries}
	}
	return h, string(name), nil
}

// entry takes one entry over, with the contents that follow it.
func (u *unpacker) entry(s *stream, h header, name string) error {
	n := &image.Node{
		Mode: image.ModeFromUnix(uint16(h.mode)), UID: h.uid, GID: h.gid, Mtime: image.Time{Sec: int64(h.mtime)},
		Dev: image.Dev{Major: h.rmajor, Minor: h.rminor},
	}
	size := int64(h.size)
	switch h.mode & typeMask {
	case typeRegular:
		at := cleanPath(name)
		data, err := u.contents(s, at, size)
		if err != nil {
			return err
		}
		if h.links > 1 {
			id := inode{h.major, h.minor, h.inode}
			if first := u.links[id]; first != nil {
				if size > 0 { // the contents stand with one of the names, often the last
					first.Data = data
				}
				return u.put(at, first)
			}
			u.links[id] = n
		}
		n.Data = data
		return u.put(at, n)
	case typeSymlink:
		if size < 1 || size > maxPath {
			return fmt.Errorf("the symlink's target is %d bytes long; Linux allows 1 to %d", size, maxPath)
		}
		if u.names += size; u.names > maxNames {
			return &LimitError{"bytes of names", maxNames}
		}
		link := make([]byte, size)
		if err := s.read(link); err != nil {
			return err
		}
		link, _, _ = bytes.Cut(link, []byte{0})
		if len(link) == 0 {
			return nil // which the kernel cannot make either
		}
		n.Link = string(link)
		return u.put(cleanPath(name), n)
	case typeDirectory:
		dir := image.NewDir(n.Mode.Perm())
		dir.Mode, dir.UID, dir.GID, dir.Mtime = n.Mode, n.UID, n.GID, n.Mtime
		n = dir
	case typeFIFO, typeSocket, typeBlock, typeCharacter:
	default:
		return s.skip(size)
	}
	if err := u.put(cleanPath(name), n); err != nil {
		return err
	}
	return s.skip(size)
}

// contents reads a file's contents, or passes over them.
func (u *unpacker) contents(s *stream, name string, size int64) (image.Blob, error) {
	switch {
	case size == 0:
		return nil, nil
	case !u.keep(name, size):
		return image.Computed(size, func([]byte, int64) error { return ErrNotKept }), s.skip(size)
	}
	if u.kept += size; u.kept > maxKept {
		return nil, &LimitError{"bytes of texts", maxKept}
	}
	// The size is only what the header says: memory follows what is there.
	var b bytes.Buffer
	if n, err := io.CopyN(&b, readerOf(s), size); err != nil {
		return nil, fmt.Errorf("%d of %d bytes are there: %w", n, size, ended(err, false))
	}
	return image.Bytes(b.Bytes()), nil
}

// ended makes an end of the data an error, unless it is all right to end there.
func ended(err error, fine bool) error {
	switch {
	case err != io.EOF:
		return err
	case fine:
		return nil
	}
	return io.ErrUnexpectedEOF
}
