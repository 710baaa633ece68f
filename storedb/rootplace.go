package storedb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"ingot/image"
	"ingot/internal/lanes"
)

// itemSettler brings items that lie in the target already into the state that a store
// keeps them in: mode, owner, time, no extended attributes, and shared files.
type itemSettler struct {
	store   *rootDir
	temp    *rootDir // for copies of files that have names outside of the store
	outside outsideNames
	links   *linkDir // nil if nothing is to be deduplicated
	// leave leaves the metadata as they are.
	leave bool
	// root says that files can be given to root.
	root     bool
	progress func(int64)
	count    copyCount
}

// settle does so with the items at places.
func (s *itemSettler) settle(ctx context.Context, cl *Closure, places []int) error {
	if s.leave && s.links == nil {
		return nil
	}
	worker := func(g *lanes.Group) *settleWorker {
		return &settleWorker{itemSettler: s, ctx: ctx, nar: newNARWriter(ctx, g), known: cl.files != nil}
	}
	return hashing(ctx, len(places), worker, func(w *settleWorker, k int) error {
		it := cl.items[places[k]]
		w.hashes = nil
		if w.known && w.links != nil {
			w.hashes = cl.files[places[k]]
		}
		return w.node(&settledDir{rootDir: s.store}, filepath.Base(it.Path), it.Node)
	})
}

// settleWorker settles one item at a time.
type settleWorker struct {
	*itemSettler
	ctx    context.Context
	nar    *narWriter
	known  bool   // whether files were hashed before
	hashes []Hash // of the linkable files that are still to come
}

// settledDir is a directory of an item. It is touched when a file in it was replaced,
// or its permissions were changed for that.
type settledDir struct {
	*rootDir
	touched bool
}

// settled is a file of an item: a name in an open directory, what it was when it was scanned,
// and what fstat(2) says of it now. It is open if fd is not -1.
type settled struct {
	dir  *settledDir
	name string
	node *image.Node
	fd   int
	st   unix.Stat_t
}

var _ image.Blob = (*settled)(nil)

func (s *settled) fail(op string, err error) error { return s.dir.fail(op, s.name, err) }

// stat looks at the file, and refuses what was of another type when it was scanned.
func (s *settled) stat() (err error) {
	if s.fd >= 0 {
		err = unix.Fstat(s.fd, &s.st)
	} else {
		s.st, err = s.dir.stat(s.name)
	}
	if err == nil && image.ModeFromUnix(uint16(s.st.Mode)).Type() != s.node.Mode.Type() {
		return &image.ChangedError{Path: filepath.Join(s.dir.path, s.name), What: "is of another type than it was when it was looked at"}
	}
	return s.fail("lstat", err)
}

func (w *settleWorker) node(dir *settledDir, name string, n *image.Node) error {
	s := &settled{dir: dir, name: name, node: n, fd: -1}
	if n.IsDir() {
		return w.dir(s)
	}
	linkable := w.links != nil && w.links.wanted(n)
	var hash Hash
	if linkable && w.known {
		hash, w.hashes = w.hashes[0], w.hashes[1:]
	}
	if linkable && !w.known && n.Mode.IsRegular() && n.Size() > 0 {
		return w.file(s)
	}
	if err := s.stat(); err != nil {
		return err
	}
	if err := w.canonical(s); err != nil || !linkable || w.shared(s) {
		return err
	}
	if !w.known {
		var err error
		if hash, _, err = w.nar.hash(n); err != nil { // a symlink, or nothing: none is read
			return err
		}
	}
	return w.share(s, hash)
}

