package image

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"ingot/internal/printable"
)

// ScanOptions says which metadata of the host [Scan] keeps. The zero value keeps modes, owners
// and times, and neither hard links nor extended attributes: those may come from the host's
// store optimiser and security modules, and not from the files' maker.
type ScanOptions struct {
	// Canonical gives every file what a store gives it: owner root, time [Epoch], mode
	// 0555 for directories and for what its owner may execute, else 0444; no hard
	// links, no extended attributes; only regular files, directories and symlinks.
	Canonical bool
	// HardLinks keeps the hard links among the scanned files; names elsewhere do not count.
	// Without it each name is a file of its own.
	HardLinks bool
	// Xattrs keeps extended attributes. It costs a system call for each file.
	Xattrs bool
	// TakeXattr, if set, says which of them to keep, by their names. It is called from
	// several goroutines.
	TakeXattr func(name string) bool
	// Workers is how many directories are read at once. Default: one for each processor. A
	// caller that scans many folders in parallel sets 1.
	Workers int
}

// Scan returns the file or folder of the host at path, with all that is below it.
// Contents are not read: files become [File] blobs. Symlinks are kept, not
// followed, path itself included. Directories are read in parallel.
func Scan(path string, o ScanOptions) (*Node, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return nil, &os.PathError{Op: "lstat", Path: path, Err: err}
	}
	workers := o.Workers
	if workers == 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	s := &scanner{ScanOptions: o, slots: make(chan struct{}, workers-1)}
	dir, name := filepath.Split(filepath.Clean(path))
	if name == "." || name == ".." || name == "" {
		dir, name = path, "."
	}
	h := &hostDir{filepath.Clean(dir + "/.")}
	if dir == "" {
		h.path = "."
	}
	n, err := s.node(place{unix.AT_FDCWD, filepath.Join(h.path, name), h, name}, &st)
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

// place is the place of a file: the name at in the open directory fd, for system calls, and the
// name in dir, for messages.
type place struct {
	fd   int
	at   string
	dir  *hostDir
	name string
}

func (p place) path() string { return filepath.Join(p.dir.path, p.name) }

// node makes the Node of the file that st describes, and starts or does the reading
// of a directory.
func (s *scanner) node(p place, st *unix.Stat_t) (*Node, error) {
	n := &Node{Mode: ModeFromUnix(uint16(st.Mode)), UID: st.Uid, GID: st.Gid, Mtime: Time{st.Mtim.Sec, int32(st.Mtim.Nsec)}}
	if s.Canonical {
		if err := n.canonicalise(); err != nil {
			return nil, fmt.Errorf("%s: %w", printable.Name(p.path()), err)
		}
	} else if first := s.linked(n, st); first != n {
		return first, nil
	}
	if s.Xattrs && !s.Canonical {
		var err error
		if n.Xattrs, err = hostXattrs(p.path(), s.TakeXattr); err != nil {
			return nil, err
		}
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		if st.Size > 0 {
			n.Data = newFile(p.dir, p.name, st)
		}
	case unix.S_IFLNK:
		target, err := readlinkat(p.fd, p.at, int(st.Size))
		if err != nil {
			return nil, &os.PathError{Op: "readlink", Path: p.path(), Err: err}
		}
		n.Link = target
	case unix.S_IFCHR, unix.S_IFBLK:
		n.Dev = Dev{unix.Major(uint64(st.Rdev)), unix.Minor(uint64(st.Rdev))}
	case unix.S_IFDIR:
		n.dir = &directory{sorted: true}
		return n, s.spread(p, n)
	}
	return n, nil
}

// linked returns the Node of the file of st under another name, or n if this is its first.
func (s *scanner) linked(n *Node, st *unix.Stat_t) *Node {
	if !s.HardLinks || st.Nlink < 2 || n.IsDir() {
		return n
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := inode{st.Dev, st.Ino}
	if first := s.links[id]; first != nil {
		return first
	}
	if s.links == nil {
		s.links = map[inode]*Node{}
	}
	s.links[id] = n
	return n
}

// spread reads a directory in a goroutine of its own if one is free, else here.
func (s *scanner) spread(p place, n *Node) error {
	select {
	case s.slots <- struct{}{}:
		path := p.path()
		s.wait.Go(func() {
			defer func() { <-s.slots }()
			s.fail(s.readDir(unix.AT_FDCWD, path, path, n)) // p.fd may be closed by then
		})
		return nil
	default:
		return s.readDir(p.fd, p.at, p.path(), n)
	}
}

func (s *scanner) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil && err != nil {
		s.err = err
	}
}

