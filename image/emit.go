package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// An Output is a file that stands under its name only once it is whole. Until
// [Output.Commit] it has no name at all where the file system can do that
// (O_TMPFILE: ext4, XFS, btrfs, tmpfs and others), so that not even SIGKILL leaves
// anything behind; elsewhere (NFS, 9p) it has a hidden name in the same folder,
// which [Output.Abort] removes.
//
// A file that stood under the name is replaced in one step, and kept on any error.
// If the name is a symlink, what it leads to is replaced.
type Output struct {
	*os.File
	// NoSync leaves out the syncing of the file and its folder: what a crash of the
	// machine does to the file is then up to the file system.
	NoSync bool

	target string // where it will stand
	temp   string // the hidden name that it has by now, if any
	done   bool
}

// Create starts an Output that will stand at path. Its permissions are those of any
// new file, 0666 without the umask.
func Create(path string) (*Output, error) {
	target, err := follow(path)
	if err != nil {
		return nil, err
	}
	if err := replaceable(target); err != nil {
		return nil, err
	}
	o := &Output{target: target}
	if o.File, err = unnamed(target); err == nil {
		return o, nil
	}
	if !lacksTmpfile(err) {
		return nil, createError(target, err)
	}
	if err := o.createHidden(); err != nil {
		return nil, createError(target, err)
	}
	return o, nil
}

// follow resolves a final symlink as open(2) with O_CREAT would: what it leads to
// need not exist.
func follow(path string) (string, error) {
	at := path
	for range 40 { // MAXSYMLINKS of the kernel
		link, err := os.Readlink(at)
		if err != nil {
			return at, nil // not a symlink, or nothing there, or an error that creation meets again
		}
		if !filepath.IsAbs(link) {
			link = filepath.Join(filepath.Dir(at), link)
		}
		at = link
	}
	return "", &os.PathError{Op: "create", Path: path, Err: unix.ELOOP}
}

// replaceable refuses a target that a rename could not, or should not, replace.
func replaceable(target string) error {
	if target == "" {
		return errors.New("the output has no file name")
	}
	st, err := os.Lstat(target)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if os.IsPathSeparator(target[len(target)-1]) {
			return fmt.Errorf("%s: names a folder, not a file", target)
		}
		return nil // of the target or its folder: creation tells which
	case err != nil:
		return createError(target, err)
	case !st.Mode().IsRegular():
		return fmt.Errorf("%s: is %s, and only a regular file can be replaced", target, Kind(st.Mode()))
	}
	return nil
}

// refuseSource refuses a Map that takes bytes from the file that the output would
// replace: they would be gone, and be a part of the next output as well.
func (o *Output) refuseSource(m *Map) error {
	target, err := os.Stat(o.target)
	if err != nil {
		return nil // nothing is replaced
	}
	for l := range m.Leaves(0, m.Size()) {
		// Size and time rule out nearly all without a look at the disk.
		f, ok := l.Src.(*File)
		if ok && f.size == target.Size() && f.mtime == target.ModTime().UnixNano() && SameFile(o.target, f.Path()) {
			return &SourceError{Path: o.target}
		}
	}
	return nil
}

// SameFile says whether two paths lead to one file that exists.
func SameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// A SourceError says that an output would replace a file that it is made from.
type SourceError struct{ Path string }

func (e *SourceError) Error() string {
	return e.Path + ": is one of the files that the output is made from; write to another name"
}

// createError says what is wrong with the folder in which nothing can be created.
func createError(target string, err error) error {
	dir := filepath.Dir(target)
	var errno unix.Errno
	errors.As(err, &errno)
	switch errno {
	case unix.ENOENT:
		if _, err := os.Stat(dir); err == nil { // as in /proc
			return fmt.Errorf("%s: no file can be made in %s: %w", target, dir, errno)
		}
		return fmt.Errorf("%s: the folder %s does not exist: %w", target, dir, errno)
	case unix.ENOTDIR:
		return fmt.Errorf("%s: %s is not a folder: %w", target, dir, errno)
	case unix.EACCES, unix.EPERM:
		return fmt.Errorf("%s: the folder %s is not writable: %w", target, dir, errno)
	case unix.EROFS:
		return fmt.Errorf("%s: the folder %s is on a read-only file system: %w", target, dir, errno)
	}
	return err
}

