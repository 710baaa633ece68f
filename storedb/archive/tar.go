package archive

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"strings"

	"ingot/image"
	"ingot/internal/grammar"
	"ingot/internal/printable"
	"ingot/internal/tarstream"
)

// tarReader makes a tree of a tarball.
type tarReader struct {
	Options
	tree *image.Tree
	held int64 // bytes of contents that were unpacked

	scratch *image.Scratch // for those that are not in memory; nil as long as there are none
	written int64          // bytes in it
	made    int            // directories that no entry is

	absolute bool // a name was, and this was told
}

// read reads a tarball. Where it is not compressed, blob holds its bytes, and r reads
// them from the first one on.
func (t *tarReader) read(r io.Reader, blob image.Blob) (*image.Node, error) {
	seeker, _ := r.(io.Seeker)
	in := tarstream.NewReader(r)
	for n := 1; ; n++ {
		h, err := in.Next()
		if err == io.EOF {
			break
		}
		if n == 1 && (errors.Is(err, tar.ErrHeader) || blob != nil && err == io.ErrUnexpectedEOF) {
			return nil, errors.New("is neither a tarball, plain or compressed with gzip, xz, zstd, bzip2, lzip, lz4 or lzma, nor a Debian package")
		}
		if err == nil && n > t.Entries {
			err = fmt.Errorf("more than %s", grammar.Count(t.Entries, "entry"))
		}
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", n, early(err))
		}
		var at image.Blob
		if blob != nil && h.Typeflag == tar.TypeReg && !sparse(h) {
			at, err = section(blob, seeker, h.Size)
		}
		if err == nil {
			err = t.entry(h, in, at)
		}
		if err != nil {
			return nil, fmt.Errorf("entry %d, %s: %w", n, printable.Quote(h.Name), early(err))
		}
	}
	// What follows the end of the archive is padding, and the checksum of what it is
	// compressed with.
	if _, err := io.CopyN(io.Discard, r, t.Unpacked); err != io.EOF && err != nil {
		return nil, err
	}
	if len(t.tree.Root.Entries()) == 0 {
		if t.Strip > 0 {
			return nil, fmt.Errorf("holds no files more than %s deep, which strip takes off", grammar.Count(t.Strip, "directory"))
		}
		return nil, errors.New("holds no files")
	}
	return t.tree.Root, nil
}

func early(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || err == io.EOF {
		return fmt.Errorf("the archive ends too early: %w", io.ErrUnexpectedEOF)
	}
	return err
}

// sparse says whether a file's bytes are not those that stand in the archive.
func sparse(h *tar.Header) bool {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// section returns the contents that begin where the tarball has been read to.
func section(blob image.Blob, at io.Seeker, size int64) (image.Blob, error) {
	off, err := at.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil, err
	}
	if size > blob.Size()-off {
		return nil, io.ErrUnexpectedEOF
	}
	return image.Section(blob, off, size), nil
}

// entry puts one entry into the tree. contents is where its contents lie, if they can
// stay there.
func (t *tarReader) entry(h *tar.Header, in io.Reader, contents image.Blob) error {
	if skip, err := t.odd(h); skip || err != nil {
		return err
	}
	parts, err := t.parts(h.Name)
	if errors.Is(err, errUpwards) && t.LeftOut != nil {
		return t.leaveOut(h, err.Error()+", and is left out")
	}
	if err != nil || parts == nil {
		return err
	}
	if strings.HasPrefix(h.Name, "/") && !t.absolute {
		t.absolute = true // of one such archive, all names are
		t.LeftOut(fmt.Sprintf("%.255s", h.Name), errors.New("is an absolute name, which is taken as one below the archive's root, as are all others"))
	}
	if h.Typeflag == tar.TypeDir {
		return t.directory(parts, h)
	}
	if len(parts) == 0 {
		if t.LeftOut == nil {
			return errors.New("has no name")
		}
		return t.leaveOut(h, "has no name, and is left out")
	}
	n, err := t.node(h, in, contents)
	if err != nil || n == nil {
		return err
	}
	return t.put(parts, n)
}

