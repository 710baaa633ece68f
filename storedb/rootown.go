package storedb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// A file of a store may have more names than one: Nix links files of the same contents.
// A name can also lie elsewhere, where the file is somebody's own: cp -al makes such
// roots. To settle that file would change its mode, owner and time there as well, so the
// store gets a copy instead.

// fileID is what all names of a file have in common.
type fileID struct{ dev, ino uint64 }

func idOf(st *unix.Stat_t) fileID { return fileID{st.Dev, st.Ino} }

// outsideNames knows which files of a store have names outside of it.
type outsideNames struct {
	// mu is held for reading while files get or lose names, and for writing by the count, which
	// needs the names to stay as they are.
	mu    sync.RWMutex
	once  sync.Once
	err   error
	files map[fileID]bool
}

// of says whether a file with several names has one outside of the store. It counts the names
// in the store once, at the first call: a name that we take away later would count as outside.
func (o *outsideNames) of(ctx context.Context, store *rootDir, st *unix.Stat_t) (bool, error) {
	o.once.Do(func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		missing := map[fileID]uint64{} // names that are still to be found
		o.err = store.countNames(ctx, missing)
		o.files = map[fileID]bool{}
		for id, n := range missing {
			if n > 0 {
				o.files[id] = true
			}
		}
	})
	return o.files[idOf(st)], o.err
}

// countNames takes the names below d off those that are missing. What an ordinary user
// may not read is not counted: its files are then taken to have names elsewhere.
func (d *rootDir) countNames(ctx context.Context, missing map[fileID]uint64) error {
	names, err := d.names()
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		st, err := d.stat(name)
		if err == unix.ENOENT {
			continue
		}
		if err != nil {
			return d.fail("lstat", name, err)
		}
		if st.Mode&unix.S_IFMT != unix.S_IFDIR {
			if st.Nlink > 1 {
				if _, seen := missing[idOf(&st)]; !seen {
					missing[idOf(&st)] = uint64(st.Nlink)
				}
				missing[idOf(&st)]--
			}
			continue
		}
		dir, err := d.open(name)
		if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = dir.countNames(ctx, missing)
			dir.close()
		}
		if err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	return nil
}

// ownNames numbers the names under which copies are made.
var ownNames atomic.Int64

// own gives the store a copy of a file in the place of the file itself, if that has a
// name outside of the store.
func (w *settleWorker) own(s *settled) error {
	if s.st.Nlink < 2 {
		return nil
	}
	outside, err := w.outside.of(w.ctx, w.store, &s.st)
	if !outside || err != nil {
		return err
	}
	w.outside.mu.RLock()
	defer w.outside.mu.RUnlock()
	temp := fmt.Sprintf("own-%d", ownNames.Add(1))
	if s.node.Mode&fs.ModeSymlink != 0 {
		target, err := s.dir.readlink(s.name)
		if err == nil {
			err = w.temp.fail("symlink", temp, unix.Symlinkat(target, w.temp.fd, temp))
		}
		if err != nil {
			return err
		}
	} else if err := w.copyFile(s, temp); err != nil {
		unix.Unlinkat(w.temp.fd, temp, 0)
		return err
	}
	err = s.dir.change(func() error {
		return s.fail("rename", unix.Renameat(w.temp.fd, temp, s.dir.fd, s.name))
	})
	if err != nil {
		unix.Unlinkat(w.temp.fd, temp, 0)
		return err
	}
	s.dir.touched = true
	if s.fd >= 0 {
		unix.Close(s.fd)
		s.fd, err = unix.Openat(s.dir.fd, s.name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			s.fd = -1
			return s.fail("open", err)
		}
	}
	return s.stat()
}

// copyFile copies a regular file into the temporary directory.
func (w *settleWorker) copyFile(s *settled, temp string) error {
	src, err := s.dir.openRegular(s.name, unix.O_RDONLY)
	if err != nil {
		return err
	}
	from := os.NewFile(uintptr(src), s.Name())
	defer from.Close()
	dst, err := unix.Openat(w.temp.fd, temp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return w.temp.fail("create", temp, err)
	}
	to := os.NewFile(uintptr(dst), s.Name())
	const piece = 64 << 20 // which the kernel copies by itself, or clones
	for err == nil {
		if err = w.ctx.Err(); err == nil {
			_, err = io.CopyN(to, from, piece)
		}
	}
	if err == io.EOF {
		err = nil
	}
	return cmp.Or(err, to.Close())
}
