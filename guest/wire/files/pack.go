package files

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ingot/internal/grammar"
)

// xattrPrefix is how tar calls an extended attribute, after star:
// https://man.freebsd.org/cgi/man.cgi?query=tar&sektion=5
const xattrPrefix = "SCHILY.xattr."

// Pack writes a folder's contents, or a file under its own name, as a tar stream.
// Sockets are left out: nothing listens at the other end. Links are never followed, even one
// that replaces a folder meanwhile.
func Pack(w io.Writer, path string) error { return PackLocated(w, path, nil) }

// PackLocated is [Pack] for a receiver on the same machine: locate, which may be nil, returns
// where the contents of a file lie in memory.
func PackLocated(w io.Writer, path string, locate Locate) error {
	p := packer{tar: tar.NewWriter(w), locate: locate, links: map[inode]string{}}
	if err := p.top(path); err != nil {
		return err
	}
	return p.tar.Close()
}

// PackFolder is [Pack] for a folder that is open: whatever has its name meanwhile.
func PackFolder(w io.Writer, dir *os.File) error {
	p := packer{tar: tar.NewWriter(w), links: map[inode]string{}}
	fd, err := openFolder(int(dir.Fd()), ".")
	if err != nil {
		return &fs.PathError{Op: "open", Path: dir.Name(), Err: err}
	}
	if err := p.contents(fd, dir.Name(), ""); err != nil {
		return err
	}
	return p.tar.Close()
}

// packer remembers files that have more names than one.
type packer struct {
	tar    *tar.Writer
	locate Locate
	links  map[inode]string
	names  []byte // of attributes
	value  []byte // of an attribute
	buffer []byte // for contents
}

type inode struct{ dev, ino uint64 }

// top packs what the caller names.
func (p *packer) top(name string) error {
	info, err := os.Lstat(name)
	if err != nil {
		return err
	}
	if info.IsDir() {
		fd, err := openFolder(unix.AT_FDCWD, name)
		if err != nil {
			return &fs.PathError{Op: "open", Path: name, Err: err}
		}
		return p.contents(fd, strings.TrimSuffix(name, "/"), "")
	}
	dir, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	defer dir.Close()
	base := filepath.Base(name)
	return p.add(int(dir.Fd()), base, name, base)
}

// contents packs all that is in an open folder, in the order of names, and closes it. Its
// path is for errors, and its name is that in the stream.
func (p *packer) contents(fd int, file, name string) error {
	dir := os.NewFile(uintptr(fd), file)
	defer dir.Close()
	entries, err := dir.Readdirnames(-1)
	if err != nil {
		return err
	}
	if len(entries) > 0 && strings.Count(name, "/") > maxDepth {
		return fmt.Errorf("%.200s…: more than %d folders lie in each other, which is the limit", file, maxDepth)
	}
	slices.Sort(entries)
	for _, entry := range entries {
		if err := p.add(int(dir.Fd()), entry, file+"/"+entry, path.Join(name, entry)); err != nil {
			return err
		}
	}
	return nil
}

// add packs one file of an open folder.
func (p *packer) add(dir int, base, file, name string) error {
	st, err := statusAt(dir, base)
	if err != nil {
		return &fs.PathError{Op: "lstat", Path: file, Err: err}
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFSOCK:
		return nil
	case unix.S_IFDIR:
		return p.folder(dir, base, file, name)
	case unix.S_IFREG:
		key := inode{st.Dev, st.Ino}
		if first, ok := p.links[key]; ok && st.Nlink > 1 {
			return p.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: first, Mode: int64(st.Mode & 0o7777), ModTime: modified(st), Format: tar.FormatPAX})
		}
		return p.file(dir, base, file, name)
	}
	fd, err := openAny(dir, base)
	if err != nil {
		return &fs.PathError{Op: "open", Path: file, Err: err}
	}
	defer unix.Close(fd)
	h := header(st, name)
	if h.Typeflag == tar.TypeSymlink {
		if h.Linkname, err = readLink(fd); err != nil {
			return &fs.PathError{Op: "readlink", Path: file, Err: err}
		}
	}
	if err := p.addAttributes(fd, file, h); err != nil {
		return err
	}
	return p.write(h, file)
}

// folder packs a folder with all that is in it.
func (p *packer) folder(dir int, base, file, name string) error {
	fd, err := openFolder(dir, base)
	if err != nil {
		return &fs.PathError{Op: "open", Path: file, Err: err}
	}
	st, err := status(fd)
	if err == nil {
		h := header(st, name)
		if err = p.addAttributes(fd, file, h); err == nil {
			err = p.write(h, file)
		}
	}
	if err != nil {
		unix.Close(fd)
		return err
	}
	return p.contents(fd, file, name)
}

