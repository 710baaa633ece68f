package image

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// A Staging is a hidden folder beside outputs, in which they have a name before they are
// complete, if the file system has no nameless files, if an old file is replaced, or if
// another program opens the output. Only its owner can enter it.
//
// Its name is .ingot-staging-N, and its process holds a lock in it until it ends. A Staging
// without a lock is that of a killed process: [Sweep] removes it, and so does the next output
// in the same folder.
type Staging struct {
	path   string
	parent *os.File // the folder around it
	dir    *os.File
	lock   *os.File
}

const (
	stagingPrefix = ".ingot-staging-"
	stagingLock   = "lock"
	// stagingOld is the folder of a Staging for an old output while the new one gets its name.
	// If the process is killed then, a sweep moves the old one back.
	stagingOld = "old"
	// stagedName is the name of an Output or a Scratch in its Staging.
	stagedName = "file"
	// mostStagings limits the names that NewStaging tries.
	mostStagings = 10_000
)

// NewStaging makes a Staging in the folder dir, and sweeps those of killed processes.
func NewStaging(dir string) (*Staging, error) {
	Sweep(dir)
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, createError(filepath.Join(dir, stagingPrefix+"0"), &os.PathError{Op: "open", Path: dir, Err: err})
	}
	parent := os.NewFile(uintptr(fd), dir)
	for i := range mostStagings {
		name := fmt.Sprintf("%s%d", stagingPrefix, i)
		err := unix.Mkdirat(fd, name, 0o700)
		if err == unix.EEXIST {
			continue
		}
		if err != nil {
			parent.Close()
			return nil, createError(filepath.Join(dir, name), &os.PathError{Op: "mkdir", Path: filepath.Join(dir, name), Err: err})
		}
		s, err := openStaging(parent, name, unix.O_CREAT|unix.O_EXCL)
		switch {
		case err == nil:
			return s, nil
		case errors.Is(err, errTaken): // by a process that sweeps, before it was locked
		default:
			unix.Unlinkat(fd, filepath.Join(name, stagingLock), 0)
			unix.Unlinkat(fd, name, unix.AT_REMOVEDIR)
			parent.Close()
			return nil, err
		}
	}
	parent.Close()
	return nil, fmt.Errorf("%s: the names %s0 to %[2]s%d are taken", dir, stagingPrefix, mostStagings-1)
}

// errTaken says that another process uses a Staging, or has removed it.
var errTaken = errors.New("is in use")

// openStaging opens the Staging of a name and takes its lock. create has the flags that create
// the lock's file, 0 if it exists.
func openStaging(parent *os.File, name string, create int) (*Staging, error) {
	s := &Staging{path: filepath.Join(parent.Name(), name), parent: parent}
	fail := func(op string, err error) (*Staging, error) {
		s.close()
		if err == unix.ENOENT {
			return nil, errTaken
		}
		return nil, &os.PathError{Op: op, Path: s.path, Err: err}
	}
	fd, err := unix.Openat(int(parent.Fd()), name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return fail("open", err)
	}
	s.dir = os.NewFile(uintptr(fd), s.path)
	var held, named unix.Stat_t
	if err := unix.Fstat(fd, &held); err != nil {
		return fail("stat", err)
	}
	if create != 0 && held.Mode&0o777 != 0o700 {
		// The umask, or a default ACL of the parent folder, may have locked its owner out. An
		// error is no matter on file systems without permissions. The set-group-ID bit stays,
		// which gives files in the Staging the group of the parent.
		_ = unix.Fchmod(fd, held.Mode&unix.S_ISGID|0o700)
	}
	lock, err := unix.Openat(fd, stagingLock, unix.O_RDWR|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC|create, 0o600)
	if err != nil {
		return fail("lock", err)
	}
	s.lock = os.NewFile(uintptr(lock), filepath.Join(s.path, stagingLock))
	switch err := unix.Flock(lock, unix.LOCK_EX|unix.LOCK_NB); {
	case err == unix.EWOULDBLOCK:
		s.close()
		return nil, errTaken
	case err != nil && create == 0: // without locks, it may be that of a running process
		return fail("lock", err)
	}
	// It may have been removed between the opening and the lock.
	if err := unix.Fstatat(int(parent.Fd()), name, &named, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return fail("stat", err)
	}
	if held.Dev != named.Dev || held.Ino != named.Ino {
		s.close()
		return nil, errTaken
	}
	if err := unix.Fstat(lock, &named); err != nil || named.Nlink == 0 {
		s.close()
		return nil, errTaken
	}
	return s, nil
}

