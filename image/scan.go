package image

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// ScanOptions says what of the host's metadata [Scan] keeps. The zero value keeps
// modes, owners, times and hard links, and no extended attributes.
type ScanOptions struct {
	// Canonical gives every file what a store gives it: owner root, time [Epoch], mode
	// 0555 for directories and for what its owner may execute, else 0444; no hard
	// links, no extended attributes; only regular files, directories and symlinks.
	Canonical bool
	// Xattrs keeps extended attributes. It costs a system call for each file.
	Xattrs bool
}

// Scan returns the file or folder of the host at path, with all that is below it.
// Contents are not read: files become [File] blobs. Symlinks are kept, not
// followed, path itself included. Directories are read in parallel.
func Scan(path string, o ScanOptions) (*Node, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return nil, &os.PathError{Op: "lstat", Path: path, Err: err}
	}
	s := &scanner{ScanOptions: o, slots: make(chan struct{}, runtime.GOMAXPROCS(0))}
	dir, name := filepath.Split(filepath.Clean(path))
	if name == "." || name == ".." || name == "" {
		dir, name = path, "."
	}
	h := &hostDir{filepath.Clean(dir + "/.")}
	if dir == "" {
		h.path = "."
	}
	n, err := s.node(unix.AT_FDCWD, filepath.Join(h.path, name), h, name, &st)
	s.wait.Wait()
	if s.err != nil {
		return nil, s.err
	}
	return n, err
}

type scanner struct {
	ScanOptions
	slots chan struct{} // one for each extra goroutine
	wait  sync.WaitGroup

	mu    sync.Mutex
	err   error
	links map[inode]*Node
}

type inode struct{ dev, ino uint64 }

// node makes the Node of the file that st describes, named at under the open
// directory fd, and starts or does the reading of a directory.
func (s *scanner) node(fd int, at string, dir *hostDir, name string, st *unix.Stat_t) (*Node, error) {
	n := &Node{Mode: ModeFromUnix(uint16(st.Mode)), UID: st.Uid, GID: st.Gid, Mtime: Time{st.Mtim.Sec, int32(st.Mtim.Nsec)}}
	path := func() string { return filepath.Join(dir.path, name) }
	if s.Canonical {
		if err := n.canonicalise(); err != nil {
			return nil, fmt.Errorf("%s: %w", path(), err)
		}
	} else if st.Nlink > 1 && !n.IsDir() {
		id := inode{st.Dev, st.Ino}
		s.mu.Lock()
		if first := s.links[id]; first != nil {
			s.mu.Unlock()
			return first, nil
		}
		if s.links == nil {
			s.links = map[inode]*Node{}
		}
		s.links[id] = n
		s.mu.Unlock()
	}
	if s.Xattrs && !s.Canonical {
		var err error
		if n.Xattrs, err = hostXattrs(path()); err != nil {
			return nil, err
		}
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		if st.Size > 0 {
			n.Data = newFile(dir, name, st)
		}
	case unix.S_IFLNK:
		target, err := readlinkat(fd, at, int(st.Size))
		if err != nil {
			return nil, &os.PathError{Op: "readlink", Path: path(), Err: err}
		}
		n.Link = target
	case unix.S_IFCHR, unix.S_IFBLK:
		n.Dev = Dev{unix.Major(uint64(st.Rdev)), unix.Minor(uint64(st.Rdev))}
	case unix.S_IFDIR:
		n.dir = &directory{sorted: true}
		return n, s.spread(path(), n)
	}
	return n, nil
}

// spread reads a directory in a goroutine of its own if one is free, else here.
func (s *scanner) spread(path string, n *Node) error {
	select {
	case s.slots <- struct{}{}:
		s.wait.Add(1)
		go func() {
			defer s.wait.Done()
			defer func() { <-s.slots }()
			s.fail(s.readDir(path, n))
		}()
		return nil
	default:
		return s.readDir(path, n)
	}
}

func (s *scanner) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil && err != nil {
		s.err = err
	}
}

func (s *scanner) readDir(path string, n *Node) error {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return err
	}
	slices.Sort(names)
	n.dir.entries = make([]Entry, 0, len(names))
	dir, fd := &hostDir{path}, int(f.Fd())
	for _, name := range names {
		var st unix.Stat_t
		if err := unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return &os.PathError{Op: "lstat", Path: filepath.Join(path, name), Err: err}
		}
		child, err := s.node(fd, name, dir, name, &st)
		if err != nil {
			return err
		}
		n.dir.entries = append(n.dir.entries, Entry{name, child})
	}
	return nil
}

// canonicalise gives n the metadata that every file of a store has.
func (n *Node) canonicalise() error {
	perm := 0o444 | n.Mode.Type()
	switch {
	case n.Mode&^Perm == 0:
		if n.Mode&0o100 != 0 {
			perm |= 0o111
		}
	case n.IsDir():
		perm |= 0o111
	case n.Mode.Type() == fs.ModeSymlink:
		perm |= 0o777
	default:
		return fmt.Errorf("is %s, which a store cannot hold", Kind(n.Mode))
	}
	n.Mode, n.UID, n.GID, n.Mtime, n.Xattrs = perm, 0, 0, Epoch, nil
	return nil
}

func readlinkat(fd int, name string, size int) (string, error) {
	for n := max(size, 64) + 1; ; n *= 2 {
		buf := make([]byte, n)
		got, err := unix.Readlinkat(fd, name, buf)
		if err != nil {
			return "", err
		}
		if got < n {
			return string(buf[:got]), nil
		}
	}
}

// hostXattrs reads the extended attributes of one file, sorted by name.
func hostXattrs(path string) ([]Xattr, error) {
	size, err := unix.Llistxattr(path, nil)
	if err == unix.ENOTSUP || err == nil && size == 0 {
		return nil, nil
	}
	buf := make([]byte, max(size, 0))
	if err == nil {
		size, err = unix.Llistxattr(path, buf)
	}
	if err != nil {
		return nil, &os.PathError{Op: "listxattr", Path: path, Err: err}
	}
	names := strings.Split(strings.TrimSuffix(string(buf[:size]), "\x00"), "\x00")
	slices.Sort(names)
	var out []Xattr
	for _, name := range names {
		size, err := unix.Lgetxattr(path, name, nil)
		value := make([]byte, max(size, 0))
		if err == nil && size > 0 {
			_, err = unix.Lgetxattr(path, name, value)
		}
		if err != nil {
			return nil, &os.PathError{Op: "getxattr " + name, Path: path, Err: err}
		}
		out = append(out, Xattr{name, value})
	}
	return out, nil
}
