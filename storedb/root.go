package storedb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"ingot/image"
)

// rootDir is an open directory of a target root. All that is done in it names one
// entry of it and follows no symlink, so that nothing is ever read or written outside
// the root, whatever lies there.
type rootDir struct {
	fd   int
	path string // for errors
	made bool   // by us, in this run
}

// openRoot opens the root itself, which alone may be reached through symlinks. If it
// is missing it is made, unless its parent is missing, too.
func openRoot(path string, make bool) (*rootDir, error) {
	made := false
	if make {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			if err := image.CheckFolder(path); err != nil {
				return nil, err
			}
		}
		err := os.Mkdir(path, 0o755)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		made = err == nil
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	if made { // whatever the umask
		err = unix.Fchmod(fd, 0o755)
	}
	return &rootDir{fd: fd, path: filepath.Clean(path), made: made}, err
}

func (d *rootDir) close() {
	if d != nil {
		unix.Close(d.fd)
	}
}

func (d *rootDir) fail(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &os.PathError{Op: op, Path: filepath.Join(d.path, name), Err: err}
}

// open opens a directory. One that is a symlink is refused, as Nix refuses a store
// below a symlink: what is a store here would be elsewhere once the root is in place.
func (d *rootDir) open(name string) (*rootDir, error) {
	fd, err := unix.Openat(d.fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err == unix.ENOTDIR || err == unix.ELOOP {
		if st, stat := d.stat(name); stat == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK {
			return nil, fmt.Errorf("%s is a symlink: a store and what leads to it must be directories of the root", filepath.Join(d.path, name))
		}
	}
	if err != nil {
		return nil, d.fail("open", name, err)
	}
	return &rootDir{fd: fd, path: filepath.Join(d.path, name)}, nil
}

// make opens a directory, and makes it with these permissions, whatever the umask,
// if it is missing. It gets its name when it is as it should be, which settle, if given, sees
// to: where a process is killed before that, the next one goes on with the temporary name.
func (d *rootDir) make(name string, perm uint32, settle func(*rootDir) error) (*rootDir, error) {
	for try := 1; ; try++ {
		dir, err := d.open(name)
		if !errors.Is(err, fs.ErrNotExist) {
			return dir, err
		}
		dir, err = d.makeNew(name, perm, settle)
		if err == nil || try == 10 || !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) { // another process does the same
			return dir, err
		}
	}
}

func (d *rootDir) makeNew(name string, perm uint32, settle func(*rootDir) error) (*rootDir, error) {
	temp := ".ingot-" + name
	if err := unix.Mkdirat(d.fd, temp, perm); err != nil && err != unix.EEXIST {
		return nil, d.fail("mkdir", name, err)
	}
	dir, err := d.open(temp)
	if err != nil {
		return nil, err
	}
	dir.path, dir.made = filepath.Join(d.path, name), true
	err = d.fail("chmod", name, unix.Fchmod(dir.fd, perm))
	if err == nil && settle != nil {
		err = settle(dir)
	}
	if err == nil {
		if err = renameNew(d, temp, d, name); err == unix.ENOTEMPTY {
			err = unix.EEXIST
		}
		err = d.fail("mkdir", name, err)
	}
	if err != nil {
		dir.close()
		unix.Unlinkat(d.fd, temp, unix.AT_REMOVEDIR)
		return nil, err
	}
	return dir, nil
}

// walk opens what lies below d at a relative path, and calls next for each directory
// on the way, which is closed but for the last.
func (d *rootDir) walk(rel string, next func(*rootDir, string) (*rootDir, error)) (*rootDir, error) {
	at := d
	for name := range strings.SplitSeq(cmp.Or(strings.Trim(rel, "/"), "."), "/") {
		dir, err := next(at, name)
		if at != d {
			at.close()
		}
		if err != nil {
			return nil, err
		}
		at = dir
	}
	return at, nil
}

func (d *rootDir) stat(name string) (st unix.Stat_t, err error) {
	return st, unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW)
}