// odd looks for what is no file, or of a type that is not known. skip says that the entry is
// done with.
func (t *tarReader) odd(h *tar.Header) (skip bool, err error) {
	skip, what := tarstream.Settle(h)
	switch {
	case h.Typeflag == tar.TypeXGlobalHeader:
		// Of all that it can say of the files to come, these are not only their times and owners.
		for _, key := range []string{"path", "linkpath", "size"} {
			if h.PAXRecords[key] != "" {
				return true, t.leaveOut(h, fmt.Sprintf("is a global header that sets the %s of all files, which is not heeded", key))
			}
		}
		return true, nil
	case what != "":
		return skip, t.leaveOut(h, what)
	case skip:
		return true, nil
	case !isStar(h.PAXRecords["SCHILY.filetype"]):
		return true, t.leaveOut(h, fmt.Sprintf("is of star's type %.40q, and is left out", h.PAXRecords["SCHILY.filetype"]))
	case h.FileInfo().Mode().Type() == fs.ModeSocket && h.Size == 0:
		return true, t.leaveOut(h, "is a socket, and is left out")
	case t.Storable && (h.Typeflag == tar.TypeFifo || h.Typeflag == tar.TypeChar || h.Typeflag == tar.TypeBlock):
		return true, t.leaveOut(h, "is "+image.Kind(h.FileInfo().Mode())+", which a store cannot hold, and is left out")
	}
	return false, nil
}

// isStar says whether a tree can have what star calls the type of a file that has no letter
// of its own. A file of the other types has none.
func isStar(kind string) bool {
	switch kind {
	case "socket", "door", "whiteout", "event counter", "namefile", "multiplexed char", "multiplexed block":
		return false
	}
	return true
}

// leaveOut reports why an entry is left out, or is of another type; without LeftOut that is an
// error.
func (t *tarReader) leaveOut(h *tar.Header, why string) error {
	if t.LeftOut == nil {
		return errors.New(why)
	}
	t.LeftOut(fmt.Sprintf("%.255s", h.Name), errors.New(why))
	return nil
}

// errUpwards says that a name leads out of a directory, and perhaps out of the archive.
var errUpwards = errors.New(`".." is not a file name`)

// parts splits a name into what it has after the directories that are taken off. It
// is nil for what lies above them.
func (t *tarReader) parts(name string) ([]string, error) {
	if strings.HasPrefix(name, "/") && t.LeftOut == nil {
		return nil, errors.New("its name is absolute")
	}
	parts := []string{}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part == "." {
			continue
		}
		if part == ".." {
			return nil, errUpwards
		}
		if err := image.CheckName(part); err != nil {
			return nil, err
		}
		if len(part) > 255 {
			return nil, fmt.Errorf("a name of %d bytes is in it, 255 is the limit", len(part))
		}
		parts = append(parts, part)
	}
	if t.Strip > 0 && len(parts) <= t.Strip {
		return nil, nil
	}
	return parts[t.Strip:], nil
}

func permissions(h *tar.Header) fs.FileMode {
	n := image.ModeFromUnix(uint16(h.Mode) & 0o7777)
	return n & image.Perm
}

func (t *tarReader) directory(parts []string, h *tar.Header) error {
	d, err := t.parent(parts)
	if err == nil {
		d.Mode = fs.ModeDir | permissions(h)
	}
	return err
}

// parent returns a directory, made where it is missing.
func (t *tarReader) parent(parts []string) (*image.Node, error) {
	if len(parts) > image.MaxDepth {
		return nil, &image.DepthError{Depth: len(parts)}
	}
	d := t.tree.Root
	for i, part := range parts {
		next := d.Child(part)
		if next == nil {
			// One name can stand for as many directories as it has slashes.
			if t.made++; t.made > t.Entries {
				return nil, fmt.Errorf("more than %s", grammar.Count(t.Entries, "directory"))
			}
			next = image.NewDir(0o755)
			if err := d.Add(part, next); err != nil {
				return nil, err
			}
		}
		if !next.IsDir() {
			return nil, fmt.Errorf("%s is %s already, not a directory", printable.Name(strings.Join(parts[:i+1], "/")), image.Kind(next.Mode))
		}
		d = next
	}
	return d, nil
}

