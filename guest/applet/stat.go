package applet

import (
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

func runStat(c *Call) error {
	follow := c.flags.BoolP("dereference", "L", false, "what links lead to")
	format := c.flags.StringP("format", "c", "", "print this, with %a %A %b %B %d %f %F %g %G %h %i %n %N %o %s %t %T %u %U %x %X %y %Y %z %Z replaced")
	args := c.parse(1, -1)
	return c.each(args, func(name string) error {
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

// stat asks the kernel for what it knows of a file, or of the link itself.
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
	var out strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			out.WriteByte(format[i])
			continue
		}
		end := i + 1
		for end < len(format)-1 && strings.IndexByte("-0123456789", format[end]) >= 0 {
			end++
		}
		fmt.Fprintf(&out, "%"+strings.TrimLeft(format[i+1:end], "0")+"s", statField(format[end], name, st))
		i = end
	}
	return out.String()
}

func statField(conversion byte, name string, st unix.Stat_t) string {
	uid, gid := strconv.FormatUint(uint64(st.Uid), 10), strconv.FormatUint(uint64(st.Gid), 10)
	switch conversion {
	case 'a':
		return fmt.Sprintf("%o", st.Mode&0o7777)
	case 'A':
		return ModeString(st.Mode)
	case 'b':
		return strconv.FormatInt(st.Blocks, 10)
	case 'B':
		return "512"
	case 'd':
		return fmt.Sprintf("%d,%d", unix.Major(st.Dev), unix.Minor(st.Dev))
	case 'f':
		return fmt.Sprintf("%x", st.Mode)
	case 'F':
		return typeName(st)
	case 'g':
		return gid
	case 'G':
		return groupName(gid)
	case 'h':
		return strconv.FormatUint(uint64(st.Nlink), 10)
	case 'i':
		return strconv.FormatUint(st.Ino, 10)
	case 'n':
		return name
	case 'N':
		if target, err := os.Readlink(name); err == nil && st.Mode&unix.S_IFMT == unix.S_IFLNK {
			return "'" + name + "' -> '" + target + "'"
		}
		return "'" + name + "'"
	case 'o':
		return strconv.FormatInt(int64(st.Blksize), 10)
	case 's':
		return strconv.FormatInt(st.Size, 10)
	case 't':
		return fmt.Sprintf("%x", unix.Major(st.Rdev))
	case 'T':
		return fmt.Sprintf("%x", unix.Minor(st.Rdev))
	case 'u':
		return uid
	case 'U':
		return userName(uid)
	case '%':
		return "%"
	}
	for i, ts := range []unix.Timespec{st.Atim, st.Mtim, st.Ctim} {
		switch conversion {
		case "xyz"[i]:
			return time.Unix(ts.Unix()).Format("2006-01-02 15:04:05.000000000 -0700")
		case "XYZ"[i]:
			return strconv.FormatInt(int64(ts.Sec), 10)
		}
	}
	return "?" // as coreutils print what they do not know
}

func typeName(st unix.Stat_t) string {
	names := map[uint32]string{
		unix.S_IFDIR: "directory", unix.S_IFLNK: "symbolic link", unix.S_IFBLK: "block special file",
		unix.S_IFCHR: "character special file", unix.S_IFIFO: "fifo", unix.S_IFSOCK: "socket",
	}
	if name, ok := names[st.Mode&unix.S_IFMT]; ok {
		return name
	}
	if st.Size == 0 {
		return "regular empty file"
	}
	return "regular file"
}