// exists says whether there is anything of this name.
func (d *rootDir) exists(name string) (bool, error) {
	_, err := d.stat(name)
	if err == unix.ENOENT {
		return false, nil
	}
	return err == nil, d.fail("lstat", name, err)
}

// names returns the names in the directory, in no order.
func (d *rootDir) names() ([]string, error) {
	fd, err := unix.Openat(d.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, d.fail("open", "", err)
	}
	f := os.NewFile(uintptr(fd), d.path)
	defer f.Close()
	return f.Readdirnames(-1)
}

// openRegular opens a regular file, and nothing else: to open a device can set it off,
// and a FIFO waits for its other end.
func (d *rootDir) openRegular(name string, flags int) (int, error) {
	st, err := d.stat(name)
	if err == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK {
		return -1, d.fail("open", name, unix.ELOOP)
	}
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		return -1, fmt.Errorf("%s is no regular file", filepath.Join(d.path, name))
	}
	if err != nil && (err != unix.ENOENT || flags&unix.O_CREAT == 0) {
		return -1, d.fail("lstat", name, err)
	}
	fd, err := unix.Openat(d.fd, name, flags|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return -1, d.fail("open", name, err)
	}
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		unix.Close(fd)
		return -1, fmt.Errorf("%s is no regular file", filepath.Join(d.path, name))
	}
	return fd, nil
}

// readFile reads a small regular file.
func (d *rootDir) readFile(name string) ([]byte, error) {
	fd, err := d.openRegular(name, unix.O_RDONLY)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), filepath.Join(d.path, name))
	defer f.Close()
	b := make([]byte, 4096)
	n, err := f.Read(b)
	if err == io.EOF { // it is empty
		err = nil
	}
	return b[:n], err
}

// write puts a whole file under its name in one step, and replaces an earlier one.
func (d *rootDir) write(name string, data []byte, perm uint32, sync bool) error {
	temp := ".ingot-" + name
	if err := unix.Unlinkat(d.fd, temp, 0); err != nil && err != unix.ENOENT {
		return d.fail("remove", temp, err)
	}
	fd, err := unix.Openat(d.fd, temp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, perm)
	if err != nil {
		return d.fail("create", name, err)
	}
	f := os.NewFile(uintptr(fd), filepath.Join(d.path, name))
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(fs.FileMode(perm)))
	if err == nil && sync {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = d.fail("rename", name, unix.Renameat(d.fd, temp, d.fd, name))
	}
	if err != nil {
		unix.Unlinkat(d.fd, temp, 0)
		return err
	}
	if sync {
		return d.sync()
	}
	return nil
}

// sync makes the names in the directory durable.
func (d *rootDir) sync() error {
	if err := unix.Fsync(d.fd); err != nil && err != unix.EINVAL { // file systems that cannot sync directories
		return d.fail("sync", "", err)
	}
	return nil
}

// readlink returns the target of a symlink.
func (d *rootDir) readlink(name string) (string, error) {
	b := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(d.fd, name, b)
	if err != nil {
		return "", d.fail("readlink", name, err)
	}
	return string(b[:n]), nil
}

// symlink makes a symlink, in one step where another is replaced. Anything else of
// that name is an error.
func (d *rootDir) symlink(name, target string) error {
	switch old, err := d.readlink(name); {
	case err == nil && old == target:
		return nil
	case err == nil:
	case errors.Is(err, fs.ErrNotExist):
	default:
		return fmt.Errorf("%s is in the way of a link to %s: it is no symlink", filepath.Join(d.path, name), target)
	}
	for try := 1; ; try++ {
		err := d.replaceLink(".ingot-"+name, name, target)
		if try == 10 || err != unix.EEXIST && err != unix.ENOENT { // another process does the same
			return d.fail("symlink", name, err)
		}
	}
}

// replaceLink makes a symlink under a temporary name and gives it its own.
func (d *rootDir) replaceLink(temp, name, target string) error {
	if err := unix.Unlinkat(d.fd, temp, 0); err != nil && err != unix.ENOENT {
		return err
	}
	if err := unix.Symlinkat(target, d.fd, temp); err != nil {
		return err
	}
	settle(d.fd, temp)
	err := unix.Renameat(d.fd, temp, d.fd, name)
	if err != nil {
		unix.Unlinkat(d.fd, temp, 0)
	}
	return err
}