// put places a node that is no directory; what stands there before gives way.
func (t *tarReader) put(parts []string, n *image.Node) error {
	last := len(parts) - 1
	d, err := t.parent(parts[:last])
	if err != nil {
		return err
	}
	if old := d.Child(parts[last]); old != nil {
		if old.IsDir() {
			return errors.New("is a directory already")
		}
		d.Remove(parts[last])
	}
	return d.Add(parts[last], n)
}

// node makes the node of an entry that is no directory; nil where it is left out.
func (t *tarReader) node(h *tar.Header, in io.Reader, contents image.Blob) (*image.Node, error) {
	switch h.Typeflag {
	case tar.TypeLink:
		return t.linked(h.Linkname)
	case tar.TypeSymlink:
		if h.Linkname == "" && t.LeftOut != nil {
			return nil, t.leaveOut(h, "is a symlink to nothing, and is left out")
		}
		if h.Linkname == "" || len(h.Linkname) > 4095 || strings.Contains(h.Linkname, "\x00") {
			return nil, fmt.Errorf("a symlink cannot have a target of %d bytes", len(h.Linkname))
		}
		return image.NewSymlink(h.Linkname), nil
	case tar.TypeFifo:
		return image.NewSpecial(fs.ModeNamedPipe|permissions(h), image.Dev{}), nil
	case tar.TypeChar, tar.TypeBlock:
		mode := fs.ModeDevice | permissions(h)
		if h.Typeflag == tar.TypeChar {
			mode |= fs.ModeCharDevice
		}
		return image.NewSpecial(mode, image.Dev{Major: uint32(h.Devmajor), Minor: uint32(h.Devminor)}), nil
	}
	return t.file(h, in, contents)
}

// linked returns the node of another name, which must stand before.
func (t *tarReader) linked(target string) (*image.Node, error) {
	parts, err := t.parts(target)
	if err != nil {
		return nil, fmt.Errorf("is a hard link to %s: %w", printable.Quote(target), err)
	}
	n := t.tree.Lookup(strings.Join(parts, "/"))
	if n == nil || n.IsDir() {
		return nil, fmt.Errorf("is a hard link to %s, which is no file that stands before it", printable.Quote(target))
	}
	return n, nil
}

func (t *tarReader) file(h *tar.Header, in io.Reader, contents image.Blob) (*image.Node, error) {
	n := image.NewFile(permissions(h), nil)
	if h.Size == 0 {
		return n, nil
	}
	if contents != nil {
		n.Data = contents
		return n, nil
	}
	if h.Size > t.Unpacked-t.held {
		return nil, fmt.Errorf("contents of more than %d bytes are not unpacked; unpack the archive to a folder, and name that instead", t.Unpacked)
	}
	t.held += h.Size
	if t.held-t.written > maxInMemory {
		data, err := t.write(in, h.Size)
		n.Data = data
		return n, err
	}
	b := make([]byte, h.Size) // of all entries, maxInMemory at most
	_, err := io.ReadFull(in, b)
	n.Data = image.Bytes(b)
	return n, err
}

// maxInMemory is how many bytes of contents stay in memory: all of most archives. A few
// kilobytes can unpack to gigabytes.
const maxInMemory = 64 << 20

// write writes contents to the file without a name, which is closed when nothing refers to
// it any more.
func (t *tarReader) write(r io.Reader, size int64) (image.Blob, error) {
	if t.scratch == nil {
		s, err := image.NewScratch(t.Temp)
		if err != nil {
			return nil, err
		}
		t.scratch = s
	}
	at := t.written
	t.written += size
	if _, err := io.CopyN(io.NewOffsetWriter(t.scratch, at), r, size); err != nil {
		return nil, err
	}
	return image.BlobOf(io.NewSectionReader(t.scratch, at, size), size), nil
}

// bounded reads what an archive unpacks to, and no more than that may be: what is skipped
// takes no memory, but time.
type bounded struct {
	io.Reader
	left, most int64
}

func newBounded(r io.Reader, contents int64) *bounded {
	// All that is kept, as much again for headers and what gives way to other entries, and
	// padding.
	most := min(contents, math.MaxInt64/4)*2 + 1<<20
	return &bounded{r, most, most}
}

// Read implements [io.Reader].
func (b *bounded) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, fmt.Errorf("unpacks to more than %d bytes", b.most)
	}
	n, err := b.Reader.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}