// close closes the folder and its lock, but not the parent.
func (s *Staging) close() {
	if s.dir != nil {
		s.dir.Close()
	}
	if s.lock != nil {
		s.lock.Close()
	}
}

// Path returns the path of a name in the folder.
func (s *Staging) Path(name string) string { return filepath.Join(s.path, name) }

// create makes the file of an Output or a Scratch; errors name it as.
func (s *Staging) create(perm uint32, as string) (*os.File, error) {
	fd, err := unix.Openat(int(s.dir.Fd()), stagedName, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR|unix.O_CLOEXEC, perm)
	if err != nil {
		return nil, &os.PathError{Op: "create", Path: s.Path(stagedName), Err: err}
	}
	return os.NewFile(uintptr(fd), as), nil
}

// Holds checks that the folder still has its path, and that a name in it is still the open file
// f. Others who can write to the parent may have moved it.
func (s *Staging) Holds(name string, f *os.File) error {
	var own, named, inside, held unix.Stat_t
	err := errors.Join(
		unix.Fstat(int(s.dir.Fd()), &own), unix.Lstat(s.path, &named),
		unix.Fstatat(int(s.dir.Fd()), name, &inside, unix.AT_SYMLINK_NOFOLLOW), unix.Fstat(int(f.Fd()), &held),
	)
	if err == nil && (fileID{own.Dev, own.Ino} != fileID{named.Dev, named.Ino} || fileID{inside.Dev, inside.Ino} != fileID{held.Dev, held.Ino}) {
		err = unix.ESTALE
	}
	if err != nil {
		return fmt.Errorf("%s: has changed: %w", s.Path(name), err)
	}
	return nil
}

// In says whether info is that of the folder's parent, which may have been renamed.
func (s *Staging) In(info os.FileInfo) bool {
	parent, err := s.parent.Stat()
	return err == nil && os.SameFile(parent, info)
}

// Mkdir makes a folder in the folder and opens it, following no link.
func (s *Staging) Mkdir(name string) (*os.File, error) {
	fd := int(s.dir.Fd())
	if err := unix.Mkdirat(fd, name, 0o777); err != nil {
		return nil, &os.PathError{Op: "mkdir", Path: s.Path(name), Err: err}
	}
	made, err := unix.Openat(fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: s.Path(name), Err: err}
	}
	return os.NewFile(uintptr(made), s.Path(name)), nil
}

// Close removes the folder with its contents.
func (s *Staging) Close() error {
	err := s.remove()
	s.close()
	s.parent.Close()
	if err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	return nil
}

// remove removes the folder, the lock's file last, so that it can be tried again after an
// error.
//
// NFS and FUSE keep a name in the folder for a removed file that is open, and then the folder
// cannot be removed. So remove closes the lock first; a sweep that takes it in between finishes
// the work.
func (s *Staging) remove() error {
	var st unix.Stat_t
	if err := unix.Fstat(int(s.dir.Fd()), &st); err != nil {
		return err
	}
	if err := removeAllIn(s.dir, st.Dev, stagingLock); err != nil {
		return err
	}
	s.lock.Close()
	if err := unix.Unlinkat(int(s.dir.Fd()), stagingLock, 0); err != nil && err != unix.ENOENT {
		return err
	}
	if err := unix.Unlinkat(int(s.parent.Fd()), filepath.Base(s.path), unix.AT_REMOVEDIR); err != nil && err != unix.ENOENT {
		return err
	}
	return nil
}

