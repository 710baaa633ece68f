package image

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"ingot/internal/printable"
)

// An Output is a file that stands under its name only once it is whole. Until
// [Output.Commit] it has no name at all where the file system can do that
// (O_TMPFILE: ext4, XFS, btrfs, tmpfs and others), so that not even SIGKILL leaves
// anything behind; elsewhere (NFS, 9p) it has a name in a [Staging].
//
// A file that stood under the name is replaced in one step, and kept on any error.
// If the name is a symlink, what it leads to is replaced. The new file has the
// permissions of the one that it replaces, and its owner and group as far as this
// process may give them; it is never open to more users than that one was.
type Output struct {
	*os.File
	// NoSync leaves out the syncing of the file and its folder: what a crash of the
	// machine does to the file is then up to the file system.
	NoSync bool
	// Mode is what the permissions of a file that replaces none are at most, the umask
	// aside. Default: 0666.
	Mode fs.FileMode
	// Describes is the path of a file that describes what has stood under the name so
	// far. It goes before that changes, and comes back if it does not.
	Describes string
	// New has Commit fail with fs.ErrExist if something stands under the name.
	New bool

	target  string   // where it will stand
	staging *Staging // where it has a name before, if it has one
	staged  string   // the name there
	adopted bool     // the Staging is somebody else's
	done    bool
}

