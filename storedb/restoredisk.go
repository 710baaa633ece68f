package storedb

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"ingot/image"
)

// Restore reads a NAR and makes its files below root, under name, with the metadata of
// a store, but for the owner, who is whoever runs it. It returns the length of the NAR.
//
// Nothing outside of root is touched, whatever the NAR says: names are checked, each
// directory is made before it is entered, and no symlink is followed. name must not
// be there yet. On an error, what was made stays; [RemoveItem] takes it away.
func Restore(r io.Reader, root *os.Root, name string, l NARLimits) (int64, error) {
	if err := image.CheckName(name); err != nil {
		return 0, err
	}
	top, err := root.Open(".")
	if err != nil {
		return 0, err
	}
	return restore(r, root.Name(), top, name, l)
}

// restore is Restore into an open directory, which it closes.
func restore(r io.Reader, path string, dir *os.File, name string, l NARLimits) (int64, error) {
	s := &diskSink{top: path, dirs: []*os.File{dir}, copy: make([]byte, narBuffer)}
	defer s.close()
	return newNARReader(r, l, s).read(name)
}

// diskSink makes the files of a NAR on the host. All that it does is relative to a
// directory that it holds open.
type diskSink struct {
	top   string
	names []string   // from the root of the NAR to the directory that is being filled
	dirs  []*os.File // the directory of each, and first the one around all
	copy  []byte
}

func (s *diskSink) close() {
	for _, d := range s.dirs {
		d.Close()
	}
}

func (s *diskSink) fd() int { return int(s.dirs[len(s.dirs)-1].Fd()) }

func (s *diskSink) fail(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &os.PathError{Op: op, Path: path.Join(s.top, strings.Join(s.names, "/"), name), Err: err}
}

// open opens what was just made, or makes it; never what stood there before.
func (s *diskSink) open(name string, flags int) (*os.File, error) {
	for {
		fd, err := unix.Openat(s.fd(), name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		if err == nil {
			return os.NewFile(uintptr(fd), name), nil
		}
		if err != unix.EINTR {
			return nil, s.fail("open", name, err)
		}
	}
}

func (s *diskSink) enter(name string) error {
	if err := unix.Mkdirat(s.fd(), name, 0o700); err != nil {
		return s.fail("mkdir", name, err)
	}
	d, err := s.open(name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	s.dirs, s.names = append(s.dirs, d), append(s.names, name)
	return nil
}

func (s *diskSink) leave() error {
	last := len(s.names) - 1
	d, name := s.dirs[last+1], s.names[last]
	s.dirs, s.names = s.dirs[:last+1], s.names[:last]
	err := s.fail("chmod", name, unix.Fchmod(int(d.Fd()), 0o555))
	d.Close()
	return cmpErr(err, s.stamp(name))
}

func (s *diskSink) symlink(name, target string) error {
	if err := unix.Symlinkat(target, s.fd(), name); err != nil {
		return s.fail("symlink", name, err)
	}
	return s.stamp(name)
}

func (s *diskSink) file(name string, executable bool, off, size int64, contents io.Reader) error {
	f, err := s.open(name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL)
	if err != nil {
		return err
	}
	defer f.Close()
	for size > 0 {
		n, err := contents.Read(s.copy)
		if err != nil {
			return err
		}
		if _, err := f.Write(s.copy[:n]); err != nil {
			var of *os.PathError
			if errors.As(err, &of) {
				err = of.Err
			}
			return s.fail("write", name, err)
		}
		size -= int64(n)
	}
	mode := uint32(0o444)
	if executable {
		mode = 0o555
	}
	if err := unix.Fchmod(int(f.Fd()), mode); err != nil {
		return s.fail("chmod", name, err)
	}
	return s.stamp(name)
}

// stamp sets the times to the one of all files of a store.
func (s *diskSink) stamp(name string) error {
	at := unix.Timespec{Sec: image.Epoch.Sec}
	return s.fail("utimensat", name, unix.UtimesNanoAt(s.fd(), name, []unix.Timespec{at, at}, unix.AT_SYMLINK_NOFOLLOW))
}

// RemoveItem removes what stands under name below root, directories that may not be
// written to included.
func RemoveItem(root *os.Root, name string) error {
	info, err := root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && info.IsDir() {
		err = unlock(root, name)
	}
	if err != nil {
		return err
	}
	return root.RemoveAll(name)
}

// unlock makes a directory and all below it writable for their owner.
func unlock(root *os.Root, name string) error {
	if err := root.Chmod(name, 0o700); err != nil {
		return err
	}
	dir, err := root.OpenRoot(name)
	if err != nil {
		return err
	}
	defer dir.Close()
	f, err := dir.Open(".")
	if err != nil {
		return err
	}
	entries, err := f.ReadDir(-1)
	f.Close()
	for _, e := range entries {
		if err == nil && e.IsDir() {
			err = unlock(dir, e.Name())
		}
	}
	return err
}
