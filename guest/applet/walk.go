package applet

import (
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// entry is a file that a walk comes to.
type entry struct {
	dir   *openFolder // that it is in
	base  string      // its name there
	path  string      // its name in messages
	depth int         // how many folders lie between it and the operand; 0 for the operand
	st    unix.Stat_t
}

func (e entry) is(kind uint32) bool { return e.st.Mode&unix.S_IFMT == kind }

// unlink removes a file, or a folder that is empty.
func (e entry) unlink() error {
	flags := 0
	if e.is(unix.S_IFDIR) {
		flags = unix.AT_REMOVEDIR
	}
	if err := unix.Unlinkat(e.dir.fd(), e.base, flags); err != nil {
		return &fs.PathError{Op: "remove", Path: e.path, Err: err}
	}
	return nil
}

// openFolder is an open folder of a walk. Without a file it is the current folder.
type openFolder struct{ *os.File }

func (f *openFolder) fd() int {
	if f.File == nil {
		return unix.AT_FDCWD
	}
	return int(f.Fd())
}

// leave closes a folder, and returns what opens it again by way of one below, if it is the same.
func (f *openFolder) leave(below *openFolder, failed func(error)) func() {
	before, _ := f.Stat() // without it nothing is the same
	f.Close()
	return func() {
		fd, err := unix.Openat(below.fd(), "..", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			failed(&fs.PathError{Op: "open", Path: f.Name(), Err: err})
			return
		}
		f.File = os.NewFile(uintptr(fd), f.Name())
		if after, err := f.Stat(); err != nil || !os.SameFile(before, after) {
			failed(fmt.Errorf("%s: moved meanwhile", f.Name()))
			f.Close()
		}
	}
}

// maxOpen is how many folders a walk keeps open, far less than a process may.
const maxOpen = 200

// walk visits a file and all below it. It keeps a folder open while it is in it, so that it
// follows no link that takes the place of one meanwhile. Deeper than maxOpen it closes a folder
// while it is in one below.
type walk struct {
	follow bool             // an operand that is a link stands for its target
	visit  func(entry) bool // returns whether to go on below a folder
	leave  func(entry)      // may be nil; called after all that is below
	failed func(error)      // called for files and folders that cannot be read
}

func (w walk) from(name string) { w.enter(entry{dir: &openFolder{}, base: name, path: name}) }

func (w walk) enter(e entry) {
	ofLink, noLink := unix.AT_SYMLINK_NOFOLLOW, unix.O_NOFOLLOW
	if w.follow && e.depth == 0 {
		ofLink, noLink = 0, 0
	}
	if err := unix.Fstatat(e.dir.fd(), e.base, &e.st, ofLink); err != nil {
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
	fd, err := unix.Openat(e.dir.fd(), e.base, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|noLink, 0)
	if err != nil {
		w.failed(&fs.PathError{Op: "open", Path: e.path, Err: err})
		return
	}
	f := &openFolder{os.NewFile(uintptr(fd), e.path)}
	defer func() { f.Close() }() // it may be another by then
	names, err := f.Readdirnames(-1)
	if err != nil {
		w.failed(err)
	}
	slices.Sort(names)
	if e.depth > maxOpen {
		defer e.dir.leave(f, w.failed)()
	}
	for _, name := range names {
		w.enter(entry{dir: f, base: name, path: strings.TrimSuffix(e.path, "/") + "/" + name, depth: e.depth + 1})
	}
}
