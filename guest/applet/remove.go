package applet

import (
	"cmp"
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
	kept                                    string // the last file that was not removed
}

func runRemove(c *Call) error {
	r := &remover{Call: c}
	c.flags.BoolVarP(&r.recursive, "recursive", "r", false, "folders with all that is in them")
	capital := c.flags.BoolP("Recursive", "R", false, "the same")
	c.flags.BoolVarP(&r.force, "force", "f", false, "files that are not there are fine")
	c.flags.BoolVarP(&r.ask, "interactive", "i", false, "ask before each")
	c.flags.BoolVarP(&r.folders, "dir", "d", false, "empty folders, too")
	c.flags.BoolVarP(&r.verbose, "verbose", "v", false, "print what is done")
	args := c.parse(0, -1)
	if len(args) == 0 && !r.force {
		return usageError{"operand missing"}
	}
	r.recursive = r.recursive || *capital
	return c.each(args, func(name string) error {
		last := filepath.Base(strings.TrimRight(name, "/"))
		if clean, err := filepath.Abs(name); err == nil && clean == "/" || last == ".." || last == "." && name != "" {
			return fmt.Errorf("%s is not removed: it is the root, the current folder or one above it", name)
		}
		walk{visit: r.visit, leave: r.leave, failed: r.failed}.from(name)
		return nil
	})
}

// failed warns of an error. With -f a missing file is none.
func (r *remover) failed(err error) {
	if !r.force || !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.ENOTDIR) {
		r.warn(err)
	}
}

// visit returns whether to empty a folder.
func (r *remover) visit(e entry) bool {
	if !e.is(unix.S_IFDIR) || !r.recursive {
		return false
	}
	if r.ask && !r.confirm("descend into folder "+e.path) {
		r.kept = e.path + "/" // all that is below
		return false
	}
	return true
}

// leave removes a file, or a folder that is empty by now. A folder of which something is kept is
// kept, too, without another message.
func (r *remover) leave(e entry) {
	what, kind := "", "file"
	if e.is(unix.S_IFDIR) {
		what, kind = "directory ", "folder"
	}
	var err error
	switch inside := strings.TrimSuffix(e.path, "/") + "/"; {
	case kind == "folder" && !r.recursive && !r.folders:
		err = fmt.Errorf("%s: is a directory", e.path)
	case strings.HasPrefix(r.kept, inside):
	case r.ask && !r.confirm("remove "+kind+" "+e.path):
	default:
		if err = e.unlink(); err != nil {
			break
		}
		if r.verbose {
			r.printf("removed %s'%s'\n", what, e.path)
		}
		return
	}
	if r.kept = e.path; err != nil {
		r.warn(err)
	}
}

func runMktemp(c *Call) error {
	folder := c.flags.BoolP("directory", "d", false, "a folder")
	dry := c.flags.BoolP("dry-run", "u", false, "print a name only")
	quiet := c.flags.BoolP("quiet", "q", false, "no message of errors")
	dir := c.flags.StringP("tmpdir", "p", "", "the folder to make it in")
	args := c.parse(0, 1)
	template := orElse(args, "tmp.XXXXXXXXXX")[0]
	if len(args) == 0 || c.flags.Changed("tmpdir") {
		if filepath.IsAbs(template) {
			return fmt.Errorf("template %q must be a relative path with -p", template)
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
	if err == nil && *dry {
		err = os.Remove(name)
	}
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
