package runtimedir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// A Dir is an open folder that is this user's alone.
type Dir struct {
	fd   int
	path string
}

// Open opens a folder. Where there is none, the error is [fs.ErrNotExist]; what is there
// and not this user's alone is a [ForeignError].
func Open(path string) (*Dir, error) { return openAt(unix.AT_FDCWD, path, path) }

// Make opens a folder, and makes it if there is none.
func Make(path string) (*Dir, error) {
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("folder of the running machines: %w", err)
	}
	return Open(path)
}

// Sub opens a folder in the folder.
func (d *Dir) Sub(name string) (*Dir, error) {
	if !plain(name) {
		return nil, d.error("open", name, fs.ErrInvalid)
	}
	return openAt(d.fd, name, d.Path(name))
}

// openAt opens a folder by a name in another one; path is what people call it.
func openAt(at int, name, path string) (*Dir, error) {
	fd, err := unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	switch {
	case err == nil:
		return FromDescriptor(fd, path)
	case errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP), errors.Is(err, unix.EACCES):
		var st unix.Stat_t
		if unix.Fstatat(at, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil && !private(&st) {
			return nil, foreign(path, &st)
		}
	}
	return nil, &os.PathError{Op: "open", Path: path, Err: err}
}

// FromDescriptor makes a Dir of a folder that is open, perhaps by another process, or closes it.
func FromDescriptor(fd int, path string) (*Dir, error) {
	var st unix.Stat_t
	err := unix.Fstat(fd, &st)
	switch {
	case err != nil:
		err = &os.PathError{Op: "stat", Path: path, Err: err}
	case !private(&st):
		err = foreign(path, &st)
	default:
		return &Dir{fd, path}, nil
	}
	unix.Close(fd)
	return nil, err
}

func private(st *unix.Stat_t) bool {
	return st.Mode&unix.S_IFMT == unix.S_IFDIR && int(st.Uid) == os.Getuid() && st.Mode&0o077 == 0
}

// A ForeignError is something that stands where a folder of this user's alone has to be.
type ForeignError struct {
	Path string
	Kind string // "a folder", "a symbolic link", "a file"
	UID  int    // whose it is
	Mode fs.FileMode
}

func foreign(path string, st *unix.Stat_t) *ForeignError {
	kind := "a file"
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		kind = "a folder"
	case unix.S_IFLNK:
		kind = "a symbolic link"
	}
	return &ForeignError{path, kind, int(st.Uid), fs.FileMode(st.Mode & 0o7777)}
}

func (e *ForeignError) Error() string {
	what := fmt.Sprintf("%s of user %d", e.Kind, e.UID)
	if e.Kind != "a symbolic link" {
		what += fmt.Sprintf(" with mode %04o", uint32(e.Mode))
	}
	way := "remove it"
	if e.UID != os.Getuid() && os.Getuid() != 0 {
		way = "have its owner or root remove it"
	}
	return fmt.Sprintf("%s: running machines are reached in this folder, so it has to be yours alone (user %d, mode 0700), and it is %s: %s, or set XDG_RUNTIME_DIR to a folder of yours",
		e.Path, os.Getuid(), what, way)
}

// Close closes the folder. Listeners in it no longer remove their sockets.
func (d *Dir) Close() { unix.Close(d.fd) }

// Path is what people call the folder, or a name in it.
func (d *Dir) Path(name ...string) string {
	return filepath.Join(append([]string{d.path}, name...)...)
}

// Address is a path by which this process reaches a name in just this folder, whatever
// stands at its path by now. It is short enough for a socket, too.
func (d *Dir) Address(name string) string {
	return fmt.Sprintf("/proc/self/fd/%d/%s", d.fd, name)
}

// File opens the folder once more, for a process that is started.
func (d *Dir) File() (*os.File, error) { return os.Open(d.Address(".")) }

// Names returns all names in the folder.
func (d *Dir) Names() ([]string, error) {
	f, err := d.File()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}

func (d *Dir) error(op, name string, err error) error {
	return &os.PathError{Op: op, Path: d.Path(name), Err: err}
}

// errNotOurs is of what is in the folder and not this user's, or of another kind than it
// should be.
var errNotOurs = errors.New("is not what ingot puts there: another kind of file, or another user's")

// plain reports whether a name can be that of something in the folder.
func plain(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/\x00")
}

// stat looks at a name, and refuses what is of another kind or another user's.
func (d *Dir) stat(op, name string, kind uint32) (st unix.Stat_t, err error) {
	if !plain(name) {
		return st, d.error(op, name, fs.ErrInvalid)
	}
	if err := unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return st, d.error(op, name, err)
	}
	if st.Mode&unix.S_IFMT != kind || int(st.Uid) != os.Getuid() {
		return st, d.error(op, name, errNotOurs)
	}
	return st, nil
}

// OpenFile opens a regular file of this user's. Of the flags there are those of [os.OpenFile].
// What it makes has mode 0600.
func (d *Dir) OpenFile(name string, flag int) (*os.File, error) {
	_, err := d.stat("open", name, unix.S_IFREG)
	if err != nil && !(errors.Is(err, fs.ErrNotExist) && flag&os.O_CREATE != 0) {
		return nil, err
	}
	fd, err := unix.Openat(d.fd, name, flag|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, d.error("open", name, err)
	}
	f := os.NewFile(uintptr(fd), d.Path(name))
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err == nil && (st.Mode&unix.S_IFMT != unix.S_IFREG || int(st.Uid) != os.Getuid()) {
		err = errNotOurs // it was changed since
	}
	if err != nil {
		f.Close()
		return nil, d.error("open", name, err)
	}
	return f, nil
}

// Has reports whether an open file stands in the folder under a name.
func (d *Dir) Has(f *os.File, name string) bool {
	var own, st unix.Stat_t
	return unix.Fstat(int(f.Fd()), &own) == nil && unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil &&
		st.Dev == own.Dev && st.Ino == own.Ino
}

// Exists reports whether there is something under a name.
func (d *Dir) Exists(name string) bool {
	var st unix.Stat_t
	return unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil
}

// RemoveFile removes a regular file of this user's, and nothing else.
func (d *Dir) RemoveFile(name string) error { return d.remove(name, unix.S_IFREG) }

// RemoveSocket removes a socket of this user's, and nothing else.
func (d *Dir) RemoveSocket(name string) error { return d.remove(name, unix.S_IFSOCK) }

func (d *Dir) remove(name string, kind uint32) error {
	if _, err := d.stat("remove", name, kind); err != nil {
		return err
	}
	if err := unix.Unlinkat(d.fd, name, 0); err != nil {
		return d.error("remove", name, err)
	}
	return nil
}
