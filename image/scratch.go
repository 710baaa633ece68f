package image

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A Scratch is a nameless file of the host for data that are too large for memory. Nothing is
// left of it after Close, or after the end of the process.
type Scratch struct {
	*os.File
	staging *Staging // in which NFS and FUSE keep a name for the open file; else nil
}

// scratchName is its name in errors.
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

// namedScratch opens a Scratch and removes its name at once, for file systems without nameless
// files. NFS and FUSE keep another name in the Staging, which then stays until Close.
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

// Close closes the file, whose data are lost.
func (s *Scratch) Close() error {
	err := s.File.Close()
	if s.staging != nil {
		_ = s.staging.Close() // if this fails, the next output in the folder sweeps it
	}
	return err
}

// Blob returns the written bytes as a File, which consumers can clone: they open it by its
// descriptor. The bytes must not change any more.
func (s *Scratch) Blob() (*File, error) { return NewHostFile(fdPath(int(s.Fd()))) }