// file settles a regular file whose hash is not known. It is opened once for all.
func (w *settleWorker) file(s *settled) (err error) {
	s.fd, err = unix.Openat(s.dir.fd, s.name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err == unix.ELOOP || err == unix.ENXIO { // what cannot be opened is no regular file
		s.fd = -1
		return cmp.Or(s.stat(), s.fail("open", err))
	}
	if err != nil {
		return s.fail("open", err)
	}
	defer func() { unix.Close(s.fd) }() // it may be another then
	if err := s.stat(); err != nil {
		return err
	}
	if w.shared(s) {
		w.progress(s.Size())
		return w.canonical(s)
	}
	hash, err := w.hash(s)
	if err != nil {
		return err
	}
	if err := w.canonical(s); err != nil {
		return err
	}
	return w.share(s, hash)
}

// hash hashes an open file, and looks whether it still is what was scanned.
func (w *settleWorker) hash(s *settled) (hash Hash, err error) {
	file, ok := s.node.Data.(*image.File)
	if !ok {
		hash, _, err = w.nar.hash(s.node)
		return hash, err
	}
	if hash, _, err = w.nar.hash(image.NewFile(s.node.Mode, s)); err != nil {
		return hash, err
	}
	if err := unix.Fstat(s.fd, &s.st); err != nil {
		return hash, s.fail("fstat", err)
	}
	err = file.CheckStat(&s.st)
	// We may have settled it under another name since. That this one is its only name now
	// says nothing: the others may have been replaced.
	if err != nil && !w.leave && s.st.Size == s.Size() && s.st.Mtim == storeTimes[1] {
		return hash, nil
	}
	return hash, err
}

// Name, Size and ReadAt are what the file is hashed by.
func (s *settled) Name() string { return filepath.Join(s.dir.path, s.name) }

func (s *settled) Size() int64 { return s.node.Size() }

func (s *settled) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		got, err := unix.Pread(s.fd, p[n:], off+int64(n))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return n, s.fail("read", err)
		case got == 0:
			return n, io.EOF
		default:
			n += got
		}
	}
	return n, nil
}

// shared says whether a file must not be shared: it is a file of .links already, or a writable
// one, in which a change would change all.
func (w *settleWorker) shared(s *settled) bool {
	if w.leave && s.node.Mode.IsRegular() && s.st.Mode&0o222 != 0 {
		return true
	}
	return s.st.Nlink > 1 && w.links.names.holds(s.st.Ino)
}

// share puts the shared file in the place of one with its contents.
func (w *settleWorker) share(s *settled, hash Hash) error {
	w.outside.mu.RLock()
	defer w.outside.mu.RUnlock()
	replaced := false
	err := s.dir.change(func() (err error) {
		replaced, err = w.links.share(s.dir.rootDir, s.name, s.node, hash, s.st.Ino)
		return err
	})
	if replaced {
		s.dir.touched = true
		w.count.linked.Add(1)
		w.count.saved.Add(s.Size())
	}
	w.progress(s.Size())
	return err
}

// change does something in the directory, and makes it writable for that where it is read-only,
// as it should be, for all but root.
func (d *settledDir) change(do func() error) error {
	err := do()
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	d.touched = true
	if err := unix.Fchmod(d.fd, 0o755); err != nil {
		return d.fail("chmod", "", err)
	}
	return do()
}

func (w *settleWorker) dir(s *settled) error {
	d, err := s.dir.open(s.name)
	if err != nil {
		if err := s.stat(); err != nil {
			return err
		}
		if errors.Is(err, fs.ErrPermission) {
			return fmt.Errorf("%w: a store's directories can be read by all", err)
		}
		return err
	}
	defer d.close()
	s.fd = d.fd
	if err := s.stat(); err != nil {
		return err
	}
	dir := &settledDir{rootDir: d}
	for _, e := range s.node.Entries() {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		if err := w.node(dir, e.Name, e.Node); err != nil {
			return err
		}
	}
	if w.leave {
		return s.restore(dir.touched)
	}
	if dir.touched {
		if err := s.stat(); err != nil {
			return err
		}
	}
	return w.canonical(s)
}

// restore gives a directory that was touched the metadata that it had.
func (s *settled) restore(touched bool) error {
	if !touched {
		return nil
	}
	if err := unix.Fchmod(s.fd, s.st.Mode&0o7777); err != nil {
		return s.fail("chmod", err)
	}
	return s.fail("utimes", unix.UtimesNanoAt(s.dir.fd, s.name, []unix.Timespec{s.st.Atim, s.st.Mtim}, unix.AT_SYMLINK_NOFOLLOW))
}

