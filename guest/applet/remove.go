package applet

import (
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
	f := c.flags()
	f.BoolVarP(&r.recursive, "recursive", "r", false, "folders with all that is in them")
	capital := f.BoolP("Recursive", "R", false, "the same")
	f.BoolVarP(&r.force, "force", "f", false, "files that are not there are fine")
	f.BoolVarP(&r.ask, "interactive", "i", false, "ask before each")
	f.BoolVarP(&r.folders, "dir", "d", false, "empty folders, too")
	f.BoolVarP(&r.verbose, "verbose", "v", false, "say what is done")
	args, err := c.parse(f, 0, -1)
	if err != nil {
		return err
	}
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
	f := c.flags()
	folder := f.BoolP("directory", "d", false, "a folder")
	dry := f.BoolP("dry-run", "u", false, "print a name only")
	quiet := f.BoolP("quiet", "q", false, "say nothing of what fails")
	dir := f.StringP("tmpdir", "p", "", "the folder to make it in")
	suffix := f.String("suffix", "", "what stands behind the template")
	args, err := c.parse(f, 0, 1)
	if err != nil {
		return err
	}
	template := "tmp.XXXXXXXXXX"
	if len(args) == 1 {
		template = args[0]
	}
	if len(args) == 0 || f.Changed("tmpdir") {
		if filepath.IsAbs(template) {
			return fmt.Errorf("template %q is a path of its own, and -p gives another", template)
		}
		if *dir == "" {
			*dir = os.TempDir()
		}
		template = strings.TrimRight(*dir, "/") + "/" + template
	}
	end := strings.LastIndexByte(template, 'X') + 1
	start := len(strings.TrimRight(template[:end], "X"))
	tail := template[end:] + *suffix
	switch {
	case end-start < 3:
		return fmt.Errorf("template %q has fewer than three X in a row at its end", template)
	case *suffix != "" && end < len(template):
		return fmt.Errorf("template %q does not end in X, where a suffix is given", template)
	case strings.Contains(tail, "/"):
		return fmt.Errorf("suffix %q holds a slash", tail)
	}
	name, err := makeTemporary(template[:start], end-start, tail, *folder, *dry)
	if err != nil && *quiet {
		return Status(1)
	}
	if err == nil {
		c.printf("%s\n", name)
	}
	return err
}

// maxAttempts is how many names are tried: others may have taken all that a short template has.
const maxAttempts = 10000

// makeTemporary makes what no one else has a name for.
func makeTemporary(prefix string, random int, suffix string, folder, dry bool) (string, error) {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	for attempt := 1; ; attempt++ {
		name := prefix
		for range random {
			name += string(letters[rand.IntN(len(letters))])
		}
		name += suffix
		var err error
		switch {
		case dry:
			_, err = os.Lstat(name)
			if errors.Is(err, fs.ErrNotExist) {
				return name, nil
			}
			if err == nil {
				err = &fs.PathError{Op: "mktemp", Path: name, Err: unix.EEXIST}
			}
		case folder:
			err = os.Mkdir(name, 0o700)
		default:
			var f *os.File
			if f, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err == nil {
				return name, f.Close()
			}
		}
		if !errors.Is(err, fs.ErrExist) || attempt == maxAttempts {
			return name, err
		}
	}
}
