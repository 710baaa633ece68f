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
type Scratch struct {
	*os.File
	staging *Staging // where the file system keeps a name for it while it is open; mostly nil
}

// scratchName stands for the name in errors.
const scratchName = "(temporary)"

// NewScratch opens a Scratch in a folder.
func NewScratch(dir string) (*Scratch, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err == nil {
		return &Scratch{File: os.NewFile(uintptr(fd), filepath.Join(dir, scratchName))}, nil
	}
	if !lacksTmpfile(err) {
		return nil, fmt.Errorf("temporary file: %w", &os.PathError{Op: "create", Path: dir, Err: err})
	}
	s, err := NewStaging(dir)
	if err != nil {
		return nil, fmt.Errorf("temporary file: %w", err)
	}
	return namedScratch(s, dir)
}

// namedScratch opens a Scratch whose name goes at once, for file systems that cannot do
// without. NFS and FUSE keep another one in the Staging, which then stays until Close.
func namedScratch(s *Staging, dir string) (*Scratch, error) {
	f, err := s.create(0o600, filepath.Join(dir, scratchName))
	if err != nil {
		return nil, fmt.Errorf("temporary file: %w", errors.Join(err, s.Close()))
	}
	if s.remove() != nil {
		return &Scratch{f, s}, nil
	}
	s.close()
	s.parent.Close()
	return &Scratch{File: f}, nil
}

// Close closes the file and drops what is in it.
func (s *Scratch) Close() error {
	err := s.File.Close()
	if s.staging != nil {
		_ = s.staging.Close() // the next output in the folder sweeps what cannot be removed now
	}
	return err
}

// Blob returns the bytes that were written, as part of a file that consumers can clone:
// it is opened by its descriptor. They must not change any more.
func (s *Scratch) Blob() (*File, error) { return NewHostFile(fdPath(int(s.Fd()))) }
