package applet

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// copier copies files as cp does.
type copier struct {
	*Call
	recursive, preserve, follow, noFollow, force, ask, verbose, oneFS bool

	links map[inode]string // of files with several names: where the first copy is
	dev   uint64           // the file system to stay on
}

type inode struct{ dev, ino uint64 }

func runCopy(c *Call) error {
	cp := &copier{Call: c, links: map[inode]string{}}
	archive := c.flags.BoolP("archive", "a", false, "as -rpP: an exact copy")
	c.flags.BoolVarP(&cp.recursive, "recursive", "r", false, "folders with all that is in them")
	capital := c.flags.BoolP("Recursive", "R", false, "the same")
	c.flags.BoolVarP(&cp.preserve, "preserve", "p", false, "keep mode, owner, times and attributes")
	c.flags.BoolVarP(&cp.noFollow, "no-dereference", "P", false, "copy links, not what they lead to")
	c.flags.BoolVarP(&cp.follow, "dereference", "L", false, "copy what links lead to")
	c.flags.BoolVarP(&cp.force, "force", "f", false, "replace what cannot be written to")
	c.flags.BoolVarP(&cp.ask, "interactive", "i", false, "ask before a file is replaced")
	c.flags.BoolVarP(&cp.verbose, "verbose", "v", false, "print what is done")
	c.flags.BoolVarP(&cp.oneFS, "one-file-system", "x", false, "stay on the file system")
	args := c.parse(2, -1)
	cp.recursive = cp.recursive || *capital || *archive
	cp.preserve = cp.preserve || *archive
	// Inside of folders links are copied as links unless -L says otherwise.
	cp.noFollow = (cp.noFollow || cp.recursive) && !cp.follow
	return c.toTarget(args, isDir, cp.copy)
}

// toTarget calls fn with each operand and its new name: in the last operand if that
// is a folder, else the last operand itself.
func (c *Call) toTarget(args []string, folder func(string) bool, fn func(from, to string) error) error {
	sources, target := args[:len(args)-1], args[len(args)-1]
	into := folder(target)
	if len(sources) > 1 && !into {
		return fmt.Errorf("%s is not a folder", target)
	}
	return c.each(sources, func(from string) error {
		to := target
		if into {
			to = filepath.Join(target, filepath.Base(from))
		}
		return fn(from, to)
	})
}

func (cp *copier) copy(from, to string) error {
	st, err := stat(from, !cp.noFollow)
	if err != nil {
		return err
	}
	cp.dev = st.Dev
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		if !cp.recursive {
			return fmt.Errorf("%s is a folder (-r copies it)", from)
		}
		if inside(from, to) {
			return fmt.Errorf("%s cannot be copied into itself, %s", from, to)
		}
	}
	return cp.node(from, to, st)
}

// differ refuses two names of one file.
func differ(from, to string) error {
	there, err := os.Lstat(to)
	if err != nil {
		return nil
	}
	if source, err := os.Lstat(from); err == nil && os.SameFile(source, there) {
		return fmt.Errorf("%s and %s are the same file", from, to)
	}
	return nil
}

// inside says whether to lies in from, by the inodes of the folders above it.
func inside(from, to string) bool {
	source, err := os.Stat(from)
	if err != nil {
		return false
	}
	abs, err := filepath.Abs(to)
	for dir := abs; err == nil; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && os.SameFile(source, info) {
			return true
		}
		if dir == "/" {
			break
		}
	}
	return false
}

func (cp *copier) node(from, to string, st unix.Stat_t) error {
	if cp.verbose {
		cp.printf("'%s' -> '%s'\n", from, to)
	}
	if err := differ(from, to); err != nil {
		return err
	}
	if cp.ask {
		if existing, err := os.Lstat(to); err == nil && !existing.IsDir() && !cp.confirm("replace "+to) {
			return nil
		}
	}
	if done, err := cp.link(to, st); done || err != nil {
		return err
	}
	if err := cp.create(from, to, st); err != nil {
		return err
	}
	if cp.preserve {
		return keepMetadata(from, to, st)
	}
	return nil
}

// link makes a hard link where an earlier name of the file was copied already.
func (cp *copier) link(to string, st unix.Stat_t) (bool, error) {
	if !cp.preserve || st.Nlink < 2 || st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return false, nil
	}
	key := inode{st.Dev, st.Ino}
	first, ok := cp.links[key]
	if !ok {
		cp.links[key] = to
		return false, nil
	}
	_ = os.Remove(to)
	return true, os.Link(first, to)
}

func (cp *copier) create(from, to string, st unix.Stat_t) error {
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return cp.dir(from, to, st)
	case unix.S_IFREG:
		return cp.file(from, to, st)
	case unix.S_IFLNK:
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		_ = os.Remove(to)
		return os.Symlink(target, to)
	}
	if !cp.recursive {
		return cp.file(from, to, st) // cp /dev/vda disk.img reads the device
	}
	_ = os.Remove(to)
	return mknod(to, st.Mode&unix.S_IFMT, st.Mode&0o700|0o600, st.Rdev)
}