// Sweep removes what killed processes of this user have left in a folder: every [Staging]
// without a lock. It follows no link, touches nothing else of such a name, and ignores errors.
func Sweep(dir string) {
	d, err := os.Open(dir)
	if err != nil {
		return
	}
	defer d.Close()
	for {
		names, err := d.Readdirnames(1024)
		for _, name := range names {
			if strings.HasPrefix(name, stagingPrefix) {
				sweep(d, name)
			}
		}
		if err != nil { // io.EOF, or a folder that cannot be read
			return
		}
	}
}

// sweep removes the Staging of a name, if no process uses it.
func sweep(parent *os.File, name string) {
	var st unix.Stat_t
	if err := unix.Fstatat(int(parent.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR || st.Uid != uint32(os.Geteuid()) || st.Mode&0o077 != 0 {
		return
	}
	// Its process may have been killed before it made the lock, or after it removed it. A
	// process that has just made the folder takes another name.
	if unix.Unlinkat(int(parent.Fd()), name, unix.AT_REMOVEDIR) == nil {
		return
	}
	s, err := openStaging(parent, name, 0)
	if err != nil {
		return
	}
	defer s.close()
	if s.giveBack() == nil { // else it stays, for another sweep
		_ = s.remove()
	}
}

// giveBack gives an old output its name back, unless the name is taken. It follows no link: a
// guest that writes to the parent may have made all of the Staging, and a link in place of the
// old folder would move files here from anywhere.
func (s *Staging) giveBack() error {
	old, err := openFolder(int(s.dir.Fd()), stagingOld, s.Path(stagingOld))
	switch {
	case err == unix.ENOENT || err == unix.ENOTDIR:
		return nil
	case err != nil:
		return err
	}
	defer old.Close()
	names, err := old.Readdirnames(-1)
	for _, name := range names {
		var st unix.Stat_t
		if unix.Fstatat(int(s.parent.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW) == unix.ENOENT {
			err = errors.Join(err, moveFolder(int(old.Fd()), name, int(s.parent.Fd()), name))
		}
	}
	return err
}

// removeAllIn removes the contents of a folder on the file system dev, except the name kept. It
// works by descriptors, and follows no link.
func removeAllIn(dir *os.File, dev uint64, kept string) error {
	if _, err := dir.Seek(0, 0); err != nil {
		return err
	}
	names, err := dir.Readdirnames(-1)
	for _, name := range names {
		if name != kept {
			err = errors.Join(err, removeIn(dir, name, dev))
		}
	}
	return err
}

func removeIn(dir *os.File, name string, dev uint64) error {
	fd, path := int(dir.Fd()), filepath.Join(dir.Name(), name)
	err := unix.Unlinkat(fd, name, 0)
	if err == nil || err == unix.ENOENT {
		return nil
	}
	if err != unix.EISDIR && err != unix.EPERM {
		return &os.PathError{Op: "remove", Path: path, Err: err}
	}
	sub, err := openFolder(fd, name, path)
	if err != nil {
		return &os.PathError{Op: "remove", Path: path, Err: err}
	}
	defer sub.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(sub.Fd()), &st); err != nil || st.Dev != dev {
		return &os.PathError{Op: "remove", Path: path, Err: unix.EBUSY} // something is mounted there
	}
	if err := removeAllIn(sub, dev, ""); err != nil {
		return err
	}
	if err := unix.Unlinkat(fd, name, unix.AT_REMOVEDIR); err != nil && err != unix.ENOENT {
		return &os.PathError{Op: "remove", Path: path, Err: err}
	}
	return nil
}

// held calls do with a descriptor of a file that needs no permissions, and follows no link.
func held(dir int, name string, do func(fd int, st *unix.Stat_t) error) error {
	fd, err := unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	return do(fd, &st)
}

// openFolder opens a folder to remove its contents, whatever its permissions.
func openFolder(dir int, name, path string) (f *os.File, err error) {
	err = held(dir, name, func(fd int, st *unix.Stat_t) error {
		if st.Mode&unix.S_IFMT != unix.S_IFDIR {
			return unix.ENOTDIR
		}
		if st.Mode&0o700 != 0o700 {
			_ = unix.Chmod(fdPath(fd), 0o700) // if this fails, so does the opening or the removal
		}
		opened, err := unix.Openat(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err == nil {
			f = os.NewFile(uintptr(opened), path)
		}
		return err
	})
	return f, err
}

// openOwn opens a file of this user whose permissions do not let its owner read it.
func openOwn(dir int, name string) (opened int, err error) {
	err = held(dir, name, func(fd int, st *unix.Stat_t) error {
		if st.Mode&unix.S_IFMT != unix.S_IFREG {
			return unix.EACCES
		}
		if err := unix.Chmod(fdPath(fd), st.Mode&0o7777|0o400); err != nil {
			return err
		}
		opened, err = unix.Open(fdPath(fd), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		return unix.Fchmod(opened, st.Mode&0o7777)
	})
	return opened, err
}

// Move moves a file from the folder to path, on the same file system. If path exists, the error
// is fs.ErrExist.
func (s *Staging) Move(name, path string) error {
	return s.withParent(path, func(parent int, base string) error {
		return asWritable(int(s.dir.Fd()), name, func() error { return moveNew(int(s.dir.Fd()), name, parent, base) })
	})
}

// withParent calls do with the parent folder of a path and the last name of the path. For the
// Staging's own parent it uses the open folder, since a guest may have replaced it by a link.
func (s *Staging) withParent(path string, do func(parent int, base string) error) error {
	dir := filepath.Dir(path)
	fd := int(s.parent.Fd())
	if dir != filepath.Dir(s.path) {
		var err error
		if fd, err = unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
			return &os.PathError{Op: "open", Path: dir, Err: err}
		}
		defer unix.Close(fd)
	}
	if err := do(fd, filepath.Base(path)); err != nil {
		return &os.PathError{Op: "rename", Path: path, Err: err}
	}
	return nil
}

// moveNew renames a file and replaces none, as far as the file system supports that.
func moveNew(from int, name string, to int, as string) error {
	err := unix.Renameat2(from, name, to, as, unix.RENAME_NOREPLACE)
	if err != unix.EINVAL && err != unix.ENOSYS {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstatat(to, as, &st, unix.AT_SYMLINK_NOFOLLOW); err != unix.ENOENT {
		if err == nil {
			return unix.EEXIST
		}
		return err
	}
	return unix.Renameat(from, name, to, as)
}

// asWritable calls move for a folder that changes its parent. Its own entry .. changes with
// that, so it has to be writable.
func asWritable(dir int, name string, move func() error) error {
	return held(dir, name, func(fd int, st *unix.Stat_t) error {
		if st.Mode&unix.S_IFMT != unix.S_IFDIR || st.Mode&0o200 != 0 {
			return move()
		}
		if err := unix.Chmod(fdPath(fd), st.Mode&0o7777|0o200); err != nil {
			return err
		}
		return errors.Join(move(), unix.Chmod(fdPath(fd), st.Mode&0o7777))
	})
}

// moveFolder renames a folder, whatever its permissions.
func moveFolder(from int, name string, to int, as string) error {
	return asWritable(from, name, func() error { return unix.Renameat(from, name, to, as) })
}

// swept are the folders in which this process has swept, so that one with thousands of outputs
// in a folder, such as a cache's server, lists it once.
var swept sync.Map // of fileID

type fileID struct{ dev, ino uint64 }

// sweepOnce sweeps a folder, unless this process has done so.
func sweepOnce(dir string) {
	var st unix.Stat_t
	if unix.Stat(dir, &st) != nil {
		return // creating the output will fail
	}
	if _, done := swept.LoadOrStore(fileID{st.Dev, st.Ino}, true); !done {
		Sweep(dir)
	}
}
