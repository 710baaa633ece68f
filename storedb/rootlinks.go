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
	full  atomic.Bool
	names linkNames
}

// openLinks opens .links of a store, and makes it if it is missing. files is how many
// are to be shared.
func (d *rootDir) openLinks(f Flavour, temp *rootDir, files int64) (*linkDir, error) {
	dir, err := d.make(".links", 0o755, nil)
	if err != nil {
		return nil, err
	}
	l := &linkDir{dir: dir, wanted: f.linkable, temp: temp}
	l.names.names, l.names.complete = map[Hash]linkEntry{}, dir.made
	if !dir.made {
		const worthReading = 8 // names are read that many times as fast as they are looked up
		if err := l.names.read(dir, int(worthReading*files)); err != nil {
			dir.close()
			return nil, err
		}
	}
	return l, nil
}

// link makes name in dir another name of the file with n's contents, if .links has
// one, and says whether it did. spent says that there is one, and that it has all the
// names that it can have.
func (l *linkDir) link(dir int, name string, n *image.Node, hash Hash) (linked, spent bool, err error) {
	known := l.names.get(hash)
	if known.state == linkAbsent || known.state == linkSpent {
		return false, known.state == linkSpent, nil
	}
	in := hash.Base32()
	switch err := unix.Linkat(l.dir.fd, in, dir, name, 0); err {
	case nil:
	case unix.EMLINK:
		l.names.set(hash, linkSpent, known.ino)
		return false, true, nil
	case unix.ENOENT, unix.EPERM, unix.EOPNOTSUPP:
		return false, false, nil
	default:
		return false, false, fmt.Errorf("link: %w", err)
	}
	if known.state == linkOurs {
		return true, false, nil
	}
	var st unix.Stat_t
	if err := unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return false, false, fmt.Errorf("lstat: %w", err)
	}
	if standsFor(&st, n) {
		l.names.set(hash, linkOurs, st.Ino)
		return true, false, nil
	}
	// A crash of the machine cut it short, or a program wrote to it. As Nix does, we take it
	// out of .links; items that have it are not touched.
	if err := unix.Unlinkat(dir, name, 0); err != nil {
		return false, false, fmt.Errorf("unlink: %w", err)
	}
	if err := unix.Unlinkat(l.dir.fd, in, 0); err != nil && err != unix.ENOENT {
		return false, false, l.dir.fail("unlink", in, err)
	}
	l.names.set(hash, linkUnknown, 0)
	return false, false, nil
}

// standsFor says whether a file of .links can stand for n.
func standsFor(st *unix.Stat_t, n *image.Node) bool {
	if image.ModeFromUnix(uint16(st.Mode)).Type() != n.Mode.Type() || st.Size != n.Size() {
		return false
	}
	return !n.Mode.IsRegular() || st.Mode&0o7777 == uint32(n.Mode.Perm())
}

// offer puts a file into .links, which does not have it. taken says that another worker or
// process has put one with the same contents there meanwhile. If there is no room, the file is
// not shared. ino is the file's, or zero.
func (l *linkDir) offer(dir int, name string, hash Hash, ino uint64) (taken bool, err error) {
	if l.full.Load() {
		return false, nil
	}
	switch err := unix.Linkat(dir, name, l.dir.fd, hash.Base32(), 0); err {
	case nil:
		l.names.set(hash, linkOurs, ino)
		return false, nil
	case unix.EEXIST:
		if e := l.names.get(hash); e.state == linkAbsent { // another process may have put it there
			l.names.set(hash, linkThere, 0)
		}
		return true, nil
	case unix.EMLINK, unix.EPERM, unix.EOPNOTSUPP:
		return false, nil
	case unix.ENOSPC, unix.EDQUOT:
		l.full.Store(true)
		return false, nil
	default:
		return false, l.dir.fail("link", hash.Base32(), err)
	}
}

// share replaces name in dir, which is in place already and has the inode ino, by the
// file of .links that has the same contents, or puts it into .links. It says whether
// it was replaced.
func (l *linkDir) share(dir *rootDir, name string, n *image.Node, hash Hash, ino uint64) (bool, error) {
	for range 2 { // the second time, if another puts its own there meanwhile
		if same, err := l.is(hash, ino); same || err != nil {
			return false, err
		}
		replaced, spent, err := l.replace(dir, name, n, hash, ino)
		if replaced || spent || err != nil {
			return replaced, err
		}
		if taken, err := l.offer(dir.fd, name, hash, ino); !taken || err != nil {
			return false, err
		}
	}
	return false, nil
}

// is says whether a name in .links is one of the file with the inode ino.
func (l *linkDir) is(hash Hash, ino uint64) (bool, error) {
	known := l.names.get(hash)
	if known.state == linkAbsent {
		return false, nil
	}
	if known.state == linkOurs && known.ino != 0 {
		return known.ino == ino, nil
	}
	there, err := l.dir.stat(hash.Base32())
	if err != nil && err != unix.ENOENT {
		return false, l.dir.fail("lstat", hash.Base32(), err)
	}
	return err == nil && there.Ino == ino, nil
}

// replace puts the file of .links that has n's contents in the place of another, which has
// the inode ino, and says whether it did. spent is as of link.
func (l *linkDir) replace(dir *rootDir, name string, n *image.Node, hash Hash, ino uint64) (replaced, spent bool, err error) {
	if e := l.names.get(hash); e.state == linkAbsent {
		return false, false, nil
	}
	temp := fmt.Sprint(l.next.Add(1))
	linked, spent, err := l.link(l.temp.fd, temp, n, hash)
	if !linked || err != nil {
		return false, spent, err
	}
	st, err := l.temp.stat(temp)
	if err != nil {
		return false, false, l.temp.fail("lstat", temp, err)
	}
	if st.Ino == ino { // another worker has put it there since we looked; rename(2) would do nothing
		return false, false, l.temp.fail("unlink", temp, unix.Unlinkat(l.temp.fd, temp, 0))
	}
	if err := unix.Renameat(l.temp.fd, temp, dir.fd, name); err != nil {
		unix.Unlinkat(l.temp.fd, temp, 0)
		return false, false, dir.fail("link", name, err)
	}
	return true, false, nil
}
