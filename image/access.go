package image

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// setAccess gives a new file, or folder, the access of what it replaces at target, which check
// may refuse. If it replaces nothing, its permissions are at most those of a mode that is not 0.
func setAccess(f *os.File, target string, most fs.FileMode, check func() error) error {
	switch _, err := os.Lstat(target); {
	case errors.Is(err, fs.ErrNotExist):
		return narrow(f, most)
	case err != nil:
		return err
	}
	if err := check(); err != nil {
		return err
	}
	return keepAccess(f, target)
}

// narrow removes permissions beyond those of a mode that is not 0.
func narrow(f *os.File, most fs.FileMode) error {
	st, err := f.Stat()
	if err != nil || most == 0 || st.Mode().Perm()&^most == 0 {
		return err
	}
	return f.Chmod(st.Mode().Perm() & most)
}

// accessACL is the attribute that holds a file's access control list: acl(5).
const accessACL = "system.posix_acl_access"

// keepAccess gives a new file the permissions and access control list of the one that it
// replaces, and its owner and group if this process may set them. No user gets more access:
// another group gets the permissions of others, at most.
func keepAccess(f *os.File, path string) error {
	var was, is unix.Stat_t
	if err := unix.Lstat(path, &was); err != nil {
		return &os.PathError{Op: "stat", Path: path, Err: err}
	}
	fd := int(f.Fd())
	if err := unix.Fstat(fd, &is); err != nil {
		return &os.PathError{Op: "stat", Path: path, Err: err}
	}
	sameGroup := is.Gid == was.Gid || unix.Fchown(fd, -1, int(was.Gid)) == nil
	if is.Uid != was.Uid {
		_ = unix.Fchown(fd, int(was.Uid), -1) // works for root
	}
	perm := fs.FileMode(was.Mode).Perm()
	if list := accessList(path); list != nil {
		if sameGroup && unix.Fsetxattr(fd, accessACL, list, 0) == nil {
			return nil // the list includes the permissions
		}
		perm &^= 0o070 // with a list, the most that it grants, and not the group's permissions
	}
	if !sameGroup {
		perm &^= 0o070 &^ (perm << 3)
	}
	_ = unix.Fremovexattr(fd, accessACL) // inherited from the folder
	if fs.FileMode(is.Mode)&0o7777 == perm {
		return nil
	}
	return f.Chmod(perm)
}

// accessList returns the access control list of a file, nil if it has none.
func accessList(path string) []byte {
	list := make([]byte, 64<<10) // the longest value that an attribute can have
	n, err := unix.Lgetxattr(path, accessACL, list)
	if err != nil || n == 0 {
		return nil
	}
	return list[:n]
}
