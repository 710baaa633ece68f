package storedb

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
	"io/fs"

	"ingot/image"
	"ingot/internal/lanes"
)

// A NAR is a serialisation of a file or folder that holds what a store cares for:
// names, contents, targets of symlinks, and whether a file is executable. See
// section 5.2 of E. Dolstra, "The Purely Functional Software Deployment Model",
// and src/libutil/archive.cc of Nix.
//
// All of it is strings: a length of 8 bytes, little-endian, the bytes, and zeros up
// to a multiple of 8. These are the runs of strings that it is made of.
var (
	narMagic      = narStrings("nix-archive-1")
	narRegular    = narStrings("(", "type", "regular", "contents")
	narExecutable = narStrings("(", "type", "regular", "executable", "", "contents")
	narSymlink    = narStrings("(", "type", "symlink", "target")
	narDirectory  = narStrings("(", "type", "directory")
	narEntry      = narStrings("entry", "(", "name")
	narEntryNode  = narStrings("node")
	narEnd        = narStrings(")")
	narEntryEnd   = narEnd
)

func narStrings(strings ...string) string {
	var b []byte
	for _, s := range strings {
		b = binary.LittleEndian.AppendUint64(b, uint64(len(s)))
		b = append(b, s...)
		b = append(b, make([]byte, narPadding(int64(len(s))))...)
	}
	return string(b)
}

// narPadding returns how many zeros follow a string of n bytes.
func narPadding(n int64) int64 { return -n & 7 }

// narString returns the length of a string of n bytes in a NAR.
func narString(n int64) int64 { return 8 + n + narPadding(n) }

// narBuffer is how much is handed on at once: enough to make the calls cheap, little
// enough to stay in a core's cache between the read and the hash.
const narBuffer = 256 << 10

// WriteNAR writes the NAR of n. Of the metadata, only the owner's permission to
// execute a file counts.
func WriteNAR(w io.Writer, n *image.Node) error {
	nar := newNARWriter(context.Background(), nil)
	_, err := nar.write(w, n)
	return err
}

// HashNAR returns the SHA-256 and the length of the NAR of n.
func HashNAR(n *image.Node) (Hash, int64, error) {
	return newNARWriter(context.Background(), nil).hash(n)
}

// NARSize returns the length of the NAR of n, which follows from its metadata.
func NARSize(n *image.Node) int64 { return int64(len(narMagic)) + narNodeSize(n) }

func narNodeSize(n *image.Node) int64 {
	size := int64(len(narEnd))
	switch {
	case n.IsDir():
		size += int64(len(narDirectory))
		for _, e := range n.Entries() {
			size += int64(len(narEntry)) + narString(int64(len(e.Name))) + int64(len(narEntryNode)+len(narEntryEnd))
			size = addSizes(size, narNodeSize(e.Node))
		}
	case n.Mode&fs.ModeSymlink != 0:
		size += int64(len(narSymlink)) + narString(n.Size())
	default:
		size += int64(len(narFileHead(n))) + narString(n.Size())
	}
	return size
}

func narFileHead(n *image.Node) string {
	if n.Mode&0o100 != 0 {
		return narExecutable
	}
	return narRegular
}

// narWriter writes NARs. Framing and small files gather in one buffer, so that a
// file costs its own reading and hardly anything else.
type narWriter struct {
	out  io.Writer
	buf  []byte
	done int64 // bytes that were handed on
	err  error

	sum hash.Hash // reused by hash

	ctx context.Context // that ends the reading of a large file

	// wanted, if set, chooses files whose own NARs are to be hashed in the same pass, and
	// files gets the hashes. It works since a file's NAR is the magic and then just what
	// stands for the file in any other NAR.
	wanted func(*image.Node) bool
	files  []Hash
	file   hash.Hash
	inFile bool
	mark   int // where in buf begins what file has not seen
}

// newNARWriter returns what hashes with the others of a group, or alone if that is nil.
func newNARWriter(ctx context.Context, g *lanes.Group) *narWriter {
	return &narWriter{ctx: ctx, buf: make([]byte, 0, narBuffer), sum: newSHA256(g), file: newSHA256(g)}
}

// narWriters returns newNARWriter as [hashing] calls it.
func narWriters(ctx context.Context) func(*lanes.Group) *narWriter {
	return func(g *lanes.Group) *narWriter { return newNARWriter(ctx, g) }
}

func newSHA256(g *lanes.Group) hash.Hash {
	if g == nil {
		return sha256.New()
	}
	return g.New()
}

// hash returns hash and length of the NAR of n.
func (w *narWriter) hash(n *image.Node) (Hash, int64, error) {
	w.sum.Reset()
	size, err := w.write(w.sum, n)
	return sumOf(w.sum), size, err
}

func sumOf(h hash.Hash) (sum Hash) {
	h.Sum(sum[:0])
	return sum
}