func (cp *copier) dir(from, to string, st unix.Stat_t) error {
	if err := os.Mkdir(to, fs.FileMode(st.Mode&0o777)|0o700); err != nil && !(errors.Is(err, fs.ErrExist) && isDir(to)) {
		return err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(from, e.Name())
		st, err := stat(path, !cp.noFollow)
		if err == nil && cp.oneFS && st.Dev != cp.dev {
			continue
		}
		if err == nil {
			err = cp.node(path, filepath.Join(to, e.Name()), st)
		}
		if err != nil {
			cp.warn(err)
		}
	}
	return nil
}

func (cp *copier) file(from, to string, st unix.Stat_t) error {
	flags := os.O_RDONLY
	if cp.noFollow { // nor a link that has taken the file's place meanwhile
		flags |= unix.O_NOFOLLOW
	}
	in, err := os.OpenFile(from, flags, 0)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, fs.FileMode(st.Mode&0o777))
	if err != nil && cp.force && os.Remove(to) == nil {
		out, err = os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fs.FileMode(st.Mode&0o777))
	}
	if err != nil {
		return err
	}
	return closing(out, copyData(out, in, st))
}

// copyData copies what is in a file. Holes stay holes.
func copyData(out, in *os.File, st unix.Stat_t) error {
	const sector = 512 // the unit of st_blocks, whatever the file system's is
	if st.Mode&unix.S_IFMT != unix.S_IFREG || st.Blocks*sector >= st.Size {
		_, err := io.Copy(out, in) // copy_file_range where the file systems have it
		return err
	}
	for at := int64(0); at < st.Size; {
		start, err := in.Seek(at, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			break // a hole up to the end
		}
		if err != nil {
			return err
		}
		end, err := in.Seek(start, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		if _, err := in.Seek(start, io.SeekStart); err != nil {
			return err
		}
		if _, err := out.Seek(start, io.SeekStart); err != nil {
			return err
		}
		if _, err := io.CopyN(out, in, end-start); err != nil {
			return err
		}
		at = end
	}
	return out.Truncate(st.Size)
}

// confirm asks a question on standard error and reads the answer from standard input.
func (c *Call) confirm(question string) bool {
	fmt.Fprintf(c.Stderr, "%s: %s? ", c.Name, question)
	first := byte('\n')
	for {
		var b [1]byte
		if n, err := c.Stdin.Read(b[:]); n == 0 || err != nil || b[0] == '\n' {
			return first == 'y' || first == 'Y'
		}
		if first == '\n' {
			first = b[0]
		}
	}
}

// keepMetadata gives a copy the owner, attributes, mode and times of its source,
// in the order in which one does not undo the other.
func keepMetadata(from, to string, st unix.Stat_t) error {
	if err := os.Lchown(to, int(st.Uid), int(st.Gid)); err != nil && os.Geteuid() == 0 {
		return err
	}
	if err := copyXattrs(from, to); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFLNK {
		if err := unix.Chmod(to, st.Mode&0o7777); err != nil {
			return &fs.PathError{Op: "chmod", Path: to, Err: err}
		}
	}
	times := []unix.Timespec{st.Atim, st.Mtim}
	if err := unix.UtimesNanoAt(unix.AT_FDCWD, to, times, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &fs.PathError{Op: "utimes", Path: to, Err: err}
	}
	return nil
}

// copyXattrs copies the extended attributes that the target can hold.
func copyXattrs(from, to string) error {
	list := make([]byte, 1<<16)
	n, err := unix.Llistxattr(from, list)
	if err != nil {
		return nil // a file system without any
	}
	value := make([]byte, 1<<16)
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list[:n]), "\x00"), "\x00") {
		size, err := unix.Lgetxattr(from, name, value)
		if err != nil {
			continue
		}
		err = unix.Lsetxattr(to, name, value[:size], 0)
		if err != nil && !errors.Is(err, unix.ENOTSUP) && !errors.Is(err, unix.EPERM) {
			return &fs.PathError{Op: "setxattr " + name, Path: to, Err: err}
		}
	}
	return nil
}

func runMove(c *Call) error {
	c.flags.BoolP("force", "f", false, "never ask; always on")
	keep := c.flags.BoolP("no-clobber", "n", false, "replace nothing")
	verbose := c.flags.BoolP("verbose", "v", false, "print what is done")
	args := c.parse(2, -1)
	return c.toTarget(args, isDir, func(from, to string) error {
		if _, err := os.Lstat(to); err == nil && *keep {
			return nil
		}
		if *verbose {
			c.printf("renamed '%s' -> '%s'\n", from, to)
		}
		if err := differ(from, to); err != nil {
			return err
		}
		err := unix.Rename(from, to) // os.Rename keeps out of empty folders
		if err != nil && !errors.Is(err, unix.EXDEV) {
			return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
		}
		if !errors.Is(err, unix.EXDEV) {
			return err
		}
		// To another file system: an exact copy, and the original is removed only if
		// that is complete.
		cp := &copier{Call: c, recursive: true, preserve: true, noFollow: true, links: map[inode]string{}}
		before := c.status
		c.status = 0
		if err := cp.copy(from, to); err != nil {
			return err
		}
		if c.status != 0 {
			return fmt.Errorf("%s stays, since its copy is not complete", from)
		}
		c.status = before
		return os.RemoveAll(from)
	})
}
