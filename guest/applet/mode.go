package applet

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// modeChange is a mode as chmod takes it: what becomes of permissions.
type modeChange func(mode uint32, folder bool) uint32

const (
	modeBits = 0o7777
	setIDs   = unix.S_ISUID | unix.S_ISGID
)

// parseModeChange reads an octal number, or clauses such as u=rwx,g+s,o-w. What names
// nobody (+x) leaves out what the umask does.
func parseModeChange(text string) (modeChange, error) {
	if text != "" && strings.Trim(text, "01234567") == "" {
		n, err := parseMode(text)
		return func(mode uint32, folder bool) uint32 {
			if folder && len(text) < 5 { // which says nothing of them, unless it sets them
				return n | mode&setIDs
			}
			return n
		}, err
	}
	var all []modeChange
	for clause := range strings.SplitSeq(text, ",") {
		changes, err := parseClause(clause)
		if err != nil {
			return nil, fmt.Errorf("mode %q: %w", text, err)
		}
		all = append(all, changes...)
	}
	return func(mode uint32, folder bool) uint32 {
		for _, change := range all {
			mode = change(mode, folder)
		}
		return mode
	}, nil
}

// whose are the bits that belong to u, g, o and a.
var whose = map[byte]uint32{'u': 0o4700, 'g': 0o2070, 'o': 0o1007, 'a': modeBits}

// parseClause reads [ugoa...][+-=][rwxXst...|u|g|o]..., of which the second part may repeat.
func parseClause(clause string) (changes []modeChange, err error) {
	affected := uint32(0)
	rest := clause
	for rest != "" && whose[rest[0]] != 0 {
		affected |= whose[rest[0]]
		rest = rest[1:]
	}
	if rest == "" {
		return nil, fmt.Errorf("%q is not octal, nor such as u=rwx or g-w", clause)
	}
	for rest != "" {
		operator := rest[0]
		if strings.IndexByte("+-=", operator) < 0 {
			return nil, fmt.Errorf("%q where +, - or = is due", operator)
		}
		end := 1
		for end < len(rest) && strings.IndexByte("+-=", rest[end]) < 0 {
			end++
		}
		value, err := parsePermissions(rest[1:end])
		if err != nil {
			return nil, err
		}
		changes = append(changes, changeBits(operator, affected, value))
		rest = rest[end:]
	}
	return changes, nil
}

// parsePermissions reads rwxXst, or whose permissions are taken.
func parsePermissions(letters string) (modeChange, error) {
	if len(letters) == 1 && strings.Contains("ugo", letters) {
		shift := map[string]uint32{"u": 6, "g": 3, "o": 0}[letters]
		return func(mode uint32, _ bool) uint32 { return mode >> shift & 7 * 0o111 }, nil
	}
	bits, known := uint32(0), map[rune]uint32{'r': 0o444, 'w': 0o222, 'x': 0o111, 's': setIDs, 't': unix.S_ISVTX}
	whereRunnable := false
	for _, letter := range letters {
		switch {
		case letter == 'X':
			whereRunnable = true
		case known[letter] == 0:
			return nil, fmt.Errorf("%q is none of r, w, x, X, s and t", letter)
		}
		bits |= known[letter]
	}
	return func(mode uint32, folder bool) uint32 {
		if whereRunnable && (folder || mode&0o111 != 0) {
			return bits | 0o111
		}
		return bits
	}, nil
}

func changeBits(operator byte, affected uint32, value modeChange) modeChange {
	return func(mode uint32, folder bool) uint32 {
		bits, kept := value(mode, folder), ^uint32(0)
		if affected != 0 {
			bits &= affected
			kept = affected
		} else {
			bits &= ^umask()
		}
		switch operator {
		case '+':
			return mode | bits
		case '-':
			return mode &^ bits
		}
		if folder { // a folder's stay unless they are named
			kept &^= setIDs
		}
		return mode&^kept | bits
	}
}

func umask() uint32 {
	mask := unix.Umask(0)
	unix.Umask(mask)
	return uint32(mask)
}

// isModeOperand says whether what starts with a hyphen is a mode: -w, -x,g+r.
func isModeOperand(arg string) bool {
	return len(arg) > 1 && arg[0] == '-' && strings.IndexByte("rwxXstugoa", arg[1]) >= 0
}

func runChmod(c *Call) error {
	var mode string
	for i, arg := range c.Args {
		if arg == "--" {
			break
		}
		if isModeOperand(arg) {
			mode = arg
			c.Args = append(append([]string{}, c.Args[:i]...), c.Args[i+1:]...)
			break
		}
	}
	f := c.flags()
	recursive := f.BoolP("recursive", "R", false, "folders with all that is in them")
	quiet := f.BoolP("silent", "f", false, "say nothing of what fails")
	reference := f.String("reference", "", "the mode that this file has")
	args, err := c.parse(f, 1, -1)
	if err != nil {
		return err
	}
	var change modeChange
	switch {
	case *reference != "":
		st, err := stat(*reference, true)
		if err != nil {
			return err
		}
		change = func(uint32, bool) uint32 { return st.Mode & modeBits }
	case mode == "":
		mode, args = args[0], args[1:]
		fallthrough
	default:
		if change, err = parseModeChange(mode); err != nil {
			return err
		}
	}
	if len(args) == 0 {
		return usageError{"file missing"}
	}
	failed := c.warn
	if *quiet {
		failed = func(error) { c.status = 1 }
	}
	for _, name := range args {
		chmod(name, change, *recursive, failed)
	}
	return nil
}

// chmod changes a file and, where asked, what is below it. Links below are passed over, those
// too that take the place of what was looked at: that is changed by its descriptor.
func chmod(name string, change modeChange, recursive bool, failed func(error)) {
	chmodIn(unix.AT_FDCWD, name, name, change, recursive, failed)
}

func chmodIn(dir int, base, name string, change modeChange, recursive bool, failed func(error)) {
	flags := unix.O_PATH | unix.O_CLOEXEC
	if dir != unix.AT_FDCWD {
		flags |= unix.O_NOFOLLOW
	}
	var st unix.Stat_t
	fd, err := unix.Openat(dir, base, flags, 0)
	if err == nil {
		defer unix.Close(fd)
		err = unix.Fstat(fd, &st)
	}
	kind := st.Mode & unix.S_IFMT
	if err != nil {
		failed(&fs.PathError{Op: "stat", Path: name, Err: err})
	}
	if err != nil || kind == unix.S_IFLNK {
		return
	}
	place := name // which needs no /proc
	if dir != unix.AT_FDCWD {
		place = fmt.Sprintf("/proc/self/fd/%d", fd)
	}
	if err := unix.Chmod(place, change(st.Mode&modeBits, kind == unix.S_IFDIR)); err != nil {
		failed(&fs.PathError{Op: "chmod", Path: name, Err: err})
	}
	if kind != unix.S_IFDIR || !recursive {
		return
	}
	f, names, err := openFolder(fd, ".", name)
	if err != nil {
		failed(err)
		return
	}
	defer f.Close()
	for _, below := range names {
		chmodIn(int(f.Fd()), below, filepath.Join(name, below), change, true, failed)
	}
}
