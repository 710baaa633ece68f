package storedb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"ingot/image"
)

// itemSettler brings items that lie in the target already into the state that a store
// keeps them in: mode, owner, time, no extended attributes, and shared files.
type itemSettler struct {
	store *rootDir
	links *linkDir // nil if nothing is to be deduplicated
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
	worker := func() *settleWorker { return &settleWorker{itemSettler: s, ctx: ctx} }
	return parallel(ctx, len(places), worker, func(w *settleWorker, k int) error {
		it := cl.items[places[k]]
		w.hashes = nil
		if w.links != nil {
			w.hashes = cl.files[places[k]]
		}
		return w.node(s.store, filepath.Base(it.Path), it.Node)
	})
}

// settleWorker settles one item at a time.
type settleWorker struct {
	*itemSettler
	ctx    context.Context
	hashes []Hash // of the linkable files that are still to come
}

func (w *settleWorker) node(dir *rootDir, name string, n *image.Node) error {
	st, err := dir.stat(name)
	if err != nil {
		return dir.fail("lstat", name, err)
	}
	if image.ModeFromUnix(uint16(st.Mode)).Type() != n.Mode.Type() {
		return &image.ChangedError{Path: filepath.Join(dir.path, name), What: "is of another type than it was when it was looked at"}
	}
	if n.IsDir() {
		return w.dir(dir, name, n, &st)
	}
	if !w.leave {
		if err := w.canonical(dir, name, n, &st); err != nil {
			return err
		}
	}
	if w.links != nil && w.links.wanted(n) {
		hash := w.hashes[0]
		w.hashes = w.hashes[1:]
		if w.leave && n.Mode.IsRegular() && st.Mode&0o222 != 0 {
			return nil // whoever may write to one name would write to all
		}
		return w.share(dir, name, n, hash)
	}
	return nil
}

// share puts the shared file in the place of one with its contents.
func (w *settleWorker) share(dir *rootDir, name string, n *image.Node, hash Hash) error {
	shared, err := w.links.share(dir, name, n, hash)
	if errors.Is(err, fs.ErrPermission) { // the directory is read-only, as it should be, for all but root
		if err := unix.Fchmod(dir.fd, 0o755); err != nil {
			return dir.fail("chmod", "", err)
		}
		shared, err = w.links.share(dir, name, n, hash)
	}
	if shared {
		w.count.linked.Add(1)
		w.count.saved.Add(n.Size())
	}
	if w.progress != nil {
		w.progress(n.Size())
	}
	return err
}

func (w *settleWorker) dir(at *rootDir, name string, n *image.Node, before *unix.Stat_t) error {
	dir, err := at.open(name)
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: a store's directories can be read by all", err)
	}
	if err != nil {
		return err
	}
	defer dir.close()
	for _, e := range n.Entries() {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		if err := w.node(dir, e.Name, e.Node); err != nil {
			return err
		}
	}
	after, err := at.stat(name)
	if err != nil {
		return at.fail("lstat", name, err)
	}
	if !w.leave {
		return w.canonical(at, name, n, &after)
	}
	if after.Mode != before.Mode {
		if err := unix.Fchmod(dir.fd, before.Mode&0o7777); err != nil {
			return at.fail("chmod", name, err)
		}
	}
	if after.Mtim == before.Mtim {
		return nil
	}
	times := []unix.Timespec{before.Atim, before.Mtim}
	return at.fail("utimes", name, unix.UtimesNanoAt(at.fd, name, times, unix.AT_SYMLINK_NOFOLLOW))
}

// canonical gives a file the metadata of a store, as far as it does not have them:
// most have, and nothing is written then.
func (w *settleWorker) canonical(dir *rootDir, name string, n *image.Node, st *unix.Stat_t) error {
	if w.root && (st.Uid != 0 || st.Gid != 0) {
		if err := unix.Fchownat(dir.fd, name, 0, 0, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return dir.fail("chown", name, err)
		}
	}
	if err := dir.clearXattrs(name); err != nil {
		return err
	}
	if symlink := n.Mode&fs.ModeSymlink != 0; !symlink && st.Mode&0o7777 != uint32(n.Mode.Perm()) {
		if err := dir.chmod(name, uint32(n.Mode.Perm())); err != nil {
			return err
		}
	}
	if st.Mtim == storeTimes[1] {
		return nil
	}
	return dir.fail("utimes", name, settle(dir.fd, name))
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

// clearXattrs removes extended attributes, but for those that security modules keep:
// Nix does not remove them either (its setting ignored-acls).
func (d *rootDir) clearXattrs(name string) error {
	path := fmt.Sprintf("/proc/self/fd/%d/%s", d.fd, name)
	var buf [1024]byte
	n, err := unix.Llistxattr(path, buf[:])
	if err == unix.ENOTSUP || n == 0 {
		return nil
	}
	names := buf[:max(n, 0)]
	if err == unix.ERANGE {
		names = make([]byte, 1<<16) // the kernel's limit
		if n, err = unix.Llistxattr(path, names); err == nil {
			names = names[:n]
		}
	}
	if err != nil {
		return d.fail("listxattr", name, err)
	}
	for x := range strings.SplitSeq(strings.TrimSuffix(string(names), "\x00"), "\x00") {
		if strings.HasPrefix(x, "security.") || x == "system.nfs4_acl" {
			continue
		}
		if err := unix.Lremovexattr(path, x); err != nil && err != unix.ENODATA {
			return d.fail("removexattr "+x, name, err)
		}
	}
	return nil
}