// readDir fills the directory n from the name at in the directory fd; path is for messages.
func (s *scanner) readDir(fd int, at, path string, n *Node) error {
	dirfd, err := openDir(fd, at)
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(dirfd)
	entries, err := readDirents(dirfd)
	if err != nil {
		return &os.PathError{Op: "getdents", Path: path, Err: err}
	}
	n.dir.entries = make([]Entry, 0, len(entries))
	dir := &hostDir{path}
	for _, e := range entries {
		p := place{dirfd, e.name, dir, e.name}
		var st unix.Stat_t
		if err := s.stat(p, e.kind, &st); err != nil {
			return &os.PathError{Op: "lstat", Path: p.path(), Err: err}
		}
		child, err := s.node(p, &st)
		if err != nil {
			return err
		}
		n.dir.entries = append(n.dir.entries, Entry{e.name, child})
	}
	return nil
}

// stat leaves out the system call if a store keeps only the type of a file. More than half of
// the entries of a store are directories and symlinks.
func (s *scanner) stat(p place, kind byte, st *unix.Stat_t) error {
	switch {
	case s.Canonical && kind == unix.DT_DIR:
		st.Mode = unix.S_IFDIR
		return nil
	case s.Canonical && kind == unix.DT_LNK:
		st.Mode = unix.S_IFLNK
		return nil
	}
	return retry(func() error { return unix.Fstatat(p.fd, p.at, st, unix.AT_SYMLINK_NOFOLLOW) })
}

func openDir(fd int, at string) (dirfd int, err error) {
	err = retry(func() error {
		dirfd, err = unix.Openat(fd, at, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		return err
	})
	return dirfd, err
}

// retry repeats a call that a signal has interrupted.
func retry(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

// dirent is an entry of a directory of the host; kind is unix.DT_DIR and so on, or
// unix.DT_UNKNOWN if the file system does not have it.
type dirent struct {
	name string
	kind byte
}

// direntBuffers are for getdents64(2). A store has many small directories, for which package
// os has more allocations and a stat: with it, reading the 106,569 entries of a closure of
// 1 GiB took 1.6 times as long.
var direntBuffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// readDirents returns the entries of an open directory, sorted by name.
func readDirents(fd int) ([]dirent, error) {
	buf := direntBuffers.Get().(*[32 << 10]byte)
	defer direntBuffers.Put(buf)
	var out []dirent
	for {
		var n int
		err := retry(func() (err error) {
			n, err = unix.Getdents(fd, buf[:])
			return err
		})
		if err != nil || n <= 0 {
			slices.SortFunc(out, func(a, b dirent) int { return strings.Compare(a.name, b.name) })
			return out, err
		}
		out = parseDirents(out, buf[:n])
	}
}

// parseDirents appends the records of getdents64(2), linux_dirent64: inode and offset
// of 8 bytes each, the record's length of 2, the type of 1, and the name up to a NUL.
func parseDirents(out []dirent, b []byte) []dirent {
	const lengthAt, typeAt, nameAt = 16, 18, 19
	for len(b) > nameAt {
		length := int(binary.NativeEndian.Uint16(b[lengthAt:]))
		name := b[nameAt:length]
		if i := bytes.IndexByte(name, 0); i >= 0 {
			name = name[:i]
		}
		if s := string(name); s != "." && s != ".." {
			out = append(out, dirent{s, b[typeAt]})
		}
		b = b[length:]
	}
	return out
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
	var small [256]byte // on the stack, and more than most targets have
	buf := small[:]
	if size >= len(buf) {
		buf = make([]byte, size+1)
	}
	for {
		got, err := unix.Readlinkat(fd, name, buf)
		if err != nil {
			return "", err
		}
		if got < len(buf) {
			return string(buf[:got]), nil
		}
		buf = make([]byte, 4*len(buf))
	}
}

// hostXattrs returns the extended attributes of a file that take accepts, sorted by name.
func hostXattrs(path string, take func(name string) bool) ([]Xattr, error) {
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
		if take != nil && !take(name) {
			continue
		}
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
