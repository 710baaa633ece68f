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
// whole: where the file system knows no files without one, where a file is replaced, and
// where another program has to open what it writes. Only its owner may look into it.
//
// Its name is .ingot-staging-N, and the process that made it holds a lock in it for as
// long as it lives. One whose lock nobody holds was left by a process that was killed:
// [Sweep] removes it, and so does whoever makes an output in the same folder.
type Staging struct {
	path   string
	parent *os.File // the folder that it lies in
	dir    *os.File
	lock   *os.File
}

const (
	stagingPrefix = ".ingot-staging-"
	stagingLock   = "lock"
	// stagingOld is the folder of a Staging for what has given way to an output that has
	// not got its name yet: it gets its own back if the process is killed in between.
	stagingOld = "old"
	// stagedName is what a file of an Output or a Scratch is called in its Staging.
	stagedName = "file"
	// mostStagings bounds how many names are tried.
	mostStagings = 10_000
)

// NewStaging makes a Staging in the folder dir, and sweeps those that were left there.
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

// errTaken says that a Staging is another process's, or gone.
var errTaken = errors.New("is in use")

// openStaging opens the Staging of a name and takes its lock; create is what makes the
// lock's file, if it is new.
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
		// The umask, or what the folder around it gives to new ones, may have kept its owner
		// out. Where there are no permissions, nothing can be done, or has to be. What stands
		// in the folder gets the group of the one around it, if that one says so by its
		// set-group-ID bit, which stays.
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
	case err != nil && create == 0: // a file system without locks: nobody can tell whose it is
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

// close lets go of the folder and its lock, and of nothing else.
func (s *Staging) close() {
	if s.dir != nil {
		s.dir.Close()
	}
	if s.lock != nil {
		s.lock.Close()
	}
}

// Path returns where something in the folder is.
func (s *Staging) Path(name string) string { return filepath.Join(s.path, name) }

// create makes the file of an Output or a Scratch, which errors call as.
func (s *Staging) create(perm uint32, as string) (*os.File, error) {
	fd, err := unix.Openat(int(s.dir.Fd()), stagedName, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR|unix.O_CLOEXEC, perm)
	if err != nil {
		return nil, &os.PathError{Op: "create", Path: s.Path(stagedName), Err: err}
	}
	return os.NewFile(uintptr(fd), as), nil
}

// Holds says whether the folder still has its name, and something in it is still the open
// file f. It is for a folder that lies where others can write: they may have moved it.
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

// In says whether the folder lies in the one that info is of, whatever has that one's name
// by now.
func (s *Staging) In(info os.FileInfo) bool {
	parent, err := s.parent.Stat()
	return err == nil && os.SameFile(parent, info)
}

// Mkdir makes a folder in the folder and opens it. No link in its place is followed.
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

// Close removes the folder with all that is in it.
func (s *Staging) Close() error {
	err := s.remove()
	s.close()
	s.parent.Close()
	if err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	return nil
}

// remove removes the folder, the lock's file last: what fails can be tried again.
//
// NFS and FUSE keep a name in the folder for a file that is removed while it is open, and
// then the folder cannot go. So the lock is closed first; a sweep that takes it in between
// finishes the work.
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

// Sweep removes what processes that were killed have left in a folder: every [Staging]
// of this user's that nobody holds. No link is followed, and nothing is touched that is
// no Staging, whatever its name. What cannot be removed stays; it is in nobody's way.
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

// sweep removes the Staging of a name, if it is one that was left.
func sweep(parent *os.File, name string) {
	var st unix.Stat_t
	if err := unix.Fstatat(int(parent.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR || st.Uid != uint32(os.Geteuid()) || st.Mode&0o077 != 0 {
		return
	}
	// Its process may have been killed before it made the lock, or after it removed that.
	// A process that has just made the folder will take another name.
	if unix.Unlinkat(int(parent.Fd()), name, unix.AT_REMOVEDIR) == nil {
		return
	}
	s, err := openStaging(parent, name, 0)
	if err != nil {
		return
	}
	defer s.close()
	if s.giveBack() == nil { // or else it stays, for another sweep
		_ = s.remove()
	}
}

// giveBack gives what was under way to be replaced its name again, if nothing has it. A
// guest that writes to the folder around this one may have made all of it: a link in the
// place of the old folder would have files move here from wherever it leads.
func (s *Staging) giveBack() error {
	old, err := openFolder(int(s.dir.Fd()), stagingOld, s.Path(stagingOld))
	switch {
	case err == unix.ENOENT || err == unix.ENOTDIR: // mostly there is none
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

// removeAllIn removes all in a folder that lies on the file system dev, but for the name
// kept. It works by descriptors, and follows no link.
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

// openFolder opens a folder to remove what is in it, whatever its permissions.
func openFolder(dir int, name, path string) (*os.File, error) {
	held, err := unix.Openat(dir, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(held)
	var st unix.Stat_t
	if err := unix.Fstat(held, &st); err != nil {
		return nil, err
	}
	if st.Mode&0o700 != 0o700 {
		_ = unix.Chmod(fdPath(held), 0o700) // if this is in vain, the opening or the removing tells
	}
	fd, err := unix.Openat(held, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// openOwn opens a file of this user's whose permissions do not let its owner read it.
func openOwn(dir int, name string) (int, error) {
	held, err := unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	defer unix.Close(held)
	var st unix.Stat_t
	if err := unix.Fstat(held, &st); err != nil {
		return -1, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return -1, unix.EACCES
	}
	if err := unix.Chmod(fdPath(held), st.Mode&0o7777|0o400); err != nil {
		return -1, err
	}
	fd, err := unix.Open(fdPath(held), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	return fd, unix.Fchmod(fd, st.Mode&0o7777)
}

// Move gives what is called name in the folder its place at path, which must lie on the
// same file system. Nothing is replaced: what is there already is fs.ErrExist.
func (s *Staging) Move(name, path string) error {
	return s.withParent(path, func(parent int, base string) error {
		return asWritable(int(s.dir.Fd()), name, func() error { return moveNew(int(s.dir.Fd()), name, parent, base) })
	})
}

// withParent calls do with the folder that a path lies in and the name that it has there.
// If that is the folder that the Staging lies in, it is the open one: a guest that writes
// to what is around it may have put a link in its place by now.
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

// moveNew renames, and replaces nothing, as far as the file system can see to that.
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

// asWritable calls move, which takes a folder to another one: it has to be writable for
// that, since its own entry .. changes.
func asWritable(dir int, name string, move func() error) error {
	fd, err := unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR || st.Mode&0o200 != 0 {
		return move()
	}
	if err := unix.Chmod(fdPath(fd), st.Mode&0o7777|0o200); err != nil {
		return err
	}
	return errors.Join(move(), unix.Chmod(fdPath(fd), st.Mode&0o7777))
}

// moveFolder renames a folder, whatever its permissions.
func moveFolder(from int, name string, to int, as string) error {
	return asWritable(from, name, func() error { return unix.Renameat(from, name, to, as) })
}

// swept are the folders in which this process has swept: one that makes thousands of
// outputs in the same folder, as a cache's server does, reads its names once.
var swept sync.Map // of fileID

type fileID struct{ dev, ino uint64 }

// sweepOnce sweeps a folder, unless this process has done so.
func sweepOnce(dir string) {
	var st unix.Stat_t
	if unix.Stat(dir, &st) != nil {
		return // making something there tells why
	}
	if _, done := swept.LoadOrStore(fileID{st.Dev, st.Ino}, true); !done {
		Sweep(dir)
	}
}
