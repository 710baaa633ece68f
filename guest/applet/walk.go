package applet

import (
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// entry is a file that a walk comes to.
type entry struct {
	dir   int    // the open folder that it is in, or unix.AT_FDCWD
	base  string // its name there
	path  string // its name in messages
	depth int    // how many folders lie between it and the operand; 0 for the operand
	st    unix.Stat_t
}

func (e entry) is(kind uint32) bool { return e.st.Mode&unix.S_IFMT == kind }

// unlink removes a file, or a folder that is empty.
func (e entry) unlink() error {
	flags := 0
	if e.is(unix.S_IFDIR) {
		flags = unix.AT_REMOVEDIR
	}
	if err := unix.Unlinkat(e.dir, e.base, flags); err != nil {
		return &fs.PathError{Op: "remove", Path: e.path, Err: err}
	}
	return nil
}

// walk visits a file and all below it. It keeps a folder open while it is in it, so that it
// follows no link that takes the place of one meanwhile.
type walk struct {
	follow bool             // an operand that is a link stands for its target
	visit  func(entry) bool // returns whether to go on below a folder
	leave  func(entry)      // may be nil; called after all that is below
	failed func(error)      // called for files and folders that cannot be read
}

func (w walk) from(name string) { w.enter(entry{dir: unix.AT_FDCWD, base: name, path: name}) }

func (w walk) enter(e entry) {
	ofLink, noLink := unix.AT_SYMLINK_NOFOLLOW, unix.O_NOFOLLOW
	if w.follow && e.depth == 0 {
		ofLink, noLink = 0, 0
	}
	if err := unix.Fstatat(e.dir, e.base, &e.st, ofLink); err != nil {
		w.failed(&fs.PathError{Op: "stat", Path: e.path, Err: err})
		return
	}
	if w.visit(e) && e.is(unix.S_IFDIR) {
		w.below(e, noLink)
	}
	if w.leave != nil {
		w.leave(e)
	}
}

// below visits the entries of a folder, in the order of their names.
func (w walk) below(e entry, noLink int) {
	fd, err := unix.Openat(e.dir, e.base, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|noLink, 0)
	if err != nil {
		w.failed(&fs.PathError{Op: "open", Path: e.path, Err: err})
		return
	}
	f := os.NewFile(uintptr(fd), e.path)
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		w.failed(err)
	}
	slices.Sort(names)
	for _, name := range names {
		w.enter(entry{dir: fd, base: name, path: strings.TrimSuffix(e.path, "/") + "/" + name, depth: e.depth + 1})
	}
}
