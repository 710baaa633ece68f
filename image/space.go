package image

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"
)

// A SpaceError says that a file system has too little room for an output. It is
// found before anything is written.
type SpaceError struct {
	Path       string // of the output
	Need, Have int64  // bytes
}

func (e *SpaceError) Error() string {
	return fmt.Sprintf("%s: needs %s, %s has %s", e.Path, iec(e.Need), filepath.Dir(e.Path), iec(e.Have))
}

// Unwrap makes a SpaceError an ENOSPC.
func (e *SpaceError) Unwrap() error { return unix.ENOSPC }

// A FullError says that a file system, or a user's quota on it, had no more room while
// an output was written.
type FullError struct {
	Path          string // of the output
	Need, Written int64  // bytes
	Err           error  // is ENOSPC or EDQUOT
}

func (e *FullError) Error() string {
	what := "became full"
	if errors.Is(e.Err, unix.EDQUOT) {
		what = "reached its quota"
	}
	return fmt.Sprintf("%s: needs %s, %s %s after %s", e.Path, iec(e.Need), filepath.Dir(e.Path), what, iec(e.Written))
}

// Unwrap returns the error of the write.
func (e *FullError) Unwrap() error { return e.Err }

func iec(n int64) string { return humanize.IBytes(uint64(n)) }

// CheckSpace refuses with a [*SpaceError] if the file system of the output has less
// than need bytes free for this user. A file that the output will replace does not
// count as free, since it stands until the end. Quotas are not seen here: they come
// up while writing, as a [*FullError].
func (o *Output) CheckSpace(need int64) error { return CheckSpace(int(o.Fd()), o.target, need) }

// CheckSpace is [Output.CheckSpace] for the file system of an open file; path is for errors.
func CheckSpace(fd int, path string, need int64) error {
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil || st.Blocks == 0 {
		return nil // a file system that does not tell, such as a tmpfs without a limit
	}
	if have := int64(st.Bavail) * st.Frsize; have < need {
		return &SpaceError{Path: path, Need: need, Have: have}
	}
	return nil
}
