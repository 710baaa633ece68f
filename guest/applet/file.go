package applet

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func fileApplets() []Applet {
	return []Applet{
		{"basename", "PATH [SUFFIX]", "print the last part of a path", runBasename},
		{"chmod", "[-R] MODE FILE...", "change permissions", runChmod},
		{"chgrp", "[-Rh] GROUP FILE...", "change the group of files", runChgrp},
		{"chown", "[-Rh] USER[:GROUP] FILE...", "change the owner of files", runChown},
		{"cmp", "[-s] FILE FILE", "compare two files byte by byte", runCmp},
		{"cp", "[-afipPrRLvx] FILE... TARGET", "copy files and folders", runCopy},
		{"dirname", "PATH...", "print a path without its last part", runDirname},
		{"du", "[-achksx] [-d DEPTH] [FILE...]", "show the space that folders take", runDu},
		{"find", "[DIR...] [-name|-iname|-path GLOB] [-type TYPE] [-size|-mtime|-newer ...] [-maxdepth N] [-exec COMMAND ;]", "find files", runFind},
		{"ln", "[-sfn] TARGET... [LINK|DIR]", "make links", runLink},
		{"ls", "[-aAlhdRtSrinF1] [FILE...]", "list files", runList},
		{"mkdir", "[-pv] [-m MODE] DIR...", "make folders", runMkdir},
		{"mkfifo", "[-m MODE] NAME...", "make pipes with a name", runMkfifo},
		{"mknod", "[-m MODE] NAME b|c|p [MAJOR MINOR]", "make device files", runMknod},
		{"mktemp", "[-dqu] [-p DIR] [TEMPLATE]", "make a temporary file or folder", runMktemp},
		{"mv", "[-fnv] FILE... TARGET", "move or rename files", runMove},
		{"pwd", "[-LP]", "print the current folder", runPwd},
		{"readlink", "[-f] LINK...", "print where a link leads", runReadlink},
		{"realpath", "PATH...", "print paths without any links in them", runRealpath},
		{"rm", "[-dfirRv] FILE...", "remove files", runRemove},
		{"rmdir", "[-p] DIR...", "remove empty folders", runRmdir},
		{"stat", "[-L] [-c FORMAT] FILE...", "show the metadata of files", runStat},
		{"touch", "[-acm] [-d TIME] [-r FILE] FILE...", "make files, or set their times", runTouch},
		{"truncate", "-s SIZE FILE...", "set the size of files", runTruncate},
		{"which", "NAME...", "find programs in PATH", runWhich},
	}
}

func runBasename(c *Call) error {
	args := c.parse(1, 2)
	name := ""
	if args[0] != "" {
		name = filepath.Base(args[0])
	}
	if len(args) == 2 && name != args[1] {
		name = strings.TrimSuffix(name, args[1])
	}
	c.printf("%s\n", name)
	return nil
}

