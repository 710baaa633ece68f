package agent

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// xattrPrefix is how tar calls an extended attribute, after star:
// https://man.freebsd.org/cgi/man.cgi?query=tar&sektion=5
const xattrPrefix = "SCHILY.xattr."

// Pack writes a folder's contents, or a file under its own name, as a tar stream.
// Sockets are left out: nobody listens at the other end.
func Pack(w io.Writer, path string) error { return PackLent(w, path, nil) }

// PackLent is [Pack] for a receiver on the same machine: lend, which may be nil, tells
// where the contents of a file lie in memory, or that they have to be sent.
func PackLent(w io.Writer, path string, lend Lend) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	p := packer{tar: tar.NewWriter(w), lend: lend, links: map[inode]string{}}
	if info.IsDir() {
		err = filepath.WalkDir(path, func(file string, d fs.DirEntry, err error) error {
			if err != nil || file == path {
				return err
			}
			return p.add(file, strings.TrimPrefix(file, strings.TrimSuffix(path, "/")+"/"))
		})
	} else {
		err = p.add(path, filepath.Base(path))
	}
	if err != nil {
		return err
	}
	return p.tar.Close()
}

// packer remembers files that have more names than one.
type packer struct {
	tar   *tar.Writer
	lend  Lend
	links map[inode]string
}

type inode struct{ dev, ino uint64 }

// add writes one file under a name.
func (p *packer) add(path, name string) error {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return &fs.PathError{Op: "lstat", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT == unix.S_IFSOCK {
		return nil
	}
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	var target string
	if info.Mode()&fs.ModeSymlink != 0 {
		if target, err = os.Readlink(path); err != nil {
			return err
		}
	}
	h, err := tar.FileInfoHeader(info, target)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	h.Name, h.Format = name, tar.FormatPAX
	h.Uname, h.Gname = "", "" // numbers are what counts, and quicker to have
	if h.Typeflag == tar.TypeReg && st.Nlink > 1 {
		key := inode{st.Dev, st.Ino}
		if first, ok := p.links[key]; ok {
			h.Typeflag, h.Linkname, h.Size = tar.TypeLink, first, 0
			return p.tar.WriteHeader(h)
		}
		p.links[key] = name
	}
	if err := addXattrs(path, h); err != nil {
		return err
	}
	if h.Typeflag == tar.TypeReg && p.lend != nil && h.Size >= worthLending {
		if lent, err := p.borrow(path, h); lent || err != nil {
			return err
		}
	}
	if err := p.tar.WriteHeader(h); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if h.Typeflag != tar.TypeReg {
		return nil
	}
	return p.contents(path, h.Size)
}

// contents writes as many bytes as the header has promised.
func (p *packer) contents(path string, size int64) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	n, err := io.CopyN(p.tar, f, size)
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: shrank from %d to %d bytes while it was copied", path, size, n)
	}
	return err
}

// addXattrs adds a file's extended attributes to its header.
func addXattrs(path string, h *tar.Header) error {
	names := make([]byte, 1<<16) // as many as Linux lets a file have
	n, err := unix.Llistxattr(path, names)
	if errors.Is(err, unix.ENOTSUP) || n == 0 {
		return nil
	}
	if err != nil {
		return &fs.PathError{Op: "listxattr", Path: path, Err: err}
	}
	value := make([]byte, 1<<16)
	for name := range strings.SplitSeq(strings.TrimSuffix(string(names[:n]), "\x00"), "\x00") {
		n, err := unix.Lgetxattr(path, name, value)
		if errors.Is(err, unix.ENODATA) || errors.Is(err, unix.ENOTSUP) {
			continue
		}
		if err != nil {
			return &fs.PathError{Op: "getxattr " + name, Path: path, Err: err}
		}
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords[xattrPrefix+name] = string(value[:n])
	}
	return nil
}
