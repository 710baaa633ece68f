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

// An Output is a file that gets its name only when it is complete. Until
// [Output.Commit] it has no name where the file system allows that (O_TMPFILE: ext4, XFS,
// btrfs, tmpfs and others), so that not even SIGKILL leaves anything behind; elsewhere (NFS,
// 9p) it has a name in a [Staging].
//
// Commit replaces an old file in one step, and any error keeps the old one. If the name is a
// symlink, its target is replaced. The new file has the permissions of the old one, and its
// owner and group as far as this process may set them; it is never open to more users.
type Output struct {
	*os.File
	// NoSync leaves out the syncing of the file and its folder. A crash of the machine may
	// then damage the file.
	NoSync bool
	// Mode limits the permissions of a file that replaces none, as the umask does. Default:
	// 0666.
	Mode fs.FileMode
	// Describes is the path of a file that describes the old file. It is removed before the
	// old file is replaced, and comes back if that fails.
	Describes string
	// New has Commit fail with fs.ErrExist if the name is taken.
	New bool

	target  string   // the path of the complete file
	staging *Staging // that has the file before, if it has a name there
	staged  string   // the name in the Staging
	adopted bool     // the caller closes the Staging
	done    bool
}

// Create starts an Output for path.
func Create(path string) (*Output, error) { return newOutput(path, false) }

// CreateNamed is [Create] for a file that another program opens: [Output.Path] is its name
// until it is complete.
func CreateNamed(path string) (*Output, error) { return newOutput(path, true) }

func newOutput(path string, named bool) (*Output, error) {
	target, err := Target(path)
	if err != nil {
		return nil, err
	}
	o := &Output{target: target}
	if !named {
		sweepOnce(filepath.Dir(target))
		if o.File, err = unnamed(target); err == nil {
			return o, nil
		}
		if !lacksTmpfile(err) {
			return nil, createError(target, err)
		}
	}
	if err := o.createHidden(); err != nil {
		return nil, createError(target, err)
	}
	return o, nil
}

// Path returns the path of the file before it is complete, or "" if it has no name.
func (o *Output) Path() string {
	if o.staging == nil {
		return ""
	}
	return o.staging.Path(o.staged)
}

