package agent

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// UnpackOptions say what is kept of files beside their contents, modes and times.
type UnpackOptions struct {
	Owners bool // user and group, by number
	SetID  bool // the bits that make a program run as its owner

	// Memory is that of who packed the stream, if it was asked to leave files there.
	Memory io.ReaderAt
}

// Unpack makes the files of a tar stream in a folder, which is there. It replaces
// files and links of the same names, and leaves others alone. Lost names what could
// not be kept: attributes that the file system does not take, devices that only root
// can make.
func Unpack(r io.Reader, dir string, o UnpackOptions) (lost []string, err error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	u := unpacker{root: root, options: o}
	in := tar.NewReader(r)
	for {
		h, err := in.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return u.lost, fmt.Errorf("tar stream: %w", err)
		}
		if err := u.add(h, in); err != nil {
			return u.lost, err
		}
	}
	// Who sent the stream may still be at the zeros that end it.
	if _, err := io.Copy(io.Discard, r); err != nil {
		return u.lost, err
	}
	return u.lost, u.finishDirs()
}

type unpacker struct {
	root    *os.Root
	options UnpackOptions
	dirs    []*tar.Header // whose modes might keep their contents out
	lost    []string
}

// maxLost bounds how much is told of what was lost.
const maxLost = 20

func (u *unpacker) lose(format string, args ...any) {
	if len(u.lost) < maxLost {
		u.lost = append(u.lost, fmt.Sprintf(format, args...))
	}
}

func (u *unpacker) add(h *tar.Header, in io.Reader) error {
	h.Name = filepath.Clean(strings.TrimSuffix(h.Name, "/"))
	if !filepath.IsLocal(h.Name) {
		return fmt.Errorf("tar stream: %q leads out of the folder that it is unpacked to", h.Name)
	}
	if h.Name == "." {
		return nil // the folder belongs to the receiver
	}
	if dir := filepath.Dir(h.Name); dir != "." {
		if err := u.root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if h.Typeflag == tar.TypeDir {
		u.dirs = append(u.dirs, h)
		return u.makeDir(h.Name)
	}
	if err := u.root.Remove(h.Name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	switch h.Typeflag {
	case tar.TypeReg:
		return u.file(h, in)
	case tar.TypeLink:
		return u.root.Link(filepath.Clean(h.Linkname), h.Name)
	case tar.TypeSymlink:
		if err := u.root.Symlink(h.Linkname, h.Name); err != nil {
			return err
		}
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		if made, err := u.special(h); !made {
			return err
		}
	default:
		return fmt.Errorf("tar stream: %s is of unknown type %q", h.Name, h.Typeflag)
	}
	return u.metadata(h)
}

// makeDir makes a folder; where a file or a link has its name, that goes.
func (u *unpacker) makeDir(name string) error {
	info, err := u.root.Lstat(name)
	if err == nil && info.IsDir() {
		return nil
	}
	if err == nil {
		if err := u.root.Remove(name); err != nil {
			return err
		}
	}
	return u.root.Mkdir(name, 0o700)
}

func (u *unpacker) file(h *tar.Header, in io.Reader) error {
	f, err := u.root.OpenFile(h.Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if size, lent := h.PAXRecords[memoryRecord]; lent {
		err = u.collect(f, h.Name, size, in)
	} else {
		_, err = io.Copy(f, in)
	}
	if err != nil {
		f.Close()
		return err
	}
	if err := u.metadata(h); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// special makes a device or a pipe.
func (u *unpacker) special(h *tar.Header) (made bool, err error) {
	types := map[byte]uint32{tar.TypeChar: unix.S_IFCHR, tar.TypeBlock: unix.S_IFBLK, tar.TypeFifo: unix.S_IFIFO}
	err = u.inParent(h.Name, func(dir int, base string) error {
		return unix.Mknodat(dir, base, types[h.Typeflag]|0o600, int(unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor))))
	})
	if errors.Is(err, unix.EPERM) {
		u.lose("%s: a device, which only root can make", h.Name)
		return false, nil
	}
	return err == nil, err
}

// finishDirs sets modes and times of folders, the deepest first.
func (u *unpacker) finishDirs() error {
	for _, h := range slices.Backward(u.dirs) {
		if err := u.metadata(h); err != nil {
			return err
		}
	}
	return nil
}

// metadata sets what a file has beside its contents. The owner comes first, for a
// change of it takes bits off the mode.
func (u *unpacker) metadata(h *tar.Header) error {
	return u.inParent(h.Name, func(dir int, base string) error {
		if u.options.Owners {
			if err := unix.Fchownat(dir, base, h.Uid, h.Gid, unix.AT_SYMLINK_NOFOLLOW); err != nil {
				return err
			}
		}
		if err := u.xattrs(dir, base, h); err != nil {
			return err
		}
		if h.Typeflag != tar.TypeSymlink {
			mode := uint32(h.Mode & 0o7777)
			if !u.options.SetID && mode&0o6000 != 0 && h.Typeflag != tar.TypeDir {
				mode &^= 0o6000
				u.lose("%s: set-user-ID and set-group-ID", h.Name)
			}
			if err := unix.Fchmodat(dir, base, mode, 0); err != nil {
				return err
			}
		}
		when, err := unix.TimeToTimespec(h.ModTime)
		if err != nil {
			return err
		}
		return unix.UtimesNanoAt(dir, base, []unix.Timespec{when, when}, unix.AT_SYMLINK_NOFOLLOW)
	})
}

// xattrs sets extended attributes through /proc, for the calls know no folders.
func (u *unpacker) xattrs(dir int, base string, h *tar.Header) error {
	for _, record := range slices.Sorted(maps.Keys(h.PAXRecords)) {
		name, ok := strings.CutPrefix(record, xattrPrefix)
		if !ok {
			continue
		}
		err := unix.Lsetxattr(fmt.Sprintf("/proc/self/fd/%d/%s", dir, base), name, []byte(h.PAXRecords[record]), 0)
		if errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EPERM) {
			u.lose("%s: attribute %s", h.Name, name)
		} else if err != nil {
			return fmt.Errorf("attribute %s: %w", name, err)
		}
	}
	return nil
}

// inParent calls fn with the open folder that a name lies in. The folder is found
// without leaving the root; its last part is not a link, for it was just made.
func (u *unpacker) inParent(name string, fn func(dir int, base string) error) error {
	parent, err := u.root.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	defer parent.Close()
	if err := fn(int(parent.Fd()), filepath.Base(name)); err != nil {
		return &fs.PathError{Op: "unpack", Path: name, Err: err}
	}
	return nil
}
