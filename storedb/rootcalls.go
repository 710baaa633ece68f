package storedb

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// futimens sets the times of an open file. (unix.Futimes goes by /proc, which costs
// three times as much.)
func futimens(fd int, times []unix.Timespec) error {
	_, _, errno := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(fd), 0, uintptr(unsafe.Pointer(&times[0])), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// noListxattrat is set once the kernel turns out to be older than 6.13.
var noListxattrat atomic.Bool

// listxattrat lists the extended attributes of a name in an open directory; a symlink
// is not followed.
func listxattrat(dir int, name string, buf []byte) (int, error) {
	if !noListxattrat.Load() {
		p, err := unix.BytePtrFromString(name)
		if err != nil {
			return 0, err
		}
		n, _, errno := unix.Syscall6(unix.SYS_LISTXATTRAT, uintptr(dir), uintptr(unsafe.Pointer(p)),
			unix.AT_SYMLINK_NOFOLLOW, uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)), 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.ENOSYS, unix.EPERM: // filters of system calls say the latter of what they do not know
			noListxattrat.Store(true)
		default:
			return 0, errno
		}
	}
	return unix.Llistxattr(procPath(dir, name), buf)
}

// procPath is a path of a name in an open directory, for calls that take nothing else.
func procPath(dir int, name string) string { return fmt.Sprintf("/proc/self/fd/%d/%s", dir, name) }

// exactModes says whether files and directories that are made in d get just the
// permissions that they are made with: a umask takes some away, and not everybody can
// fill a directory that is read-only. Where they do, nothing needs to be set later.
func (d *rootDir) exactModes() (files, dirs bool) {
	const name = "modes"
	var st unix.Stat_t
	exact := func(fd int) bool { return unix.Fstat(fd, &st) == nil && st.Mode&0o7777 == 0o555 }
	create := func(in int) (int, error) {
		return unix.Openat(in, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o555)
	}
	fd, err := create(d.fd)
	if err != nil {
		return false, false
	}
	files = exact(fd)
	unix.Close(fd)
	if unix.Unlinkat(d.fd, name, 0) != nil || unix.Mkdirat(d.fd, name, 0o555) != nil {
		return files, false
	}
	defer unix.Unlinkat(d.fd, name, unix.AT_REMOVEDIR)
	dir, err := d.open(name)
	if err != nil {
		return files, false
	}
	defer dir.close()
	dirs = exact(dir.fd)
	if fd, err = create(dir.fd); err != nil {
		return files, false
	}
	unix.Close(fd)
	unix.Unlinkat(dir.fd, name, 0)
	return files, dirs
}