func runDirname(c *Call) error {
	for _, a := range c.parse(1, -1) {
		dir := strings.TrimRight(a, "/")
		if dir == "" && a != "" {
			dir = "/"
		} else if i := strings.LastIndexByte(dir, '/'); i < 0 {
			dir = "."
		} else if dir = strings.TrimRight(dir[:i], "/"); dir == "" {
			dir = "/"
		}
		c.printf("%s\n", dir)
	}
	return nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func runPwd(c *Call) error {
	c.flags.BoolP("physical", "P", true, "without links; the default")
	logical := c.flags.BoolP("logical", "L", false, "with the links on the way there")
	c.parse(0, 0)
	dir, err := os.Getwd()
	if err == nil && !*logical {
		dir, err = unix.Getwd()
	}
	if err != nil {
		return err
	}
	c.printf("%s\n", dir)
	return nil
}

// each runs fn for every operand, and goes on after errors.
func (c *Call) each(args []string, fn func(string) error) error {
	for _, a := range args {
		if err := fn(a); err != nil {
			c.warn(err)
		}
	}
	return nil
}

func runReadlink(c *Call) error {
	follow := c.flags.BoolP("canonicalize", "f", false, "follow all links")
	args := c.parse(1, -1)
	read := os.Readlink
	if *follow {
		read = canonical
	}
	for _, name := range args {
		target, err := read(name)
		if err != nil {
			c.status = 1 // without a message
			continue
		}
		c.printf("%s\n", target)
	}
	return nil
}

func runRealpath(c *Call) error {
	return c.each(c.parse(1, -1), func(name string) error {
		path, err := canonical(name)
		if err == nil {
			c.printf("%s\n", path)
		}
		return err
	})
}

// canonical returns a path without links in it, of which the last part may be missing.
func canonical(name string) (string, error) {
	if name == "" {
		return "", &fs.PathError{Op: "realpath", Path: name, Err: unix.ENOENT}
	}
	path, err := filepath.EvalSymlinks(name)
	if errors.Is(err, fs.ErrNotExist) {
		if target, linkErr := os.Readlink(name); linkErr == nil {
			if !filepath.IsAbs(target) {
				target = filepath.Dir(name) + "/" + target
			}
			return canonical(target)
		}
		path, err = filepath.EvalSymlinks(filepath.Dir(name))
		path = filepath.Join(path, filepath.Base(name))
	}
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

func runWhich(c *Call) error {
	args := c.parse(1, -1)
	for _, name := range args {
		path, err := exec.LookPath(name)
		_, own := Find(name)
		switch {
		case err == nil:
			c.printf("%s\n", path)
		case own:
			c.printf("%s: part of ingot\n", name)
		default:
			c.status = 1 // without a message
		}
	}
	return nil
}

func runMkdir(c *Call) error {
	parents := c.flags.BoolP("parents", "p", false, "the folders above too; those that exist are fine")
	perm := option(c, "mode", "m", 0o777, "permissions: an octal or symbolic `MODE`", func(s string) (uint32, error) { return modeOf(s, 0o777, true) })
	verbose := c.flags.BoolP("verbose", "v", false, "print what is done")
	create := func(dir string, perm uint32) error {
		err := os.Mkdir(dir, fs.FileMode(perm&0o777))
		if err == nil && *verbose {
			c.printf("mkdir: created directory '%s'\n", dir)
		}
		return err
	}
	return c.each(c.parse(1, -1), func(dir string) error {
		for i := 1; i < len(dir) && *parents; i++ {
			if dir[i] != '/' || dir[i-1] == '/' || isDir(dir[:i]) {
				continue
			}
			if err := create(dir[:i], 0o777); err != nil {
				return err
			}
		}
		if *parents && isDir(dir) {
			return nil
		}
		err := create(dir, *perm)
		if err == nil && c.flags.Changed("mode") {
			err = unix.Chmod(dir, *perm) // the umask does not apply
		}
		return err
	})
}

func runRmdir(c *Call) error {
	parents := c.flags.BoolP("parents", "p", false, "the folders above too")
	return c.each(c.parse(1, -1), func(dir string) error {
		for {
			if err := unix.Rmdir(dir); err != nil {
				return &fs.PathError{Op: "rmdir", Path: dir, Err: err}
			}
			dir = filepath.Dir(filepath.Clean(dir))
			if !*parents || dir == "." || dir == "/" {
				return nil
			}
		}
	})
}

func runLink(c *Call) error {
	symbolic := c.flags.BoolP("symbolic", "s", false, "symbolic links")
	force := c.flags.BoolP("force", "f", false, "replace what has the name")
	noDeref := c.flags.BoolP("no-dereference", "n", false, "a link to a folder is a name like others")
	args := c.parse(1, -1)
	if len(args) == 1 {
		args = append(args, ".")
	}
	folder := isDir
	if *noDeref {
		folder = func(name string) bool {
			info, err := os.Lstat(name)
			return err == nil && info.IsDir()
		}
	}
	return c.toTarget(args, folder, func(target, name string) error {
		if *force {
			if err := differ(target, name); err != nil && !*symbolic {
				return err
			}
			if err := os.Remove(name); err != nil && !os.IsNotExist(err) {
				return err
			}
		}
		if *symbolic {
			return os.Symlink(target, name)
		}
		return os.Link(target, name)
	})
}

func isDir(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

func runChown(c *Call) error { return c.chown(parseOwner) }

func runChgrp(c *Call) error {
	return c.chown(func(s string) (uid, gid int, err error) {
		gid, err = groupID(s)
		return -1, gid, err
	})
}

// chown changes owners to what parse makes of the first operand; -1 leaves one as it is.
func (c *Call) chown(parse func(string) (uid, gid int, err error)) error {
	recursive := c.flags.BoolP("recursive", "R", false, "folders with all that is in them")
	link := c.flags.BoolP("no-dereference", "h", false, "links themselves")
	args := c.parse(2, -1)
	uid, gid, err := parse(args[0])
	if err != nil {
		return err
	}
	change := os.Chown
	if *link {
		change = os.Lchown
	}
	return c.each(args[1:], func(name string) error {
		if !*recursive {
			return change(name, uid, gid)
		}
		c.chownAll(name, uid, gid)
		return nil
	})
}

// chownAll changes a file and all below it, without following any link.
func (c *Call) chownAll(name string, uid, gid int) {
	visit := func(e entry) bool {
		if err := unix.Fchownat(e.dir.fd(), e.base, uid, gid, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			c.warn(&fs.PathError{Op: "lchown", Path: e.path, Err: err})
		}
		return true
	}
	walk{visit: visit, failed: c.warn}.from(name)
}

// parseOwner reads USER, USER:GROUP, USER: (with the user's group) or :GROUP.
func parseOwner(s string) (uid, gid int, err error) {
	uid, gid = -1, -1
	name, group, both := strings.Cut(s, ":")
	if name != "" {
		if uid, err = strconv.Atoi(name); err != nil {
			u, err := user.Lookup(name)
			if err != nil {
				return 0, 0, fmt.Errorf("no user %q", name)
			}
			uid, _ = strconv.Atoi(u.Uid)
			if both && group == "" {
				gid, _ = strconv.Atoi(u.Gid)
			}
		}
	}
	if group != "" {
		gid, err = groupID(group)
	}
	return uid, gid, err
}

func groupID(name string) (int, error) {
	if gid, err := strconv.Atoi(name); err == nil {
		return gid, nil
	}
	g, err := user.LookupGroup(name)
	if err != nil {
		return 0, fmt.Errorf("no group %q", name)
	}
	return strconv.Atoi(g.Gid)
}

func runTruncate(c *Call) error {
	size := option(c, "size", "s", amount{}, "the new `SIZE`: 4096, 10M; +10M adds, -10M takes away", parseAmount)
	args := c.parse(1, -1)
	if !c.flags.Changed("size") {
		return usageError{"-s SIZE is missing"}
	}
	return c.each(args, func(name string) error {
		file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o666)
		if err != nil {
			return err
		}
		defer file.Close()
		info, err := file.Stat()
		if err != nil {
			return err
		}
		switch size.sign {
		case '+':
			return file.Truncate(info.Size() + size.n)
		case '-':
			return file.Truncate(max(0, info.Size()-size.n))
		}
		return file.Truncate(size.n)
	})
}

var sizeUnits = map[string]int64{
	"": 1, "c": 1, "w": 2, "b": 512, "k": 1 << 10, "K": 1 << 10, "KiB": 1 << 10, "kB": 1000, "KB": 1000,
	"M": 1 << 20, "MiB": 1 << 20, "MB": 1000 * 1000, "G": 1 << 30, "GiB": 1 << 30, "GB": 1000 * 1000 * 1000,
	"T": 1 << 40, "TiB": 1 << 40, "TB": 1000 * 1000 * 1000 * 1000,
}

// parseSize reads a number of bytes with a suffix as dd and truncate take it.
func parseSize(s string) (int64, error) {
	digits := strings.TrimRight(s, "cwbkKMGTiB")
	n, err := strconv.ParseInt(digits, 10, 64)
	unit, ok := sizeUnits[s[len(digits):]]
	if err != nil || !ok || n < 0 {
		return 0, fmt.Errorf("%q is not a size (a number with k, M, G or T)", s)
	}
	if n > (1<<63-1)/unit {
		return 0, fmt.Errorf("size %q is too large", s)
	}
	return n * unit, nil
}

func runMkfifo(c *Call) error {
	perm := c.nodeMode()
	return c.each(c.parse(1, -1), func(name string) error { return mknod(name, unix.S_IFIFO, *perm, 0) })
}

func parseMode(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 8, 12)
	if err != nil {
		return 0, fmt.Errorf("mode %q is not octal, 0 to 7777", s)
	}
	return uint32(n), nil
}

// modeOf reads a mode that changes from.
func modeOf(s string, from uint32, folder bool) (uint32, error) {
	change, err := parseModeChange(s)
	if err != nil {
		return 0, err
	}
	return change(from, folder), nil
}

// nodeMode adds the option for the permissions of a pipe or device. Default: those of the umask.
func (c *Call) nodeMode() *uint32 {
	return option(c, "mode", "m", 0o666&^umask(), "permissions: an octal or symbolic `MODE`", func(s string) (uint32, error) { return modeOf(s, 0o666, false) })
}

func mknod(name string, kind, perm uint32, dev uint64) error {
	err := unix.Mknod(name, kind|perm, int(dev))
	if err == nil {
		err = unix.Chmod(name, perm) // the umask does not apply
	}
	if err != nil {
		return &fs.PathError{Op: "mknod", Path: name, Err: err}
	}
	return nil
}

func runMknod(c *Call) error {
	perm := c.nodeMode()
	args := c.parse(2, 4)
	types := map[string]uint32{"b": unix.S_IFBLK, "c": unix.S_IFCHR, "u": unix.S_IFCHR, "p": unix.S_IFIFO}
	kind, ok := types[args[1]]
	switch numbers := len(args) - 2; {
	case !ok:
		return usageError{fmt.Sprintf("type %q; it is b, c or p", args[1])}
	case kind == unix.S_IFIFO && numbers > 0:
		return usageError{"a pipe has no numbers"}
	case kind == unix.S_IFIFO:
		return mknod(args[0], kind, *perm, 0)
	case numbers != 2:
		return usageError{"a device needs MAJOR and MINOR"}
	}
	major, err1 := strconv.ParseUint(args[2], 0, 32)
	minor, err2 := strconv.ParseUint(args[3], 0, 32)
	if err1 != nil || err2 != nil {
		return fmt.Errorf("%s %s are not device numbers", args[2], args[3])
	}
	return mknod(args[0], kind, *perm, unix.Mkdev(uint32(major), uint32(minor)))
}

func runCmp(c *Call) error {
	c.trouble = 2
	silent := c.flags.BoolP("silent", "s", false, "print nothing; the exit status is the result")
	args := c.parse(2, 2)
	if *silent {
		c.Stderr = io.Discard
	}
	a, err := c.open(args[0])
	if err != nil {
		return err
	}
	defer a.Close()
	b, err := c.open(args[1])
	if err != nil {
		return err
	}
	defer b.Close()
	offset, line, short, err := firstDifference(a, b)
	if err != nil || offset < 0 {
		return err
	}
	switch {
	case *silent:
	case short > 0:
		fmt.Fprintf(c.Stderr, "cmp: EOF on %s after byte %d\n", args[short-1], offset)
	default:
		c.printf("%s %s differ: char %d, line %d\n", args[0], args[1], offset+1, line)
	}
	return Status(1)
}

// firstDifference returns the offset of the first byte that differs, or -1, and
// which of the two, 1 or 2, ends there.
func firstDifference(a, b io.Reader) (offset int64, line int, short int, err error) {
	x, y := bufio.NewReaderSize(a, 1<<16), bufio.NewReaderSize(b, 1<<16)
	line = 1
	for {
		p, errX := x.Peek(1 << 16)
		q, errY := y.Peek(1 << 16)
		n := min(len(p), len(q))
		if !bytes.Equal(p[:n], q[:n]) {
			for i := range n {
				if p[i] != q[i] {
					return offset + int64(i), line, 0, nil
				}
				line += btoi(p[i] == '\n')
			}
		}
		line += bytes.Count(p[:n], []byte("\n"))
		offset += int64(n)
		switch {
		case len(p) < len(q):
			return offset, line, 1, notEOF(errX)
		case len(p) > len(q):
			return offset, line, 2, notEOF(errY)
		case n == 0:
			return -1, line, 0, notEOF(errX)
		}
		x.Discard(n)
		y.Discard(n)
	}
}

// closing closes a file after writing, which may return a first error.
func closing(file io.Closer, err error) error { return cmp.Or(err, file.Close()) }

func notEOF(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}
