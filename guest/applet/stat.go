package applet

import (
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ingot/internal/lazy"
)

func runStat(c *Call) error {
	follow := c.flags.BoolP("dereference", "L", false, "what links lead to")
	format := c.flags.StringP("format", "c", "", "print this, with %a %A %b %B %d %f %F %g %G %h %i %n %N %o %s %t %T %u %U %x %X %y %Y %z %Z replaced")
	return c.each(c.parse(1, -1), func(name string) error {
		st, err := stat(name, *follow)
		switch {
		case err != nil:
		case *format != "":
			c.printf("%s\n", formatStat(*format, name, st))
		default:
			c.describe(name, st)
		}
		return err
	})
}

// stat returns the metadata of a file, or of the link itself.
func stat(name string, follow bool) (st unix.Stat_t, err error) {
	call := unix.Lstat
	if follow {
		call = unix.Stat
	}
	if err = call(name, &st); err != nil {
		err = &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return st, err
}

// describe prints all of it.
func (c *Call) describe(name string, st unix.Stat_t) {
	device := ""
	if t := st.Mode & unix.S_IFMT; t == unix.S_IFBLK || t == unix.S_IFCHR {
		device = "  Device type: %t,%T"
	}
	c.printf("%s\n", formatStat("  File: %N\n"+
		"  Size: %s\tBlocks: %b\tIO Block: %o\t%F\n"+
		"Device: %d\tInode: %i\tLinks: %h"+device+"\n"+
		"Access: (%a/%A)\tUid: (%u/%U)\tGid: (%g/%G)\n"+
		"Access: %x\nModify: %y\nChange: %z", name, st))
}

// formatStat replaces the conversions of stat(1).
func formatStat(format, name string, st unix.Stat_t) string {
	fields := statFields(name, st)
	return statConversion().ReplaceAllStringFunc(format, func(conversion string) string {
		last := len(conversion) - 1
		field, known := fields[conversion[last]]
		if !known {
			field = "?" // as coreutils do
		}
		return fmt.Sprintf("%"+strings.TrimLeft(conversion[1:last], "0")+"v", field)
	})
}

var statConversion = lazy.Regexp(`%[-0-9]*[a-zA-Z%]`)

// statFields are the conversions of stat(1), for one file.
func statFields(name string, st unix.Stat_t) map[byte]any {
	quoted := "'" + name + "'"
	if target, err := os.Readlink(name); err == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK {
		quoted += " -> '" + target + "'"
	}
	fields := map[byte]any{
		'a': strconv.FormatUint(uint64(st.Mode&modeBits), 8), 'A': ModeString(st.Mode),
		'b': st.Blocks, 'B': 512, 'o': st.Blksize,
		'd': fmt.Sprintf("%d,%d", unix.Major(st.Dev), unix.Minor(st.Dev)),
		'f': strconv.FormatUint(uint64(st.Mode), 16), 'F': typeName(st),
		'g': st.Gid, 'G': groupName(fmt.Sprint(st.Gid)), 'u': st.Uid, 'U': userName(fmt.Sprint(st.Uid)),
		'h': st.Nlink, 'i': st.Ino, 'n': name, 'N': quoted, 's': st.Size, '%': "%",
		't': strconv.FormatUint(uint64(unix.Major(st.Rdev)), 16),
		'T': strconv.FormatUint(uint64(unix.Minor(st.Rdev)), 16),
	}
	for i, ts := range []unix.Timespec{st.Atim, st.Mtim, st.Ctim} {
		fields["xyz"[i]] = time.Unix(ts.Unix()).Format(fullTime)
		fields["XYZ"[i]] = int64(ts.Sec)
	}
	return fields
}

// fullTime is the layout of times in full, with their zone.
const fullTime = "2006-01-02 15:04:05.000000000 -0700"

// fileTypes are the types of files: their letters in modes and for find, the sign that ls -F
// puts behind their names, and what stat calls them.
var fileTypes = map[uint32]struct {
	letter     byte
	sign, name string
}{
	unix.S_IFREG: {'-', "", "regular file"}, unix.S_IFDIR: {'d', "/", "directory"}, unix.S_IFLNK: {'l', "@", "symbolic link"},
	unix.S_IFBLK: {'b', "", "block special file"}, unix.S_IFCHR: {'c', "", "character special file"},
	unix.S_IFIFO: {'p', "|", "fifo"}, unix.S_IFSOCK: {'s', "=", "socket"},
}

func typeName(st unix.Stat_t) string {
	kind := st.Mode & unix.S_IFMT
	if kind == unix.S_IFREG && st.Size == 0 {
		return "regular empty file"
	}
	return fileTypes[kind].name
}
