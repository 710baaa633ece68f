package storedb

import (
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"ingot/image"
)

// linkDir is the directory .links of a store on the host. It holds one name of each
// file that could be shared; the name is the hash of the file's own NAR.
type linkDir struct {
	dir    *rootDir
	wanted func(*image.Node) bool
	temp   *rootDir     // for links that will replace a file
	next   atomic.Int64 // number of a name there
	// full is set when .links takes no more names: a directory can be full long before
	// its disk.
	full atomic.Bool
}

// openLinks opens .links of a store, and makes it if it is missing.
func (d *rootDir) openLinks(f Flavour, temp *rootDir) (*linkDir, error) {
	dir, err := d.make(".links", 0o755)
	if err != nil {
		return nil, err
	}
	return &linkDir{dir: dir, wanted: f.linkable, temp: temp}, nil
}

// link makes name in dir another name of the file with n's contents, if .links has
// one. It says whether it did.
func (l *linkDir) link(dir int, name string, n *image.Node, hash Hash) (bool, error) {
	in := hash.Base32()
	switch err := unix.Linkat(l.dir.fd, in, dir, name, 0); err {
	case nil:
	case unix.ENOENT, unix.EMLINK, unix.EPERM, unix.EOPNOTSUPP: // not there, or it has all the names it can have
		return false, nil
	default:
		return false, fmt.Errorf("link: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return false, fmt.Errorf("lstat: %w", err)
	}
	if standsFor(&st, n) {
		return true, nil
	}
	// What a crash of the machine cut short, or what somebody wrote to. As Nix does, it is
	// taken out of .links; items that have it are not touched.
	if err := unix.Unlinkat(dir, name, 0); err != nil {
		return false, fmt.Errorf("unlink: %w", err)
	}
	if err := unix.Unlinkat(l.dir.fd, in, 0); err != nil && err != unix.ENOENT {
		return false, l.dir.fail("unlink", in, err)
	}
	return false, nil
}

// standsFor says whether a file of .links can stand for n.
func standsFor(st *unix.Stat_t, n *image.Node) bool {
	if image.ModeFromUnix(uint16(st.Mode)).Type() != n.Mode.Type() || st.Size != n.Size() {
		return false
	}
	return !n.Mode.IsRegular() || st.Mode&0o7777 == uint32(n.Mode.Perm())
}

// offer puts a file, which .links does not have, into it, and says whether somebody
// else has put one with the same contents there meanwhile. If there is no room, the
// file is not shared.
func (l *linkDir) offer(dir int, name string, hash Hash) (taken bool, err error) {
	if l.full.Load() {
		return false, nil
	}
	switch err := unix.Linkat(dir, name, l.dir.fd, hash.Base32(), 0); err {
	case unix.EEXIST:
		return true, nil
	case nil, unix.EMLINK, unix.EPERM, unix.EOPNOTSUPP:
		return false, nil
	case unix.ENOSPC, unix.EDQUOT:
		l.full.Store(true)
		return false, nil
	default:
		return false, l.dir.fail("link", hash.Base32(), err)
	}
}

// share replaces name in dir, which is in place already, by the file of .links that
// has the same contents, or puts it into .links. It says whether it was replaced.
func (l *linkDir) share(dir *rootDir, name string, n *image.Node, hash Hash) (bool, error) {
	mine, err := dir.stat(name)
	if err != nil {
		return false, dir.fail("lstat", name, err)
	}
	for range 2 { // the second time, if another process puts its own there meanwhile
		if there, err := l.dir.stat(hash.Base32()); err == nil && there.Ino == mine.Ino && there.Dev == mine.Dev {
			return false, nil
		}
		done, err := l.replace(dir, name, n, hash)
		if done || err != nil {
			return done, err
		}
		if taken, err := l.offer(dir.fd, name, hash); !taken || err != nil {
			return false, err
		}
	}
	return false, nil // the shared file has all the names that it can have
}

// replace puts the file of .links that has n's contents in the place of another, if
// there is one, and says whether there was.
func (l *linkDir) replace(dir *rootDir, name string, n *image.Node, hash Hash) (bool, error) {
	temp := fmt.Sprint(l.next.Add(1))
	linked, err := l.link(l.temp.fd, temp, n, hash)
	if !linked || err != nil {
		return false, err
	}
	if err := unix.Renameat(l.temp.fd, temp, dir.fd, name); err != nil {
		unix.Unlinkat(l.temp.fd, temp, 0)
		return false, dir.fail("link", name, err)
	}
	return true, nil
}