// canonical gives a file the metadata of a store, as far as it does not have them:
// most have, and nothing is written then. A file that has a name outside of the store,
// where it is somebody else's, keeps its own; the store gets a copy.
func (w *settleWorker) canonical(s *settled) error {
	if w.leave {
		return nil
	}
	xattrs, err := s.xattrs()
	if err != nil {
		return err
	}
	wrong := len(xattrs) > 0 || w.wrongOwner(s) || s.wrongMode() || s.st.Mtim != storeTimes[1]
	if wrong && !s.node.IsDir() {
		before := idOf(&s.st)
		if err := w.own(s); err != nil {
			return err
		}
		if idOf(&s.st) != before {
			xattrs = nil
		}
	}
	if !wrong {
		return nil
	}
	if w.wrongOwner(s) {
		if err := unix.Fchownat(s.dir.fd, s.name, 0, 0, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return s.fail("chown", err)
		}
	}
	for _, x := range xattrs {
		if err := unix.Lremovexattr(procPath(s.dir.fd, s.name), x); err != nil && err != unix.ENODATA {
			return s.fail("removexattr "+x, err)
		}
	}
	if s.wrongMode() {
		if err := s.chmod(uint32(s.node.Mode.Perm())); err != nil {
			return err
		}
	}
	if s.st.Mtim == storeTimes[1] {
		return nil
	}
	return s.fail("utimes", settle(s.dir.fd, s.name))
}

func (w *settleWorker) wrongOwner(s *settled) bool { return w.root && (s.st.Uid != 0 || s.st.Gid != 0) }

func (s *settled) wrongMode() bool {
	return s.node.Mode&fs.ModeSymlink == 0 && s.st.Mode&0o7777 != uint32(s.node.Mode.Perm())
}

// chmod sets the permissions of what is no symlink.
func (s *settled) chmod(perm uint32) error {
	if s.fd < 0 {
		return s.dir.chmod(s.name, perm)
	}
	return s.fail("chmod", unix.Fchmod(s.fd, perm))
}

// chmod sets the permissions of what is no symlink.
func (d *rootDir) chmod(name string, perm uint32) error {
	fd, err := unix.Openat(d.fd, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return d.fail("open", name, err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK {
		return d.fail("chmod", name, unix.ELOOP)
	}
	return d.fail("chmod", name, unix.Chmod(fmt.Sprintf("/proc/self/fd/%d", fd), perm))
}

// xattrs returns the names of the extended attributes that a file has and should not
// have. Those that security modules keep may stay: Nix does not remove them either (its
// setting ignored-acls).
func (s *settled) xattrs() (wrong []string, err error) {
	var buf [1024]byte
	names := buf[:]
	n, err := s.listXattrs(names)
	if err == unix.ENOTSUP || n == 0 && err == nil {
		return nil, nil
	}
	if err == unix.ERANGE {
		names = make([]byte, 1<<16) // the kernel's limit
		n, err = s.listXattrs(names)
	}
	if err != nil {
		return nil, s.fail("listxattr", err)
	}
	for x := range strings.SplitSeq(strings.TrimSuffix(string(names[:n]), "\x00"), "\x00") {
		if !strings.HasPrefix(x, "security.") && x != "system.nfs4_acl" {
			wrong = append(wrong, x)
		}
	}
	return wrong, nil
}

// procPath is a path of a name in an open directory, for calls that take nothing else.
func procPath(dir int, name string) string { return fmt.Sprintf("/proc/self/fd/%d/%s", dir, name) }

func (s *settled) listXattrs(buf []byte) (int, error) {
	if s.fd >= 0 {
		return unix.Flistxattr(s.fd, buf)
	}
	name := append([]byte(s.name), 0)
	n, _, errno := unix.Syscall6(unix.SYS_LISTXATTRAT, uintptr(s.dir.fd), uintptr(unsafe.Pointer(&name[0])),
		unix.AT_SYMLINK_NOFOLLOW, uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)), 0)
	switch errno {
	case 0:
		return int(n), nil
	case unix.ENOSYS, unix.EPERM: // before Linux 6.13; filters of system calls say the latter
		return unix.Llistxattr(procPath(s.dir.fd, s.name), buf)
	}
	return 0, errno
}