// Create starts an Output that will stand at path.
func Create(path string) (*Output, error) {
	target, err := Target(path)
	if err != nil {
		return nil, err
	}
	sweepOnce(filepath.Dir(target))
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

// CreateNamed is [Create] for a file that another program opens: [Output.Path] is its name
// until it is whole.
func CreateNamed(path string) (*Output, error) {
	target, err := Target(path)
	if err != nil {
		return nil, err
	}
	o := &Output{target: target}
	if err := o.createHidden(); err != nil {
		return nil, createError(target, err)
	}
	return o, nil
}

// Path returns the name that the file has before it is whole, "" if it has none.
func (o *Output) Path() string {
	if o.staging == nil {
		return ""
	}
	return o.staging.Path(o.staged)
}

// Adopt makes a regular file in the folder an Output that will stand at target, in a
// folder on the same file system. The Staging stays the caller's to close.
func (s *Staging) Adopt(name, target string) (*Output, error) {
	if err := replaceable(target); err != nil {
		return nil, err
	}
	path := s.Path(name)
	fd, err := unix.Openat(int(s.dir.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err == unix.EACCES { // its permissions are not for this process, which owns it
		fd, err = openOwn(int(s.dir.Fd()), name)
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	o := &Output{File: os.NewFile(uintptr(fd), target), target: target, staging: s, staged: name, adopted: true}
	if st, err := o.Stat(); err != nil || !st.Mode().IsRegular() {
		o.Close()
		return nil, fmt.Errorf("%s: is not a regular file", path)
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
		if err := refusePlanted(at); err != nil {
			return "", err
		}
		if systemFolder(at) == "/proc" { // what the kernel shows as a link is none
			return "", &OpenFileError{path}
		}
		if !filepath.IsAbs(link) {
			link = filepath.Join(filepath.Dir(at), link)
		}
		at = link
	}
	return "", &os.PathError{Op: "create", Path: path, Err: unix.ELOOP}
}

// Target returns where an output called path will stand: what a symlink of that name leads
// to. It is refused unless nothing or a regular file is there.
func Target(path string) (string, error) {
	target, err := follow(path)
	if err != nil {
		return "", err
	}
	return target, replaceable(target)
}

// Check says why nothing can be written to path, or nil. It leaves nothing.
func Check(path string) error {
	o, err := Create(path)
	if err == nil {
		o.Abort()
	}
	return err
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
		return refuseSystem(target) // if it is the folder that is not there, creation tells
	case err != nil:
		return createError(target, err)
	case !st.Mode().IsRegular():
		return &ReplaceError{target, st.Mode()}
	}
	return refusePlanted(target)
}

// A PlantedError says that another user has put something where an output is to stand, in a
// folder where everybody can: a link that leads to a file of this user's, or a file whose owner
// could read the output, which keeps that.
type PlantedError struct {
	Path string
	Kind string // "a symlink", "a regular file"
	UID  int    // whose it is
}

func (e *PlantedError) Error() string {
	return fmt.Sprintf("%s: is %s of user %d, in a folder where everybody can put one: remove it, or write to another name or folder", e.Path, e.Kind, e.UID)
}

// refusePlanted refuses what stands at path if it is another user's and lies in a folder like
// /tmp, where everybody can make files and only their owners remove them. The kernel does so
// for open(2) where fs.protected_symlinks and fs.protected_regular say so (proc_sys_fs(5)); a
// link that is read and a file that is renamed over are out of its sight.
func refusePlanted(path string) error {
	var st, folder unix.Stat_t
	if unix.Lstat(path, &st) != nil || unix.Stat(filepath.Dir(path), &folder) != nil {
		return nil // what is not there is nobody's; other errors are met again
	}
	const everybodys = unix.S_ISVTX | unix.S_IWOTH
	if folder.Mode&everybodys != everybodys || int(st.Uid) == os.Geteuid() || st.Uid == folder.Uid {
		return nil
	}
	return &PlantedError{path, Kind(ModeFromUnix(uint16(st.Mode))), int(st.Uid)}
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
	return printable.Name(e.Path) + ": is one of the files that the output is made from; write to another name"
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

func (o *Output) createHidden() error {
	if err := o.stage(); err != nil {
		return err
	}
	f, err := o.staging.create(0o666, o.target) // errors name what the caller named
	if err != nil {
		return errors.Join(err, o.unstage())
	}
	o.File, o.staged = f, stagedName
	return nil
}

// stage makes a Staging beside the target, if there is none.
func (o *Output) stage() (err error) {
	if o.staging == nil {
		o.staging, err = NewStaging(filepath.Dir(o.target))
	}
	return err
}

// unstage removes the Staging, unless somebody else will.
func (o *Output) unstage() error {
	if o.staging == nil || o.adopted {
		return nil
	}
	s := o.staging
	o.staging = nil
	return s.Close()
}

// Commit syncs the file, puts it under its name and syncs the folder. On an error
// the Output is aborted: nothing is left of it, and what stood under the name still
// stands.
func (o *Output) Commit() error {
	defer o.Abort()
	if err := o.setAccess(); err != nil {
		return err
	}
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
	stale := false
	if o.Describes != "" {
		st, err := os.Lstat(o.Describes)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		stale = err == nil && !st.IsDir() // a folder describes nothing, and would go with all that is in it
	}
	if o.staged == "" && !stale {
		err := o.link(unix.AT_FDCWD, o.target)
		if !errors.Is(err, fs.ErrExist) || o.New {
			return err
		}
	}
	if err := o.stage(); err != nil {
		return err
	}
	if o.staged == "" { // a link replaces nothing, a rename does
		if err := o.link(int(o.staging.dir.Fd()), stagedName); err != nil {
			return err
		}
		o.staged = stagedName
	} else if err := o.Close(); err != nil { // NFS tells of a full disk as late as here, if nothing was synced
		return err
	}
	if !stale {
		return o.rename()
	}
	return o.withoutStale(o.rename)
}

func (o *Output) rename() error {
	from := int(o.staging.dir.Fd())
	err := o.staging.withParent(o.target, func(parent int, base string) error {
		if o.New {
			return moveNew(from, o.staged, parent, base)
		}
		return unix.Renameat(from, o.staged, parent, base)
	})
	if err == nil {
		o.staged = ""
	}
	return err
}

// staleName is what a file that describes what is replaced is called in the Staging.
const staleName = "stale"

// withoutStale calls rename when the file that describes what was there is out of the way:
// nobody ever finds it beside what it does not describe.
func (o *Output) withoutStale(rename func() error) error {
	dir := int(o.staging.dir.Fd())
	var renamed error
	err := o.staging.withParent(o.Describes, func(parent int, base string) error {
		if err := unix.Renameat(parent, base, dir, staleName); err != nil && err != unix.ENOENT {
			return err
		}
		if renamed = rename(); renamed == nil {
			return nil
		}
		if err := moveNew(dir, staleName, parent, base); err != unix.ENOENT {
			return err
		}
		return nil
	})
	return errors.Join(renamed, err)
}

// link gives the unnamed file a name. Linking the descriptor itself needs a
// capability on most kernels, its magic link in /proc does not.
func (o *Output) link(dir int, name string) error {
	fd := int(o.Fd())
	err := unix.Linkat(unix.AT_FDCWD, fdPath(fd), dir, name, unix.AT_SYMLINK_FOLLOW)
	if err == unix.ENOENT {
		err = unix.Linkat(fd, "", dir, name, unix.AT_EMPTY_PATH)
	}
	if err != nil {
		return &os.PathError{Op: "link", Path: o.target, Err: err}
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
	_ = o.unstage() // the next output in the folder sweeps what cannot be removed now
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