// Adopt makes a regular file in the Staging an Output for target, on the same file system. The
// caller still closes the Staging.
func (s *Staging) Adopt(name, target string) (*Output, error) {
	if err := replaceable(target); err != nil {
		return nil, err
	}
	path := s.Path(name)
	fd, err := unix.Openat(int(s.dir.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err == unix.EACCES { // this process owns it, but without permission to read
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

// follow resolves a final symlink as open(2) with O_CREAT would: its target need not exist.
func follow(path string) (string, error) {
	at := path
	for range 40 { // MAXSYMLINKS of the kernel
		link, err := os.Readlink(at)
		if err != nil {
			return at, nil // not a symlink, or missing, or an error that creation repeats
		}
		if err := refusePlanted(at); err != nil {
			return "", err
		}
		if systemFolder(at) == "/proc" { // the link of an open file, which has no target path
			return "", &OpenFileError{path}
		}
		if !filepath.IsAbs(link) {
			link = filepath.Join(filepath.Dir(at), link)
		}
		at = link
	}
	return "", &os.PathError{Op: "create", Path: path, Err: unix.ELOOP}
}

// Target returns the path of an output: path itself, or the target of a symlink there. It
// refuses anything but a regular file at that place.
func Target(path string) (string, error) {
	target, err := follow(path)
	if err != nil {
		return "", err
	}
	return target, replaceable(target)
}

// Check returns the error of [Create], and leaves nothing behind.
func Check(path string) error {
	o, err := Create(path)
	if err == nil {
		o.Abort()
	}
	return err
}

// replaceable refuses a target that a rename cannot, or must not, replace.
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
		return refuseSystem(target) // creation fails if the folder is missing
	case err != nil:
		return createError(target, err)
	case !st.Mode().IsRegular():
		return &ReplaceError{target, st.Mode()}
	}
	return refusePlanted(target)
}

// A PlantedError says that another user has made the file at an output's place, in a folder
// where everybody can: a link to a file of this user, or a file whose owner could then read the
// output.
type PlantedError struct {
	Path string
	Kind string // "a symlink", "a regular file"
	UID  int    // of the owner
}

func (e *PlantedError) Error() string {
	return fmt.Sprintf("%s: is %s of user %d, in a folder where everybody can put one: remove it, or write to another name or folder", e.Path, e.Kind, e.UID)
}

// refusePlanted refuses a file at path of another user in a folder like /tmp, where everybody
// can make files and only their owners remove them. The kernel does so for open(2) with
// fs.protected_symlinks and fs.protected_regular (proc_sys_fs(5)), but not for readlink(2) and
// rename(2).
func refusePlanted(path string) error {
	var st, folder unix.Stat_t
	if unix.Lstat(path, &st) != nil || unix.Stat(filepath.Dir(path), &folder) != nil {
		return nil // missing, or an error that later calls repeat
	}
	const everybodys = unix.S_ISVTX | unix.S_IWOTH
	if folder.Mode&everybodys != everybodys || int(st.Uid) == os.Geteuid() || st.Uid == folder.Uid {
		return nil
	}
	return &PlantedError{path, Kind(ModeFromUnix(uint16(st.Mode))), int(st.Uid)}
}

// refuseSource refuses a Map with bytes of the file that the output would replace: they would
// be lost, and part of the next output as well.
func (o *Output) refuseSource(m *Map) error {
	target, err := os.Stat(o.target)
	if err != nil {
		return nil // nothing is replaced
	}
	for l := range m.Leaves(0, m.Size()) {
		// Size and time rule out nearly all files without a system call.
		f, ok := l.Src.(*File)
		if ok && f.size == target.Size() && f.mtime == target.ModTime().UnixNano() && SameFile(o.target, f.Path()) {
			return &SourceError{Path: o.target}
		}
	}
	return nil
}

// SameFile says whether two paths lead to one existing file.
func SameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// A SourceError says that an output would replace one of its sources.
type SourceError struct{ Path string }

func (e *SourceError) Error() string {
	return printable.Name(e.Path) + ": is one of the files that the output is made from; write to another name"
}

// createError explains why no file can be made in the folder of target.
func createError(target string, err error) error {
	dir := filepath.Dir(target)
	var errno unix.Errno
	errors.As(err, &errno)
	why := map[unix.Errno]string{
		unix.ENOENT:  "the folder %s does not exist",
		unix.ENOTDIR: "%s is not a folder",
		unix.EACCES:  "the folder %s is not writable",
		unix.EPERM:   "the folder %s is not writable",
		unix.EROFS:   "the folder %s is on a read-only file system",
	}[errno]
	if _, there := os.Stat(dir); errno == unix.ENOENT && there == nil { // as in /proc
		why = "no file can be made in %s"
	}
	if why == "" {
		return err
	}
	return fmt.Errorf("%s: "+why+": %w", target, dir, errno)
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
	f, err := o.staging.create(0o666, o.target)
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

// unstage removes the Staging, unless the caller of Adopt does.
func (o *Output) unstage() error {
	if o.staging == nil || o.adopted {
		return nil
	}
	s := o.staging
	o.staging = nil
	return s.Close()
}

// Commit syncs the file, gives it its name and syncs the folder. An error aborts the Output:
// nothing is left of it, and an old file stays.
func (o *Output) Commit() error {
	defer o.Abort()
	if err := setAccess(o.File, o.target, o.Mode, func() error { return refusePlanted(o.target) }); err != nil {
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
	o.Abort() // which closes the file
	if o.NoSync {
		return nil
	}
	return syncDir(filepath.Dir(o.target))
}

// name gives the file its name.
func (o *Output) name() error {
	stale := false
	if o.Describes != "" {
		st, err := os.Lstat(o.Describes)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		stale = err == nil && !st.IsDir() // never remove a folder with its contents
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
	if o.staged == "" { // rename(2) replaces a file, link(2) does not
		if err := o.link(int(o.staging.dir.Fd()), stagedName); err != nil {
			return err
		}
		o.staged = stagedName
	} else if err := o.Close(); err != nil { // without a sync, NFS reports a full disk here
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

// staleName is the name in the Staging of the file that describes the old one.
const staleName = "stale"

// withoutStale moves the file that describes the old one away before it calls rename, so that
// the description never lies beside a file that it does not describe.
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

// Abort removes the file. After Commit it does nothing, so that it can be deferred.
func (o *Output) Abort() {
	if o.done {
		return
	}
	o.done = true
	o.Close()
	_ = o.unstage() // if this fails, the next output in the folder sweeps it
}

// syncDir makes the names in a folder durable. File systems that cannot sync a folder return
// EINVAL. A folder without permission to read cannot be opened for it.
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
