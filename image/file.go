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
// is read. What it was planned with, its size and its modification time, is
// checked each time it is opened; contents are not hashed.
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
// poll the file and a finalizer: a third of the time that a small file takes. What
// has become a FIFO meanwhile must not stop us, thus O_NONBLOCK.
func open(path string) (int, error) {
	for {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err == nil {
			return fd, nil
		}
		if err != unix.EINTR {
			return -1, &os.PathError{Op: "open", Path: path, Err: err}
		}
	}
}

// Check says whether h, which [File.Open] opened, is still as it was planned. A
// consumer calls it once more when it has read all that it wants.
func (f *File) Check(h *os.File) error { return f.check(f.Path(), int(h.Fd())) }

func (f *File) check(path string, fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return &os.PathError{Op: "fstat", Path: path, Err: err}
	}
	return f.checkStat(path, &st)
}

// CheckStat is [File.Check] for those who have opened the file by themselves, and know
// what fstat(2) says of it.
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

// ReadAt opens the file, reads, checks that it is the one that was planned, and
// closes it. Consumers that read it in many small parts keep it open with
// [File.Open] instead.
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
	// What changed the file before or during the read is seen after it, too: one check
	// is enough.
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
