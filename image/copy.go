package image

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"ingot/internal/grammar"
)

// CopyMethod is how bytes get from one file to another. Each method falls back to
// those below it where the host cannot do it; all give the same bytes.
type CopyMethod int

const (
	// CopyAuto clones parts of files from 64 KiB on, and reads and writes the rest.
	CopyAuto CopyMethod = iota
	// CopyClone clones whatever spans a block.
	CopyClone
	// CopyRange leaves it to copy_file_range(2), which may clone by itself.
	CopyRange
	// CopyReadWrite reads and writes.
	CopyReadWrite
)

// copier copies parts of files into one file.
type copier struct {
	dst    *Output
	method CopyMethod

	cloned  atomic.Bool // whether a clone has succeeded
	refused sync.Map    // of refusal: what the host said it cannot do
}

// refusal is a way to copy that does not work from a device to the output's.
type refusal struct {
	method CopyMethod
	dev    uint64
}

// copySize is how much is copied between two looks at whether to stop.
const copySize = 8 << 20

// copy brings the bytes of e, which is a part of f, to their place.
func (c *copier) copy(ctx context.Context, f *File, e Extent, buf []byte, progress func(int64)) error {
	path := f.Path()
	fd, err := open(path)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := f.check(path, fd); err != nil {
		return err
	}
	s := &source{File: f, path: path, fd: fd}
	if err := s.stat(); err != nil {
		return err
	}
	n, err := c.clone(s, e)
	if err != nil {
		return err
	}
	progress(n)
	e.Off, e.SrcOff, e.Len = e.Off+n, e.SrcOff+n, e.Len-n
	if err := c.copyData(ctx, s, e, buf, progress); err != nil {
		return err
	}
	return f.check(path, fd)
}

// source is a File while it is open.
type source struct {
	*File
	path string
	fd   int
	dev  uint64
}

func (s *source) stat() error {
	var st unix.Stat_t
	if err := unix.Fstat(s.fd, &st); err != nil {
		return &os.PathError{Op: "fstat", Path: s.path, Err: err}
	}
	s.dev = st.Dev
	return nil
}

// aligned returns how many bytes at the start of e could be shared: whole blocks at
// whole blocks. The kernel would also take the last, partial block of a source, but
// only where the output ends with it; that block is copied.
func aligned(e Extent) int64 {
	if e.Off%hostBlock != 0 || e.SrcOff%hostBlock != 0 {
		return 0
	}
	return e.Len / hostBlock * hostBlock
}

// clonable returns how many bytes of l cloning would save.
func (c *copier) clonable(l Leaf) int64 {
	if c.method > CopyClone || !isFile(l, cloneFrom) {
		return 0
	}
	return aligned(l.Extent)
}

// tryClone says whether cloning works for the start of l, and leaves it cloned.
func (c *copier) tryClone(l Leaf) bool {
	f := l.Src.(*File)
	h, err := f.Open()
	if err != nil {
		return false
	}
	defer h.Close()
	s := &source{File: f, path: f.Path(), fd: int(h.Fd())}
	if s.stat() != nil {
		return false
	}
	e := l.Extent
	e.Len = hostBlock
	n, err := c.clone(s, e)
	return err == nil && n == e.Len
}

// clone shares the whole blocks of e with the source and returns their length, or 0
// if the host does not share them.
func (c *copier) clone(s *source, e Extent) (int64, error) {
	n := aligned(e)
	if n == 0 || c.method > CopyClone || c.isRefused(CopyClone, s.dev) {
		return 0, nil
	}
	arg := unix.FileCloneRange{
		Src_fd:      int64(s.fd),
		Src_offset:  uint64(e.SrcOff),
		Src_length:  uint64(n),
		Dest_offset: uint64(e.Off),
	}
	err := unix.IoctlFileCloneRange(int(c.dst.Fd()), &arg)
	if err == nil {
		c.cloned.Store(true)
		return n, nil
	}
	return 0, c.refuse(CopyClone, s, err)
}

