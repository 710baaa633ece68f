package image

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
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
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	dir, name := filepath.Split(path)
	return newFile(&hostDir{filepath.Clean(dir + ".")}, name, &st), nil
}

func newFile(dir *hostDir, name string, st *unix.Stat_t) *File {
	return &File{dir: dir, name: name, size: st.Size, mtime: st.Mtim.Nano()}
}

// Path returns where the file lies on the host.
func (f *File) Path() string { return filepath.Join(f.dir.path, f.name) }

// Size returns the size in bytes that the file was planned with.
func (f *File) Size() int64 { return f.size }

// String returns the path.
func (f *File) String() string { return f.Path() }

// Open opens the file for reading and checks that it is still the one that was
// planned; the error is a [*ChangedError] if it is not. The caller closes it.
func (f *File) Open() (*os.File, error) {
	path := f.Path()
	h, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if err := f.check(path, h); err != nil {
		h.Close()
		return nil, err
	}
	return h, nil
}

// Check says whether h, which [File.Open] opened, is still as it was planned. A
// consumer calls it once more when it has read all that it wants.
func (f *File) Check(h *os.File) error { return f.check(f.Path(), h) }

func (f *File) check(path string, h *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(h.Fd()), &st); err != nil {
		return &os.PathError{Op: "fstat", Path: path, Err: err}
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return &ChangedError{path, "is no longer a regular file"}
	case st.Size != f.size:
		return &ChangedError{path, fmt.Sprintf("was %d bytes long when it was planned and is now %d", f.size, st.Size)}
	case st.Mtim.Nano() != f.mtime:
		return &ChangedError{path, "was written to after it was planned"}
	}
	return nil
}

// ReadAt opens the file, reads, and closes it. Consumers that read much keep it
// open with [File.Open] instead.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	h, err := f.Open()
	if err != nil {
		return 0, err
	}
	defer h.Close()
	n, err := h.ReadAt(p, off)
	if err == io.EOF && off+int64(n) < f.size {
		return n, &ChangedError{f.Path(), fmt.Sprintf("shrank from %d bytes while it was read", f.size)}
	}
	return n, err
}

// A ChangedError says that a file of the host is not what it was when the image
// was planned.
type ChangedError struct {
	Path string
	What string // what is different, with the numbers
}

func (e *ChangedError) Error() string { return e.Path + " " + e.What }
