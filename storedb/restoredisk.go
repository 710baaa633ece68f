package storedb

import (
	"cmp"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"ingot/image"
)

// Restore reads a NAR and makes its files below root, under name, with the metadata of a store,
// but owned by the user of the process. It returns the length of the NAR.
//
// Nothing outside of root is touched, whatever the NAR says: names are checked, each
// directory is made before it is entered, and no symlink is followed. name must not
// be there yet. On an error, what was made stays; [RemoveItem] takes it away.
func Restore(r io.Reader, root *os.Root, name string, l NARLimits) (size int64, err error) {
	if err := image.CheckName(name); err != nil {
		return 0, err
	}
	err = inFolder(root, func(d *rootDir) error {
		size, err = d.restore(r, name, l)
		return err
	})
	return size, err
}

// inFolder calls do with the directory of a root.
func inFolder(root *os.Root, do func(*rootDir) error) error {
	top, err := root.Open(".")
	if err != nil {
		return err
	}
	defer top.Close()
	return do(&rootDir{fd: int(top.Fd()), path: root.Name()})
}

// restore is [Restore] into a directory.
func (d *rootDir) restore(r io.Reader, name string, l NARLimits) (int64, error) {
	s := &diskSink{dirs: []*rootDir{d}, copy: make([]byte, narBuffer)}
	defer s.close()
	return newNARReader(r, l, s).read(name)
}

// diskSink makes the files of a NAR on the host.
type diskSink struct {
	dirs []*rootDir // the one around all, and those that are being filled
	copy []byte
}

func (s *diskSink) close() {
	for _, d := range s.dirs[1:] {
		d.close()
	}
}

func (s *diskSink) dir() *rootDir { return s.dirs[len(s.dirs)-1] }

func (s *diskSink) enter(name string) error {
	in := s.dir()
	if err := unix.Mkdirat(in.fd, name, 0o700); err != nil {
		return in.fail("mkdir", name, err)
	}
	d, err := in.open(name)
	if err != nil {
		return err
	}
	s.dirs = append(s.dirs, d)
	return nil
}

func (s *diskSink) leave() error {
	d := s.dir()
	s.dirs = s.dirs[:len(s.dirs)-1]
	err := d.fail("chmod", "", unix.Fchmod(d.fd, 0o555))
	d.close()
	return cmp.Or(err, s.stamp(filepath.Base(d.path)))
}

func (s *diskSink) symlink(name, target string) error {
	if err := unix.Symlinkat(target, s.dir().fd, name); err != nil {
		return s.dir().fail("symlink", name, err)
	}
	return s.stamp(name)
}

func (s *diskSink) file(name string, executable bool, _, size int64, contents io.Reader) error {
	in := s.dir()
	fd, err := unix.Openat(in.fd, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return in.fail("open", name, err)
	}
	defer unix.Close(fd)
	for off := int64(0); off < size; {
		n, err := contents.Read(s.copy)
		if err != nil {
			return err
		}
		if err := writeAll(fd, s.copy[:n], off); err != nil {
			return in.fail("write", name, err)
		}
		off += int64(n)
	}
	mode := uint32(0o444)
	if executable {
		mode = 0o555
	}
	if err := unix.Fchmod(fd, mode); err != nil {
		return in.fail("chmod", name, err)
	}
	return s.stamp(name)
}

// stamp sets the times to the one of all files of a store.
func (s *diskSink) stamp(name string) error {
	return s.dir().fail("utimensat", name, settle(s.dir().fd, name))
}

// RemoveItem removes what stands under name below root, directories that may not be
// written to included.
func RemoveItem(root *os.Root, name string) error {
	return inFolder(root, func(d *rootDir) error { return d.remove(name) })
}
