package fstest

import (
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"ingot/image"
)

// Populate makes the files of a tree in an empty folder of the host, as far as the
// host lets it: whoever is not root makes no devices and gives nothing away, and
// attributes and times that the host's file system does not have are left out. What
// is there in the end is what [HostTree] says.
func Populate(t T, tree *image.Tree, dir string) {
	t.Helper()
	first := map[*image.Node]string{}
	err := tree.Walk(func(path string, n *image.Node) error {
		at := filepath.Join(dir, path)
		if at == dir {
			return nil
		}
		if other := first[n]; other != "" {
			return os.Link(other, at)
		}
		if err := create(at, n); err != nil {
			return err
		}
		if _, err := os.Lstat(at); err == nil && !n.IsDir() {
			first[n] = at
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := dress(tree, dir); err != nil {
		t.Fatal(err)
	}
}

// create makes one file with the mode that lets it be filled.
func create(at string, n *image.Node) error {
	switch n.Mode.Type() {
	case 0:
		return writeFile(at, n.Data)
	case fs.ModeDir:
		return os.Mkdir(at, 0o700)
	case fs.ModeSymlink:
		return os.Symlink(n.Link, at)
	}
	err := unix.Mknod(at, uint32(n.UnixMode()), int(unix.Mkdev(n.Dev.Major, n.Dev.Minor)))
	if err == unix.EPERM {
		return nil
	}
	return err
}

func writeFile(at string, data image.Blob) error {
	if data == nil {
		data = image.Bytes(nil)
	}
	m, ok := data.(*image.Map)
	if !ok {
		m = image.MapOf(data, nil)
	}
	return Write(m, at)
}

// dress gives the files their metadata, what lies within a directory before the
// directory itself, so that its time and mode stay.
func dress(tree *image.Tree, dir string) error {
	var paths []string
	err := tree.Walk(func(path string, n *image.Node) error {
		paths = append(paths, path)
		return nil
	})
	for i := len(paths) - 1; i >= 0 && err == nil; i-- {
		at := filepath.Join(dir, paths[i])
		if _, missing := os.Lstat(at); missing == nil {
			err = dressFile(at, tree.Lookup(paths[i]))
		}
	}
	return err
}

func dressFile(at string, n *image.Node) error {
	if os.Geteuid() == 0 {
		if err := os.Lchown(at, int(n.UID), int(n.GID)); err != nil {
			return err
		}
	}
	for _, x := range n.Xattrs {
		err := unix.Lsetxattr(at, x.Name, x.Value, 0)
		switch err {
		case nil, unix.ENOTSUP, unix.EPERM, unix.ENOSPC, unix.E2BIG, unix.ERANGE:
		default:
			return &os.PathError{Op: "setxattr " + x.Name, Path: at, Err: err}
		}
	}
	if n.Mode.Type() != fs.ModeSymlink {
		if err := unix.Chmod(at, uint32(n.UnixMode()&0o7777)); err != nil {
			return &os.PathError{Op: "chmod", Path: at, Err: err}
		}
	}
	when := unix.Timespec{Sec: n.Mtime.Sec, Nsec: int64(n.Mtime.Nsec)}
	return unix.UtimesNanoAt(unix.AT_FDCWD, at, []unix.Timespec{when, when}, unix.AT_SYMLINK_NOFOLLOW)
}