// remove removes what stands under name with all below it, whatever its permissions.
func (d *rootDir) remove(name string) error {
	switch err := unix.Unlinkat(d.fd, name, 0); err {
	case nil, unix.ENOENT:
		return nil
	case unix.EISDIR, unix.EPERM:
	default:
		return d.fail("remove", name, err)
	}
	dir, err := d.open(name)
	if errors.Is(err, fs.ErrPermission) { // its own permissions are in the way
		if err := d.chmod(name, 0o700); err != nil {
			return err
		}
		dir, err = d.open(name)
	}
	if err != nil {
		return err
	}
	defer dir.close()
	unix.Fchmod(dir.fd, 0o700) // where that is refused, so is the removal, which tells
	names, err := dir.names()
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := dir.remove(n); err != nil {
			return err
		}
	}
	return d.fail("remove", name, unix.Unlinkat(d.fd, name, unix.AT_REMOVEDIR))
}

// settle gives a file the time that every file of a store has.
func settle(dir int, name string) error {
	return unix.UtimesNanoAt(dir, name, storeTimes, unix.AT_SYMLINK_NOFOLLOW)
}

var storeTimes = []unix.Timespec{{Sec: registrationTime}, {Sec: registrationTime}}

// fileLock is a lock that Nix or Guix, and we, take on a file.
type fileLock struct {
	fd   int
	kind Flavour
}

// lock waits for a lock on the file of this name, which is made if it is missing.
// wait is called if another process has it.
func (d *rootDir) lock(ctx context.Context, kind Flavour, name string, exclusive bool, wait func(string)) (*fileLock, error) {
	fd, err := d.openRegular(name, unix.O_RDWR|unix.O_CREAT)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err == nil && st.Nlink > 1 { // a process elsewhere may hold the lock by the other name
		unix.Close(fd)
		return nil, fmt.Errorf("%s has %d names (hard links); a lock must have one: remove it", filepath.Join(d.path, name), st.Nlink)
	}
	l := &fileLock{fd, kind}
	if err := l.acquire(exclusive, false); err == nil {
		return l, nil
	}
	if wait != nil {
		wait(filepath.Join(d.path, name))
	}
	got := make(chan error, 1)
	go func() { got <- l.acquire(exclusive, true) }()
	select {
	case err := <-got:
		if err != nil {
			l.release()
			return nil, d.fail("lock", name, err)
		}
		return l, nil
	case <-ctx.Done():
		go func() { <-got; l.release() }()
		return nil, ctx.Err()
	}
}

// acquire locks as the flavour's daemon does: Nix by flock(2), Guix, as Nix once did,
// by fcntl(2). Locks of open files (F_OFD_SETLK) and those meet each other.
func (l *fileLock) acquire(exclusive, wait bool) error {
	for {
		var err error
		if l.kind == Guix {
			err = l.fcntl(exclusive, wait)
		} else {
			err = l.flock(exclusive, wait)
		}
		if err != unix.EINTR {
			return err
		}
	}
}

func (l *fileLock) flock(exclusive, wait bool) error {
	how := unix.LOCK_SH
	if exclusive {
		how = unix.LOCK_EX
	}
	if !wait {
		how |= unix.LOCK_NB
	}
	return unix.Flock(l.fd, how)
}

func (l *fileLock) fcntl(exclusive, wait bool) error {
	cmd, how := unix.F_OFD_SETLK, unix.F_RDLCK
	if exclusive {
		how = unix.F_WRLCK
	}
	if wait {
		cmd = unix.F_OFD_SETLKW
	}
	return unix.FcntlFlock(uintptr(l.fd), cmd, &unix.Flock_t{Type: int16(how)})
}

// release gives the lock back.
func (l *fileLock) release() {
	if l != nil {
		unix.Close(l.fd)
	}
}
