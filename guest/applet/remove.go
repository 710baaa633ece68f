package applet

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
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
		r.remove(name)
		return nil
	})
}

// remove says whether a file is gone; what fails is said.
func (r *remover) remove(name string) bool {
	info, err := os.Lstat(name)
	if r.force && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR)) {
		return true
	}
	if err != nil {
		r.warn(err)
		return false
	}
	what, kind := "", "file"
	if info.IsDir() {
		if !r.recursive && !r.folders {
			r.warn(fmt.Errorf("%s: is a directory", name))
			return false
		}
		if r.recursive && !r.empty(name) {
			return false
		}
		what, kind = "directory ", "folder"
	}
	if r.ask && !r.confirm("remove "+kind+" "+name) {
		return false
	}
	if err := os.Remove(name); err != nil {
		r.warn(err)
		return false
	}
	if r.verbose {
		r.printf("removed %s'%s'\n", what, name)
	}
	return true
}

// empty removes what is in a folder, and says whether that is all gone.
func (r *remover) empty(dir string) bool {
	entries, err := os.ReadDir(dir)
	if err != nil {
		r.warn(err)
		return false
	}
	if len(entries) > 0 && r.ask && !r.confirm("descend into folder "+dir) {
		return false
	}
	all := true
	for _, e := range entries {
		all = r.remove(strings.TrimRight(dir, "/")+"/"+e.Name()) && all
	}
	return all
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

// makeTemporary makes what no one else has a name for.
func makeTemporary(prefix string, random int, suffix string, folder, dry bool) (string, error) {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	for {
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
				err = fs.ErrExist
			}
		case folder:
			err = os.Mkdir(name, 0o700)
		default:
			var f *os.File
			if f, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600); err == nil {
				return name, f.Close()
			}
		}
		if !errors.Is(err, fs.ErrExist) {
			return name, err
		}
	}
}