// unnamed opens a file without a name in the folder of target.
func unnamed(target string) (*os.File, error) {
	dir := filepath.Dir(target)
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o666)
	if err != nil {
		return nil, &os.PathError{Op: "create", Path: target, Err: err}
	}
	// Without /proc, only root can name the file later.
	if unix.Access(fdPath(fd), unix.F_OK) != nil && os.Geteuid() != 0 {
		unix.Close(fd)
		return nil, &os.PathError{Op: "create", Path: target, Err: unix.EOPNOTSUPP}
	}
	return os.NewFile(uintptr(fd), target), nil
}

func fdPath(fd int) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }

// lacksTmpfile says whether an error means that the file system, or the kernel, has
// no O_TMPFILE. A kernel that does not know the flag sees a folder opened for
// writing: EISDIR.
func lacksTmpfile(err error) bool {
	return errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EISDIR) || errors.Is(err, unix.EINVAL)
}

// hidden calls try with hidden names in the target's folder until one is free.
func (o *Output) hidden(try func(name string) error) error {
	dir := filepath.Dir(o.target)
	for i := range 10_000 {
		name := filepath.Join(dir, fmt.Sprintf(".ingot-%d.tmp", i))
		err := try(name)
		if err == nil {
			o.temp = name
			return nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return fmt.Errorf("%s: the names .ingot-0.tmp to .ingot-9999.tmp are taken in %s", o.target, dir)
}

func (o *Output) createHidden() error {
	return o.hidden(func(name string) error {
		fd, err := unix.Open(name, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR|unix.O_CLOEXEC, 0o666)
		if err != nil {
			return &os.PathError{Op: "create", Path: name, Err: err}
		}
		o.File = os.NewFile(uintptr(fd), o.target) // errors name what the caller named
		return nil
	})
}

// Commit syncs the file, puts it under its name and syncs the folder. On an error
// the Output is aborted: nothing is left of it, and what stood under the name still
// stands.
func (o *Output) Commit() error {
	defer o.Abort()
	if !o.NoSync {
		if err := o.Sync(); err != nil {
			return err
		}
	}
	if err := o.name(); err != nil {
		return err
	}
	o.Abort() // there is nothing left to abort but the open file
	if o.NoSync {
		return nil
	}
	return syncDir(filepath.Dir(o.target))
}

// name puts the file under its name.
func (o *Output) name() error {
	if o.temp != "" {
		// NFS tells of a full disk as late as here, if nothing was synced.
		if err := o.Close(); err != nil {
			return err
		}
		return o.rename()
	}
	err := o.link(o.target)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	// A link replaces nothing, a rename does.
	if err := o.hidden(o.link); err != nil {
		return err
	}
	return o.rename()
}

func (o *Output) rename() error {
	if err := os.Rename(o.temp, o.target); err != nil {
		return err
	}
	o.temp = ""
	return nil
}

// link gives the unnamed file a name. Linking the descriptor itself needs a
// capability on most kernels, its magic link in /proc does not.
func (o *Output) link(name string) error {
	fd := int(o.Fd())
	err := unix.Linkat(unix.AT_FDCWD, fdPath(fd), unix.AT_FDCWD, name, unix.AT_SYMLINK_FOLLOW)
	if err == unix.ENOENT {
		err = unix.Linkat(fd, "", unix.AT_FDCWD, name, unix.AT_EMPTY_PATH)
	}
	if err != nil {
		return &os.PathError{Op: "link", Path: name, Err: err}
	}
	return nil
}

// Abort drops the file and leaves nothing of it. After Commit it does nothing, so
// that it can be deferred.
func (o *Output) Abort() {
	if o.done {
		return
	}
	o.done = true
	o.Close()
	if o.temp != "" {
		os.Remove(o.temp)
	}
}

// syncDir makes the names in a folder durable. Not every file system can sync a
// folder, and those that cannot say EINVAL; a folder that may be written but not
// read cannot be opened for it.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, unix.EINVAL) {
		return err
	}
	return nil
}
