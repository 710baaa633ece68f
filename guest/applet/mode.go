package applet

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"ingot/internal/lazy"
)

// modeChange is a mode as chmod takes it: it returns the new permissions of a file.
type modeChange func(mode uint32, folder bool) uint32

const (
	modeBits = 0o7777
	setIDs   = unix.S_ISUID | unix.S_ISGID
)

// parseModeChange reads an octal number, or clauses such as u=rwx,g+s,o-w. A clause without
// u, g, o and a (+x) leaves out the bits of the umask.
func parseModeChange(text string) (modeChange, error) {
	if text != "" && strings.Trim(text, "01234567") == "" {
		n, err := parseMode(text)
		return func(mode uint32, folder bool) uint32 {
			if folder && len(text) < 5 { // a number of up to four digits clears neither
				return n | mode&setIDs
			}
			return n
		}, err
	}
	var all []modeChange
	for clause := range strings.SplitSeq(text, ",") {
		m := clauseForm().FindStringSubmatch(clause)
		if m == nil {
			return nil, fmt.Errorf("mode %q: %q is not octal, nor such as u=rwx or g-w", text, clause)
		}
		affected := uint32(0)
		for _, class := range m[1] {
			affected |= whose[class]
		}
		for _, action := range actionForm().FindAllString(m[2], -1) {
			all = append(all, changeBits(action[0], affected, action[1:]))
		}
	}
	return func(mode uint32, folder bool) uint32 {
		for _, change := range all {
			mode = change(mode, folder)
		}
		return mode
	}, nil
}

// A clause is [ugoa...][+-=][rwxXst...|u|g|o]..., whose second part may repeat.
var (
	clauseForm = lazy.Regexp(`^([ugoa]*)((?:[-+=](?:[ugo]|[rwxXst]*))+)$`)
	actionForm = lazy.Regexp(`[-+=](?:[ugo]|[rwxXst]*)`)
)

var (
	// whose are the bits that belong to u, g, o and a.
	whose = map[rune]uint32{'u': 0o4700, 'g': 0o2070, 'o': 0o1007, 'a': modeBits}
	// permissionBits are those of letters, for all three.
	permissionBits = map[rune]uint32{'r': 0o444, 'w': 0o222, 'x': 0o111, 's': setIDs, 't': unix.S_ISVTX}
)

// permissions returns the bits that letters name for a file of this mode.
func permissions(letters string, mode uint32, folder bool) (bits uint32) {
	for _, letter := range letters {
		switch letter {
		case 'u':
			return mode >> 6 & 7 * 0o111
		case 'g':
			return mode >> 3 & 7 * 0o111
		case 'o':
			return mode & 7 * 0o111
		case 'X':
			if folder || mode&0o111 != 0 {
				bits |= 0o111
			}
		}
		bits |= permissionBits[letter]
	}
	return bits
}

func changeBits(operator byte, affected uint32, letters string) modeChange {
	return func(mode uint32, folder bool) uint32 {
		bits, kept := permissions(letters, mode, folder), ^uint32(0)
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
		if folder { // those of a folder stay unless they are named
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

func runChmod(c *Call) error {
	recursive := c.flags.BoolP("recursive", "R", false, "folders with all that is in them")
	var mode []string // one that starts with a hyphen
	at := slices.IndexFunc(c.Args, func(arg string) bool {
		return arg == "--" || len(arg) > 1 && arg[0] == '-' && strings.IndexByte("rwxXstugoa", arg[1]) >= 0
	})
	if at >= 0 && c.Args[at] != "--" {
		mode, c.Args = []string{c.Args[at]}, slices.Concat(c.Args[:at], c.Args[at+1:])
	}
	args := slices.Concat(mode, c.parse(2-len(mode), -1))
	change, err := parseModeChange(args[0])
	if err != nil {
		return err
	}
	for _, name := range args[1:] {
		c.chmod(name, change, *recursive)
	}
	return nil
}

// chmod changes a file and, if recursive, all below it except links. It changes files below by
// their descriptors, so that it follows no link that has taken a file's place meanwhile.
func (c *Call) chmod(name string, change modeChange, recursive bool) {
	visit := func(e entry) bool {
		if e.is(unix.S_IFLNK) {
			return false
		}
		place := e.path // which needs no /proc
		if e.depth > 0 {
			fd, err := unix.Openat(e.dir.fd(), e.base, unix.O_PATH|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
			if err == nil {
				defer unix.Close(fd)
				err = unix.Fstat(fd, &e.st)
			}
			if err != nil {
				c.warn(&fs.PathError{Op: "open", Path: e.path, Err: err})
			}
			if err != nil || e.is(unix.S_IFLNK) {
				return false
			}
			place = fmt.Sprintf("/proc/self/fd/%d", fd)
		}
		if err := unix.Chmod(place, change(e.st.Mode&modeBits, e.is(unix.S_IFDIR))); err != nil {
			c.warn(&fs.PathError{Op: "chmod", Path: e.path, Err: err})
		}
		return recursive
	}
	walk{follow: true, visit: visit, failed: c.warn}.from(name)
}