// file packs a regular file.
func (p *packer) file(dir int, base, file, name string) error {
	f, st, err := openFile(dir, base, file)
	if err != nil {
		return err
	}
	defer f.Close()
	if st.Nlink > 1 {
		p.links[inode{st.Dev, st.Ino}] = name
	}
	h := header(st, name)
	h.Size = st.Size
	if err := p.addAttributes(int(f.Fd()), file, h); err != nil {
		return err
	}
	if p.locate != nil && h.Size >= leastLocated {
		if done, err := p.packRuns(f, h); done || err != nil {
			return err
		}
	}
	if err := p.write(h, file); err != nil {
		return err
	}
	if p.buffer == nil {
		p.buffer = make([]byte, contentsPiece)
	}
	n, err := io.CopyBuffer(struct{ io.Writer }{p.tar}, io.LimitReader(f, st.Size), p.buffer)
	if err == nil && n < st.Size {
		return fmt.Errorf("%s: shrank from %d to %s while it was copied", file, st.Size, grammar.Count(n, "byte"))
	}
	return err
}

func (p *packer) write(h *tar.Header, file string) error {
	if err := p.tar.WriteHeader(h); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// typeFlags are tar's for the kinds of file.
var typeFlags = map[uint32]byte{
	unix.S_IFREG: tar.TypeReg, unix.S_IFDIR: tar.TypeDir, unix.S_IFLNK: tar.TypeSymlink,
	unix.S_IFCHR: tar.TypeChar, unix.S_IFBLK: tar.TypeBlock, unix.S_IFIFO: tar.TypeFifo,
}

// header is that of a file, without its contents. Users have numbers only: names are of
// no use elsewhere, and take time to find.
func header(st *unix.Stat_t, name string) *tar.Header {
	h := &tar.Header{
		Typeflag: typeFlags[st.Mode&unix.S_IFMT], Name: name, Mode: int64(st.Mode & 0o7777),
		Uid: int(st.Uid), Gid: int(st.Gid), ModTime: modified(st), Format: tar.FormatPAX,
	}
	if h.Typeflag == tar.TypeChar || h.Typeflag == tar.TypeBlock {
		h.Devmajor, h.Devminor = int64(unix.Major(st.Rdev)), int64(unix.Minor(st.Rdev))
	}
	return h
}

func modified(st *unix.Stat_t) time.Time { return time.Unix(st.Mtim.Unix()) }

func readLink(fd int) (string, error) {
	target := make([]byte, maxTarget+1)
	n := 0
	err := again(func() (err error) { n, err = unix.Readlinkat(fd, "", target); return err })
	return string(target[:max(n, 0)]), err
}

// listAttributes is flistxattr(2), also for links and devices, which openAny opens.
func listAttributes(fd int, list []byte) (int, error) {
	n, err := unix.Flistxattr(fd, list)
	if errors.Is(err, unix.EBADF) {
		return unix.Listxattr(through(fd), list)
	}
	return n, err
}

// getAttribute is fgetxattr(2) for the same.
func getAttribute(fd int, name string, value []byte) (int, error) {
	n, err := unix.Fgetxattr(fd, name, value)
	if errors.Is(err, unix.EBADF) {
		return unix.Getxattr(through(fd), name, value)
	}
	return n, err
}

// maxAttributes is how long the list of attributes of a file can be, and each of them:
// XATTR_LIST_MAX and XATTR_SIZE_MAX.
const maxAttributes = 1 << 16

// addAttributes adds a file's extended attributes to its header.
func (p *packer) addAttributes(fd int, file string, h *tar.Header) error {
	if p.names == nil {
		p.names, p.value = make([]byte, maxAttributes), make([]byte, maxAttributes)
	}
	n, err := listAttributes(fd, p.names)
	if errors.Is(err, unix.ENOTSUP) || n == 0 {
		return nil
	}
	if err != nil {
		return &fs.PathError{Op: "listxattr", Path: file, Err: err}
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(p.names[:n]), "\x00"), "\x00") {
		n, err := getAttribute(fd, name, p.value)
		if errors.Is(err, unix.ENODATA) || errors.Is(err, unix.ENOTSUP) {
			continue
		}
		if err != nil {
			return &fs.PathError{Op: "getxattr " + name, Path: file, Err: err}
		}
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords[xattrPrefix+name] = string(p.value[:n])
	}
	return nil
}
