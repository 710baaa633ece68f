package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// Names that others have made are opened one by one, each within the open folder that it lies
// in, and never through a link or as another kind of file than expected: their owner may change
// them meanwhile, and opening a pipe would wait for its other end.

// openFolder opens a folder in an open folder.
func openFolder(dir int, base string) (int, error) {
	return openAt(dir, base, unix.O_RDONLY|unix.O_DIRECTORY, 0)
}

// openFile opens a regular file in an open folder, to be read.
func openFile(dir int, base, name string) (*os.File, *unix.Stat_t, error) {
	fd, err := openAt(dir, base, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	f := os.NewFile(uintptr(fd), name)
	st, err := status(fd)
	if err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = fmt.Errorf("%.200q: no regular file any more", name)
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, st, nil
}

// openAny opens whatever has a name, a link itself too, for its metadata.
func openAny(dir int, base string) (int, error) { return openAt(dir, base, unix.O_PATH, 0) }

func openAt(dir int, base string, flags int, mode uint32) (fd int, err error) {
	err = again(func() (err error) {
		fd, err = unix.Openat(dir, base, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
		return err
	})
	return fd, err
}

// status is what the kernel says of an open file.
func status(fd int) (*unix.Stat_t, error) {
	var st unix.Stat_t
	return &st, again(func() error { return unix.Fstat(fd, &st) })
}

// statusAt is what it says of a name, a link itself too.
func statusAt(dir int, base string) (*unix.Stat_t, error) {
	var st unix.Stat_t
	return &st, again(func() error { return unix.Fstatat(dir, base, &st, unix.AT_SYMLINK_NOFOLLOW) })
}

// again repeats a call that a signal has interrupted, as file systems that processes
// serve let happen.
func again(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// through is a path to an open file, whatever became of its names, for the calls that
// take no descriptor of all kinds. What it leads to is not followed if it is a link.
func through(fd int) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }
