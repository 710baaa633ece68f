package storedb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"ingot/image"
	"ingot/internal/lanes"
	"ingot/internal/printable"
)

// Copied counts what was brought into a store.
type Copied struct {
	Paths  int   `json:"paths"`
	Files  int64 `json:"files"`  // regular files that were written
	Bytes  int64 `json:"bytes"`  // of their contents
	Cloned int64 `json:"cloned"` // bytes of them that are shared with the source
	Linked int64 `json:"linked"` // files that became another name of one that was there
	Saved  int64 `json:"saved"`  // bytes of those
}

// copyCount is Copied while several workers add to it.
type copyCount struct{ files, bytes, cloned, linked, saved atomic.Int64 }

func (c *copyCount) total(paths int) Copied {
	return Copied{paths, c.files.Load(), c.bytes.Load(), c.cloned.Load(), c.linked.Load(), c.saved.Load()}
}

// itemCopier copies items into a directory of the target, as a store keeps them:
// mode 0444 or 0555, time 1, owner root if root copies, no extended attributes.
type itemCopier struct {
	into  *rootDir
	links *linkDir // nil if nothing is to be deduplicated
	// keepTimes leaves modification times as they are in the source.
	keepTimes bool
	// giveAway says that what root makes here would not belong to group root.
	giveAway bool
	// late leaves items that are directories writable; they are to be moved yet.
	late bool

	progress func(int64)
	count    copyCount

	noClone atomic.Bool // the file systems cannot share blocks
}

// copyBuffer is how much a worker reads at once. Files up to that size cost one read
// and one write.
const copyBuffer = 1 << 20

// cloneFrom is the size from which files are cloned: small ones are copied sooner
// than their blocks are shared.
const cloneFrom = 64 << 10

// copy copies the items at places, the largest first, and calls done for each.
func (c *itemCopier) copy(ctx context.Context, cl *Closure, places []int, done func(it *Item) error) error {
	places = slices.Clone(places)
	slices.SortStableFunc(places, func(a, b int) int { return cmp.Compare(cl.items[b].NarSize, cl.items[a].NarSize) })
	worker := func(g *lanes.Group) *copyWorker {
		return &copyWorker{itemCopier: c, ctx: ctx, nar: newNARWriter(ctx, g), buf: make([]byte, copyBuffer), known: cl.files != nil}
	}
	return hashing(ctx, len(places), worker, func(w *copyWorker, k int) error {
		it := cl.items[places[k]]
		w.hashes, w.given = nil, it.given
		if w.known {
			w.hashes = cl.files[places[k]]
		}
		base := filepath.Base(it.Path)
		if err := w.node(c.into.fd, base, it.Node, it.HostPath(cl.Flavour)); err != nil {
			return fmt.Errorf("%s: %w", it.Path, err)
		}
		return done(it)
	})
}

// HostPath returns where the item lies on the host.
func (it *Item) HostPath(f Flavour) string {
	return filepath.Join(cmp.Or(it.From, f.StoreDir()), filepath.Base(it.Path))
}

// copyWorker copies one item at a time.
type copyWorker struct {
	*itemCopier
	ctx    context.Context
	nar    *narWriter
	buf    []byte
	known  bool   // whether files were hashed before
	given  bool   // whether the item does not lie on the host
	hashes []Hash // of the linkable files that are still to come
	data   []byte // what was read of a file to hash it, if that is all of it
}

// node copies n, which lies at host, to a name in an open directory.
func (w *copyWorker) node(dir int, name string, n *image.Node, host string) error {
	if n.IsDir() {
		return w.dir(dir, name, n, host)
	}
	if w.links == nil || !w.links.wanted(n) {
		return w.file(dir, name, n, host)
	}
	hash, err := w.hash(n)
	if err != nil {
		return fmt.Errorf("copy of %s: %w", printable.Name(host), err)
	}
	defer func() { w.data = nil }()
	linked, spent, err := w.link(dir, name, n, hash, host)
	if linked || err != nil {
		return err
	}
	if err := w.file(dir, name, n, host); err != nil || spent {
		return err
	}
	taken, err := w.links.offer(dir, name, hash, 0)
	if !taken || err != nil {
		return err
	}
	// Another worker copied the same contents meanwhile.
	if err := unix.Unlinkat(dir, name, 0); err != nil {
		return copyError("unlink", host, err)
	}
	if linked, _, err := w.link(dir, name, n, hash, host); linked || err != nil {
		return err
	}
	return w.file(dir, name, n, host)
}

// hash returns the hash of a file's own NAR. What is read for it is kept for the copy:
// most files of a store are opened and read once.
func (w *copyWorker) hash(n *image.Node) (hash Hash, err error) {
	if w.known {
		hash, w.hashes = w.hashes[0], w.hashes[1:]
		return hash, nil
	}
	if size := n.Size(); n.Mode.IsRegular() && 0 < size && size <= copyBuffer {
		w.data = w.buf[:size]
		if err := readFull(n.Data, w.data, 0); err != nil {
			return hash, err
		}
		n = image.NewFile(n.Mode, image.Bytes(w.data))
	}
	hash, _, err = w.nar.hash(n)
	return hash, err
}

// link is linkDir.link, counted.
func (w *copyWorker) link(dir int, name string, n *image.Node, hash Hash, host string) (linked, spent bool, err error) {
	linked, spent, err = w.links.link(dir, name, n, hash)
	if err != nil {
		return false, false, copyError("link", host, err)
	}
	if linked {
		w.count.linked.Add(1)
		w.count.saved.Add(n.Size())
		w.progress(n.Size())
	}
	return linked, spent, nil
}

func (w *copyWorker) dir(at int, name string, n *image.Node, host string) error {
	perm := uint32(0o555)
	if w.late && at == w.into.fd {
		perm = 0o755
	}
	if err := unix.Mkdirat(at, name, 0o700); err != nil {
		return copyError("mkdir", host, err)
	}
	fd, err := unix.Openat(at, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return copyError("open", host, err)
	}
	defer unix.Close(fd)
	for _, e := range n.Entries() {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		if err := w.node(fd, e.Name, e.Node, host+"/"+e.Name); err != nil {
			return err
		}
	}
	if err := unix.Fchmod(fd, perm); err != nil {
		return copyError("chmod", host, err)
	}
	return w.settle(at, name, host)
}

// file copies a regular file or a symlink.
func (w *copyWorker) file(dir int, name string, n *image.Node, host string) error {
	if n.Mode&fs.ModeSymlink != 0 {
		if err := unix.Symlinkat(n.Link, dir, name); err != nil {
			return copyError("symlink", host, err)
		}
		return w.settle(dir, name, host)
	}
	fd, err := unix.Openat(dir, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return copyError("create", host, err)
	}
	err = w.contents(fd, n, host)
	if err == nil {
		err = copyError("chmod", host, unix.Fchmod(fd, uint32(n.Mode.Perm())))
	}
	// Some file systems find no room as late as when a file is closed.
	if err = cmp.Or(err, copyError("write", host, unix.Close(fd))); err != nil {
		return err
	}
	w.count.files.Add(1)
	w.count.bytes.Add(n.Size())
	return w.settle(dir, name, host)
}

// settle gives a file its owner and its time.
func (w *copyWorker) settle(dir int, name, host string) error {
	if w.giveAway {
		if err := unix.Fchownat(dir, name, 0, 0, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return copyError("chown", host, err)
		}
	}
	times, err := w.times(host)
	if err != nil {
		return err
	}
	return copyError("utimes", host, unix.UtimesNanoAt(dir, name, times, unix.AT_SYMLINK_NOFOLLOW))
}

// times are those that a copy gets.
func (w *copyWorker) times(host string) ([]unix.Timespec, error) {
	if !w.keepTimes || w.given {
		return storeTimes, nil
	}
	var st unix.Stat_t
	if err := unix.Lstat(host, &st); err != nil {
		return nil, copyError("lstat", host, err)
	}
	return []unix.Timespec{{Sec: registrationTime}, st.Mtim}, nil
}

// copyError says which file of the source could not be copied. The target's own names are
// temporary and would not help.
func copyError(op, host string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("copy of %s: %s: %w", printable.Name(host), op, err)
}

// contents brings the contents of n to the open file fd.
func (w *copyWorker) contents(fd int, n *image.Node, host string) error {
	size := n.Size()
	if size == 0 {
		return nil
	}
	file, ok := n.Data.(*image.File)
	if w.data != nil && !(ok && size >= cloneFrom && !w.noClone.Load()) {
		w.progress(size)
		return copyError("write", host, writeAll(fd, w.data, 0))
	}
	if ok && size >= cloneFrom {
		return w.large(fd, file, host)
	}
	for off := int64(0); off < size; {
		p := w.buf[:min(int64(len(w.buf)), size-off)]
		if err := readFull(n.Data, p, off); err != nil {
			return err
		}
		if err := writeAll(fd, p, off); err != nil {
			return copyError("write", host, err)
		}
		off += int64(len(p))
		w.progress(int64(len(p)))
	}
	return nil
}

// large clones a file, or else copies what is no hole of it.
func (w *copyWorker) large(fd int, file *image.File, host string) error {
	h, err := file.Open()
	if err != nil {
		return err
	}
	defer h.Close()
	src, size := int(h.Fd()), file.Size()
	if w.clone(fd, src) {
		w.count.cloned.Add(size)
		w.progress(size)
		return file.Check(h)
	}
	if err := unix.Ftruncate(fd, size); err != nil {
		return copyError("write", host, err)
	}
	for off := int64(0); off < size; {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		data, end := dataFrom(src, off, size)
		end = min(end, data+8*copyBuffer)
		from, to := data, data
		if n, err := unix.CopyFileRange(src, &from, fd, &to, int(end-data), 0); err == nil && n > 0 {
			end = data + int64(n)
		} else { // any error comes up again
			end = min(end, data+copyBuffer)
			p := w.buf[:end-data]
			if err := readFull(h, p, data); err != nil {
				return err
			}
			if err := writeAll(fd, p, data); err != nil {
				return copyError("write", host, err)
			}
		}
		w.progress(end - off)
		off = end
	}
	return file.Check(h)
}

// dataFrom returns where the next data of a file begins and ends; where holes are not
// told, all is data.
func dataFrom(fd int, off, size int64) (data, end int64) {
	data, err := unix.Seek(fd, off, unix.SEEK_DATA)
	if err == unix.ENXIO { // no more
		return size, size
	}
	if err != nil || data < off || data > size {
		return off, size
	}
	if end, err = unix.Seek(fd, data, unix.SEEK_HOLE); err != nil || end <= data {
		end = size
	}
	return data, min(end, size)
}

// clone shares all blocks of a file, where the file system can.
func (w *copyWorker) clone(fd, src int) bool {
	if w.noClone.Load() {
		return false
	}
	switch err := unix.IoctlFileClone(fd, src); err {
	case nil:
		return true
	case unix.EOPNOTSUPP, unix.ENOTTY, unix.ENOSYS, unix.EXDEV:
		w.noClone.Store(true)
	}
	return false // any other error comes up again when the file is copied
}

func writeAll(fd int, p []byte, off int64) error {
	for len(p) > 0 {
		n, err := unix.Pwrite(fd, p, off)
		if err != nil && err != unix.EINTR {
			return err
		}
		if n > 0 {
			p, off = p[n:], off+int64(n)
		}
	}
	return nil
}

// tempDir is a directory of the store in which items are made before they get their
// names. The process that works in it holds a lock on it, by which other processes know that it
// is not left over from one that was killed.
type tempDir struct {
	*rootDir
	store *rootDir
	name  string
}

// newTempDir makes one, and removes those that others left.
func (d *rootDir) newTempDir() (*tempDir, error) {
	for i := range 1000 {
		t, err := d.tryTempDir(fmt.Sprintf(".ingot-%d", i))
		if t != nil || err != nil {
			return t, err
		}
	}
	return nil, fmt.Errorf("%s: the names .ingot-0 to .ingot-999 are taken", d.path)
}

// tryTempDir returns nil if another process works there.
func (d *rootDir) tryTempDir(name string) (*tempDir, error) {
	dir, err := d.make(name, 0o700, nil)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(dir.fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		dir.close()
		return nil, nil
	}
	// Between the opening and the lock, its owner may have removed it.
	var mine unix.Stat_t
	now, err := d.stat(name)
	if unix.Fstat(dir.fd, &mine) != nil || err != nil || now.Ino != mine.Ino {
		dir.close()
		return d.tryTempDir(name)
	}
	names, err := dir.names()
	for _, n := range names {
		err = errors.Join(err, dir.remove(n))
	}
	if err != nil {
		dir.close()
		return nil, err
	}
	// Entries must not inherit an access control list.
	unix.Removexattr(fmt.Sprintf("/proc/self/fd/%d", dir.fd), "system.posix_acl_default")
	return &tempDir{rootDir: dir, store: d, name: name}, nil
}

// close removes the directory, and what is still in it.
func (t *tempDir) close() error {
	err := t.store.remove(t.name)
	t.rootDir.close()
	return err
}
