package image

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A Scratch is a file of the host for what is too large for memory. It has no name, so
// that nothing is left of it, whatever ends this process; Close gives it back.
type Scratch struct{ *os.File }

// NewScratch opens a Scratch in a folder.
func NewScratch(dir string) (*Scratch, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return &Scratch{os.NewFile(uintptr(fd), filepath.Join(dir, "(temporary)"))}, nil
	}
	if !lacksTmpfile(err) {
		return nil, fmt.Errorf("temporary file: %w", &os.PathError{Op: "create", Path: dir, Err: err})
	}
	return namedScratch(dir)
}

// namedScratch opens a Scratch whose name goes at once, for file systems that cannot do
// without.
func namedScratch(dir string) (*Scratch, error) {
	s, err := NewStaging(dir)
	if err != nil {
		return nil, fmt.Errorf("temporary file: %w", err)
	}
	fd, err := unix.Open(s.Path(stagedName), unix.O_CREAT|unix.O_EXCL|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err == nil {
		f := os.NewFile(uintptr(fd), filepath.Join(dir, "(temporary)"))
		if err = s.Close(); err == nil { // which takes the file's name
			return &Scratch{f}, nil
		}
		f.Close()
		return nil, fmt.Errorf("temporary file: %w", err)
	}
	err = &os.PathError{Op: "create", Path: dir, Err: err}
	return nil, fmt.Errorf("temporary file: %w", errors.Join(err, s.Close()))
}

// Blob returns the bytes that were written, as part of a file that consumers can clone:
// it is opened by its descriptor. They must not change any more.
func (s *Scratch) Blob() (*File, error) { return NewHostFile(fdPath(int(s.Fd()))) }