// write writes the NAR of n to out and returns its length.
func (w *narWriter) write(out io.Writer, n *image.Node) (int64, error) {
	w.out, w.buf, w.done, w.err = out, w.buf[:0], 0, nil
	w.raw(narMagic)
	if err := w.node(n); err != nil {
		return 0, err
	}
	w.flush()
	return w.done, w.err
}

func (w *narWriter) flush() {
	if w.inFile {
		w.file.Write(w.buf[w.mark:])
		w.mark = 0
	}
	if w.err == nil {
		_, w.err = w.out.Write(w.buf)
	}
	w.done += int64(len(w.buf))
	w.buf = w.buf[:0]
}

// room returns n bytes at the end of the buffer, which become part of the NAR.
func (w *narWriter) room(n int) []byte {
	if n > cap(w.buf)-len(w.buf) {
		w.flush()
	}
	at := len(w.buf)
	w.buf = w.buf[:at+n]
	return w.buf[at:]
}

func (w *narWriter) raw(s string) { copy(w.room(len(s)), s) }

func (w *narWriter) string(s string) {
	binary.LittleEndian.PutUint64(w.room(8), uint64(len(s)))
	w.raw(s)
	clear(w.room(int(narPadding(int64(len(s))))))
}

func (w *narWriter) node(n *image.Node) error {
	if w.wanted == nil || !w.wanted(n) {
		return w.plain(n)
	}
	w.file.Reset()
	io.WriteString(w.file, narMagic)
	w.inFile, w.mark = true, len(w.buf)
	err := w.plain(n)
	w.file.Write(w.buf[w.mark:])
	w.inFile = false
	w.files = append(w.files, sumOf(w.file))
	return err
}

func (w *narWriter) plain(n *image.Node) error {
	switch {
	case n.IsDir():
		return w.dir(n)
	case n.Mode&fs.ModeSymlink != 0:
		w.raw(narSymlink)
		w.string(n.Link)
	case n.Mode.IsRegular():
		w.raw(narFileHead(n))
		if err := w.contents(n); err != nil {
			return err
		}
	default:
		return &contentError{err: fmt.Errorf("is %s, which a store cannot hold", image.Kind(n.Mode))}
	}
	w.raw(narEnd)
	return w.err
}

func (w *narWriter) dir(n *image.Node) error {
	w.raw(narDirectory)
	for _, e := range n.Entries() {
		w.raw(narEntry)
		w.string(e.Name)
		w.raw(narEntryNode)
		if err := w.node(e.Node); err != nil {
			return under(e.Name, err)
		}
		w.raw(narEntryEnd)
	}
	w.raw(narEnd)
	return w.err
}

func (w *narWriter) contents(n *image.Node) error {
	size := n.Size()
	binary.LittleEndian.PutUint64(w.room(8), uint64(size))
	var err error
	switch file, ok := n.Data.(*image.File); {
	case size == 0:
	case size <= narBuffer/2:
		err = readFull(n.Data, w.room(int(size)), 0)
	case ok:
		err = w.large(file)
	default:
		err = w.chunks(n.Data, size)
	}
	clear(w.room(int(narPadding(size))))
	return err
}

// large reads a file of the host that does not fit into the buffer. It is kept open
// meanwhile.
func (w *narWriter) large(f *image.File) error {
	h, err := f.Open()
	if err != nil {
		return err
	}
	defer h.Close()
	if err := w.chunks(h, f.Size()); err != nil {
		return err
	}
	return f.Check(h)
}

func (w *narWriter) chunks(r io.ReaderAt, size int64) error {
	for off := int64(0); off < size && w.err == nil; {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		n := min(int64(cap(w.buf)-len(w.buf)), size-off)
		if n == 0 {
			n = min(narBuffer, size-off)
		}
		if err := readFull(r, w.room(int(n)), off); err != nil {
			return err
		}
		off += n
	}
	return w.err
}

// readFull fills p from off.
func readFull(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if h, ok := r.(interface{ Name() string }); ok && err == io.ErrUnexpectedEOF {
		return &image.ChangedError{Path: h.Name(), What: fmt.Sprintf("shrank to less than %d bytes while it was read", off+int64(len(p)))}
	}
	return err
}

// contentError is what is wrong with a file within an item. Its path is put together
// on the way out, so that it costs nothing while all is well.
type contentError struct {
	path string // below the item
	err  error
}

func (e *contentError) Error() string {
	if e.path == "" {
		return e.err.Error()
	}
	return e.path + " " + e.err.Error()
}

func (e *contentError) Unwrap() error { return e.err }

// under adds to err that it is of what stands under name.
func under(name string, err error) error {
	e, ok := err.(*contentError)
	if !ok {
		return err
	}
	return &contentError{path: "/" + name + e.path, err: e.err}
}
