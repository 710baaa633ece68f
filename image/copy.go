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

// copier copies parts of files into one file: it clones parts of 64 KiB and more where the
// host can, and reads and writes the rest.
type copier struct {
	dst     *Output
	cloned  atomic.Bool // whether a clone has succeeded
	refused sync.Map    // device numbers of sources that the host cannot clone from
}

// copySize is how many bytes are copied between two looks at the context.
const copySize = 8 << 20

// copy copies the bytes of e, which is a part of f, to their place.
func (c *copier) copy(ctx context.Context, f *File, e Extent, buf []byte, progress func(int64)) error {
	s, err := openSource(f)
	if err != nil {
		return err
	}
	defer unix.Close(s.fd)
	n, err := c.clone(s, e)
	if err != nil {
		return err
	}
	progress(n)
	e.Off, e.SrcOff, e.Len = e.Off+n, e.SrcOff+n, e.Len-n
	if err := c.copyData(ctx, s, e, buf, progress); err != nil {
		return err
	}
	return f.check(s.path, s.fd)
}

// source is a File while it is open.
type source struct {
	*File
	path string
	fd   int
	dev  uint64
}

func openSource(f *File) (*source, error) {
	path := f.Path()
	fd, err := open(path)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := f.stat(path, fd, &st); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return &source{f, path, fd, st.Dev}, nil
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
func clonable(l Leaf) int64 {
	if !isFile(l, cloneFrom) {
		return 0
	}
	return aligned(l.Extent)
}

// tryClone clones the first block of l, and says whether that worked.
func (c *copier) tryClone(l Leaf) bool {
	s, err := openSource(l.Src.(*File))
	if err != nil {
		return false
	}
	defer unix.Close(s.fd)
	e := l.Extent
	e.Len = hostBlock
	n, err := c.clone(s, e)
	return err == nil && n == e.Len
}

// clone shares the whole blocks of e with the source and returns their length, or 0
// if the host does not share them.
func (c *copier) clone(s *source, e Extent) (int64, error) {
	n := aligned(e)
	if _, refused := c.refused.Load(s.dev); n == 0 || refused {
		return 0, nil
	}
	err := unix.IoctlFileCloneRange(int(c.dst.Fd()), &unix.FileCloneRange{
		Src_fd:      int64(s.fd),
		Src_offset:  uint64(e.SrcOff),
		Src_length:  uint64(n),
		Dest_offset: uint64(e.Off),
	})
	switch err {
	case nil:
		c.cloned.Store(true)
		return n, nil
	case unix.EOPNOTSUPP, unix.ENOTTY, unix.ENOSYS, unix.EXDEV, unix.EPERM, unix.EACCES:
		c.refused.Store(s.dev, true)
		return 0, nil
	case unix.EINVAL, unix.ETXTBSY, unix.EBADF, unix.EIO, unix.EINTR, unix.EAGAIN:
		// This file only: another block size, a swap file, no checksums (btrfs), or a FUSE
		// server. A real read error comes up again when the file is read.
		return 0, nil
	}
	return 0, &os.PathError{Op: "clone " + s.path + " to", Path: c.dst.Name(), Err: err}
}

// copyData copies e but for the holes of the source, which stay holes.
func (c *copier) copyData(ctx context.Context, s *source, e Extent, buf []byte, progress func(int64)) error {
	for e.Len > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		from, to := dataWithin(s.fd, e.SrcOff, e.SrcOff+min(e.Len, copySize))
		if err := c.copyRange(s, e.Off+from-e.SrcOff, from, to-from, buf); err != nil {
			return err
		}
		n := to - e.SrcOff
		progress(n)
		e.Off, e.SrcOff, e.Len = e.Off+n, e.SrcOff+n, e.Len-n
	}
	return nil
}

// copyRange copies n bytes of the source's data.
func (c *copier) copyRange(s *source, to, from, n int64, buf []byte) error {
	for n > 0 {
		p := buf[:min(n, int64(len(buf)))]
		got, err := pread(s.fd, s.path, p, from)
		if err == io.EOF {
			return s.shrank(from + int64(got))
		}
		if err != nil {
			return err
		}
		if _, err := c.dst.WriteAt(p, to); err != nil {
			return err
		}
		to, from, n = to+int64(len(p)), from+int64(len(p)), n-int64(len(p))
	}
	return nil
}

// shrank says that reading ended at off.
func (s *source) shrank(off int64) error {
	return &ChangedError{s.path, fmt.Sprintf("shrank from %s to %d while it was read", grammar.Count(s.size, "byte"), off)}
}
