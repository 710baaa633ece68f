package image

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// setAccess gives the file the permissions that it will stand with, before it has its name.
func (o *Output) setAccess() error {
	switch _, err := os.Lstat(o.target); {
	case err == nil:
		if err := refusePlanted(o.target); err != nil { // since it was looked for
			return err
		}
		return keepAccess(o.File, o.target)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	case o.Mode != 0:
		return o.narrow(o.Mode)
	}
	return nil
}

// narrow takes away the permissions that are not among these.
func (o *Output) narrow(most fs.FileMode) error {
	st, err := o.Stat()
	if err != nil || st.Mode().Perm()&^most == 0 {
		return err
	}
	return o.Chmod(st.Mode().Perm() & most)
}

// accessACL is the attribute that holds a file's access control list: acl(5).
const accessACL = "system.posix_acl_access"

// keepAccess gives a new file what users may do with the one that it replaces: permissions,
// access control list, and owner and group if this process may set them. Nobody gets more:
// where the group cannot be kept, another one may do what everybody may, at most.
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
		_ = unix.Fchown(fd, int(was.Uid), -1) // which root alone may do
	}
	perm := fs.FileMode(was.Mode).Perm()
	if list := accessList(path); list != nil {
		if sameGroup && unix.Fsetxattr(fd, accessACL, list, 0) == nil {
			return nil // the permissions come with it
		}
		perm &^= 0o070 // they are the most that the list grants, not what the group has
	}
	if !sameGroup {
		perm &^= 0o070 &^ (perm << 3)
	}
	_ = unix.Fremovexattr(fd, accessACL) // the folder may have given it one
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