// refuse takes note of what the host cannot do. It returns the error where it is of
// another kind.
func (c *copier) refuse(m CopyMethod, s *source, err error) error {
	switch err {
	case unix.EOPNOTSUPP, unix.ENOTTY, unix.ENOSYS, unix.EXDEV, unix.EPERM, unix.EACCES:
		c.refused.Store(refusal{m, s.dev}, true)
	case unix.EINVAL, unix.ETXTBSY, unix.EBADF, unix.EIO, unix.EINTR, unix.EAGAIN:
		// This file only: another block size, a swap file, no checksums (btrfs), or what a
		// FUSE server makes of it. A real read error comes up again when the file is read.
	default:
		return &os.PathError{Op: "copy from " + s.path + " to", Path: c.dst.Name(), Err: err}
	}
	return nil
}

func (c *copier) isRefused(m CopyMethod, dev uint64) bool {
	_, ok := c.refused.Load(refusal{m, dev})
	return ok
}

// copyData copies e but for the holes of the source, which stay holes.
func (c *copier) copyData(ctx context.Context, s *source, e Extent, buf []byte, progress func(int64)) error {
	for e.Len > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		hole, data := s.next(e.SrcOff, min(e.Len, copySize))
		if err := c.copyRange(s, e.Off+hole, e.SrcOff+hole, data, buf); err != nil {
			return err
		}
		n := hole + data
		progress(n)
		e.Off, e.SrcOff, e.Len = e.Off+n, e.SrcOff+n, e.Len-n
	}
	return nil
}

// next returns how long the hole is at off, and how long the data after it; together
// they are n at most. Where holes are not told, all is data.
func (s *source) next(off, n int64) (hole, data int64) {
	from, err := unix.Seek(s.fd, off, unix.SEEK_DATA)
	if err == unix.ENXIO { // no data from here on
		return n, 0
	}
	if err != nil || from < off {
		return 0, n
	}
	if from-off >= n {
		return n, 0
	}
	to, err := unix.Seek(s.fd, from, unix.SEEK_HOLE)
	if err != nil || to <= from {
		to = off + n
	}
	return from - off, min(to, off+n) - from
}

// copyRange copies n bytes of the source's data.
func (c *copier) copyRange(s *source, to, from, n int64, buf []byte) error {
	if c.method == CopyRange {
		done, err := c.copyFileRange(s, to, from, n)
		if err != nil {
			return err
		}
		to, from, n = to+done, from+done, n-done
	}
	for n > 0 {
		p := buf[:min(n, int64(len(buf)))]
		if got, err := pread(s.fd, s.path, p, from); err != nil {
			return s.short(err, from+int64(got))
		}
		if _, err := c.dst.WriteAt(p, to); err != nil {
			return err
		}
		to, from, n = to+int64(len(p)), from+int64(len(p)), n-int64(len(p))
	}
	return nil
}

// copyFileRange copies as much as copy_file_range can, and returns how much.
func (c *copier) copyFileRange(s *source, to, from, n int64) (int64, error) {
	done := int64(0)
	for done < n && !c.isRefused(CopyRange, s.dev) {
		src, dst := from+done, to+done
		got, err := unix.CopyFileRange(s.fd, &src, int(c.dst.Fd()), &dst, int(n-done), 0)
		if err != nil {
			return done, c.refuse(CopyRange, s, err)
		}
		if got == 0 { // the end of the file, or a file system that cannot: reading will tell
			break
		}
		done += int64(got)
	}
	return done, nil
}

// short explains why a read ended at off.
func (s *source) short(err error, off int64) error {
	if err != io.EOF {
		return err
	}
	return &ChangedError{s.path, fmt.Sprintf("shrank from %s to %d while it was read", grammar.Count(s.size, "byte"), off)}
}
