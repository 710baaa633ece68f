package applet

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// remover is one run of rm.
type remover struct {
	*Call
	recursive, force, ask, verbose, folders bool
}

func runRemove(c *Call) error {
	r := &remover{Call: c}
	c.flags.BoolVarP(&r.recursive, "recursive", "r", false, "folders with all that is in them")
	capital := c.flags.BoolP("Recursive", "R", false, "the same")
	c.flags.BoolVarP(&r.force, "force", "f", false, "files that are not there are fine")
	c.flags.BoolVarP(&r.ask, "interactive", "i", false, "ask before each")
	c.flags.BoolVarP(&r.folders, "dir", "d", false, "empty folders, too")
	c.flags.BoolVarP(&r.verbose, "verbose", "v", false, "say what is done")
	args := c.parse(0, -1)
	if len(args) == 0 && !r.force {
		return usageError{"operand missing"}
	}
	r.recursive = r.recursive || *capital
	return c.each(args, func(name string) error {
		last := filepath.Base(strings.TrimRight(name, "/"))
		if clean, err := filepath.Abs(name); err == nil && clean == "/" || last == ".." || last == "." && name != "" {
			return fmt.Errorf("%s is not removed: it is /, or leads here", name)
		}
		r.remove(unix.AT_FDCWD, name, name)
		return nil
	})
}

// remove says whether a file of a folder is gone; what fails is said, by its whole name. Folders
// stay open while what is in them is removed: a link that takes the place of one, or of one
// above it, leads nowhere.
func (r *remover) remove(dir int, base, name string) bool {
	var st unix.Stat_t
	err := unix.Fstatat(dir, base, &st, unix.AT_SYMLINK_NOFOLLOW)
	if r.force && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR)) {
		return true
	}
	if err != nil {
		r.warn(&fs.PathError{Op: "lstat", Path: name, Err: err})
		return false
	}
	what, kind, flags := "", "file", 0
	if st.Mode&unix.S_IFMT == unix.S_IFDIR {
		if !r.recursive && !r.folders {
			r.warn(fmt.Errorf("%s: is a directory", name))
			return false
		}
		if r.recursive && !r.empty(dir, base, name) {
			return false
		}
		what, kind, flags = "directory ", "folder", unix.AT_REMOVEDIR
	}
	if r.ask && !r.confirm("remove "+kind+" "+name) {
		return false
	}
	if err := unix.Unlinkat(dir, base, flags); err != nil {
		r.warn(&fs.PathError{Op: "remove", Path: name, Err: err})
		return false
	}
	if r.verbose {
		r.printf("removed %s'%s'\n", what, name)
	}
	return true
}

// empty removes what is in a folder, and says whether that is all gone.
func (r *remover) empty(dir int, base, name string) bool {
	f, names, err := openFolder(dir, base, name)
	if err != nil {
		r.warn(err)
		return false
	}
	defer f.Close()
	if len(names) > 0 && r.ask && !r.confirm("descend into folder "+name) {
		return false
	}
	all := true
	for _, below := range names {
		all = r.remove(int(f.Fd()), below, strings.TrimRight(name, "/")+"/"+below) && all
	}
	return all
}

// openFolder opens a folder of another one, which is no link, and returns what is in it,
// sorted. name is what errors call it.
func openFolder(dir int, base, name string) (f *os.File, names []string, err error) {
	fd, err := unix.Openat(dir, base, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	f = os.NewFile(uintptr(fd), name)
	if names, err = f.Readdirnames(-1); err != nil {
		f.Close()
		return nil, nil, err
	}
	slices.Sort(names)
	return f, names, nil
}

func runMktemp(c *Call) error {
	folder := c.flags.BoolP("directory", "d", false, "a folder")
	dir := c.flags.StringP("tmpdir", "p", "", "the folder to make it in")
	args := c.parse(0, 1)
	template := orElse(args, "tmp.XXXXXXXXXX")[0]
	if len(args) == 0 || c.flags.Changed("tmpdir") {
		if filepath.IsAbs(template) {
			return fmt.Errorf("template %q is a path of its own, and -p gives another", template)
		}
		template = strings.TrimRight(cmp.Or(*dir, os.TempDir()), "/") + "/" + template
	}
	end := strings.LastIndexByte(template, 'X') + 1
	start := len(strings.TrimRight(template[:end], "X"))
	switch {
	case end-start < 3:
		return fmt.Errorf("template %q has fewer than three X in a row at its end", template)
	case strings.Contains(template[end:], "/"):
		return fmt.Errorf("suffix %q holds a slash", template[end:])
	}
	name, err := makeTemporary(template[:start], end-start, template[end:], *folder)
	if err == nil {
		c.printf("%s\n", name)
	}
	return err
}

// maxAttempts is how many names are tried: others may have taken all that a short template has.
const maxAttempts = 10000

// makeTemporary makes a file or folder with a name that no other has.
func makeTemporary(prefix string, random int, suffix string, folder bool) (name string, err error) {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	for range maxAttempts {
		name = prefix
		for range random {
			name += string(letters[rand.IntN(len(letters))])
		}
		name += suffix
		if folder {
			err = os.Mkdir(name, 0o700)
		} else {
			var f *os.File
			if f, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err == nil {
				err = f.Close()
			}
		}
		if !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	return name, err
}
