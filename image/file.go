package image

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"ingot/internal/grammar"
	"ingot/internal/printable"
)

// File is a Blob that is a regular file of the host. It is opened only while it
// is read. Each opening checks the size and the modification time against those that the
// file was planned with; contents are not hashed.
type File struct {
	dir   *hostDir
	name  string
	size  int64
	mtime int64 // nanoseconds since 1970
}

// hostDir is a directory's path, shared by all files that were found in it: a
// million files then cost a million names, not a million paths.
type hostDir struct{ path string }

var _ Blob = (*File)(nil)

// NewHostFile plans the regular file at path; a final symlink is followed.
func NewHostFile(path string) (*File, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return nil, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return nil, fmt.Errorf("%s: not a regular file", printable.Name(path))
	}
	dir, name := filepath.Split(path)
	return newFile(&hostDir{filepath.Clean(dir + ".")}, name, &st), nil
}

func newFile(dir *hostDir, name string, st *unix.Stat_t) *File {
	return &File{dir: dir, name: name, size: st.Size, mtime: st.Mtim.Nano()}
}

// Path returns where the file lies on the host.
func (f *File) Path() string {
	switch dir := f.dir.path; dir {
	case ".":
		return f.name
	case "/":
		return dir + f.name
	default: // both are clean: filepath.Join would cost more than the open
		return dir + "/" + f.name
	}
}

// Size returns the size in bytes that the file was planned with.
func (f *File) Size() int64 { return f.size }

// String returns the path.
func (f *File) String() string { return f.Path() }

// Open opens the file for reading and checks that it is still the one that was
// planned; the error is a [*ChangedError] if it is not. The caller closes it.
func (f *File) Open() (*os.File, error) {
	path := f.Path()
	fd, err := open(path)
	if err != nil {
		return nil, err
	}
	if err := f.check(path, fd); err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), path), nil
}

// open returns a descriptor instead of an [os.File], which would cost a try to
// poll the file and a finalizer: a third of the time that a small file takes.
// O_NONBLOCK keeps a file that has become a FIFO from blocking.
func open(path string) (fd int, err error) {
	err = retry(func() error {
		fd, err = unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		return err
	})
	if err != nil {
		return -1, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return fd, nil
}

// Check says whether h, which [File.Open] opened, is still as it was planned. A consumer
// calls it once more after its last read.
func (f *File) Check(h *os.File) error { return f.check(f.Path(), int(h.Fd())) }

func (f *File) check(path string, fd int) error {
	var st unix.Stat_t
	return f.stat(path, fd, &st)
}

// stat fills st from the open file, and checks it.
func (f *File) stat(path string, fd int, st *unix.Stat_t) error {
	if err := unix.Fstat(fd, st); err != nil {
		return &os.PathError{Op: "fstat", Path: path, Err: err}
	}
	return f.checkStat(path, st)
}

// CheckStat is [File.Check] for a caller that has opened the file itself and called
// fstat(2) on it.
func (f *File) CheckStat(st *unix.Stat_t) error { return f.checkStat(f.Path(), st) }

func (f *File) checkStat(path string, st *unix.Stat_t) error {
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return &ChangedError{path, "is no longer a regular file"}
	case st.Size != f.size:
		return &ChangedError{path, fmt.Sprintf("was %s long when it was planned and is now %d", grammar.Count(f.size, "byte"), st.Size)}
	case st.Mtim.Nano() != f.mtime:
		return &ChangedError{path, "was written to after it was planned"}
	}
	return nil
}

// ReadAt opens the file, reads, checks that it is the planned one, and closes it.
// Consumers that read many small parts keep it open with [File.Open] instead.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("%s: read at negative offset %d", printable.Name(f.Path()), off)
	}
	path := f.Path()
	fd, err := open(path)
	if err != nil {
		return 0, err
	}
	defer unix.Close(fd)
	n, err := pread(fd, path, p, off)
	// A change before or during the read shows after it, too: one check is enough.
	if changed := f.check(path, fd); changed != nil {
		return n, changed
	}
	if err == io.EOF && n < len(p) && off+int64(n) < f.size {
		err = &ChangedError{path, fmt.Sprintf("shrank from %s while it was read", grammar.Count(f.size, "byte"))}
	}
	return n, err
}

// pread reads until p is full or the file ends, which is io.EOF.
func pread(fd int, path string, p []byte, off int64) (n int, err error) {
	for n < len(p) {
		got, err := unix.Pread(fd, p[n:], off+int64(n))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return n, &os.PathError{Op: "read", Path: path, Err: err}
		case got == 0:
			return n, io.EOF
		default:
			n += got
		}
	}
	return n, nil
}

// A ChangedError says that a file of the host is not what it was when the image
// was planned.
type ChangedError struct {
	Path string
	What string // what is different, with the numbers
}

func (e *ChangedError) Error() string { return printable.Name(e.Path) + " " + e.What }
