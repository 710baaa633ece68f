// Package mounts reads and changes what is mounted where.
//
// It is what mount(8), umount(8) and an init need of mount(2): options as words,
// the kernel's table as values, and errors that say what mount(2) meant.
package mounts

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// options are the words that are flags of mount(2), and what they clear.
var options = map[string]struct {
	flag  uintptr
	clear bool
}{
	"ro": {unix.MS_RDONLY, false}, "rw": {unix.MS_RDONLY, true},
	"nosuid": {unix.MS_NOSUID, false}, "suid": {unix.MS_NOSUID, true},
	"nodev": {unix.MS_NODEV, false}, "dev": {unix.MS_NODEV, true},
	"noexec": {unix.MS_NOEXEC, false}, "exec": {unix.MS_NOEXEC, true},
	"sync": {unix.MS_SYNCHRONOUS, false}, "async": {unix.MS_SYNCHRONOUS, true},
	"dirsync": {unix.MS_DIRSYNC, false},
	"noatime": {unix.MS_NOATIME, false}, "atime": {unix.MS_NOATIME, true},
	"nodiratime": {unix.MS_NODIRATIME, false}, "diratime": {unix.MS_NODIRATIME, true},
	"relatime": {unix.MS_RELATIME, false}, "strictatime": {unix.MS_STRICTATIME, false},
	"remount": {unix.MS_REMOUNT, false},
	"bind":    {unix.MS_BIND, false}, "rbind": {unix.MS_BIND | unix.MS_REC, false},
	"move":    {unix.MS_MOVE, false},
	"private": {unix.MS_PRIVATE, false}, "rprivate": {unix.MS_PRIVATE | unix.MS_REC, false},
	"shared": {unix.MS_SHARED, false}, "rshared": {unix.MS_SHARED | unix.MS_REC, false},
	"slave": {unix.MS_SLAVE, false}, "rslave": {unix.MS_SLAVE | unix.MS_REC, false},
	"silent": {unix.MS_SILENT, false},
}

// ignored are words for /etc/fstab and for mount(8) that say nothing to the kernel.
var ignored = map[string]bool{
	"": true, "defaults": true, "auto": true, "noauto": true, "nofail": true, "user": true,
	"nouser": true, "users": true, "owner": true, "group": true, "_netdev": true,
}

// ParseOptions splits options as mount -o takes them into the flags of mount(2)
// and the data for the file system.
func ParseOptions(list string) (flags uintptr, data string) {
	var rest []string
	for word := range strings.SplitSeq(list, ",") {
		option, known := options[word]
		switch {
		case known && option.clear:
			flags &^= option.flag
		case known:
			flags |= option.flag
		case !ignored[word] && !strings.HasPrefix(word, "x-"):
			rest = append(rest, word)
		}
	}
	return flags, strings.Join(rest, ",")
}

// Mount mounts a device or source on a folder.
func Mount(source, dir, fstype string, flags uintptr, data string) error {
	err := unix.Mount(source, dir, fstype, flags, data)
	if err == nil {
		return nil
	}
	return fmt.Errorf("mount %s on %s%s: %w%s", source, dir, typeWords(fstype), err, reason(err, fstype))
}

func typeWords(fstype string) string {
	if fstype == "" {
		return ""
	}
	return " as " + fstype
}

// reason says what the errors of mount(2) that mislead mean.
func reason(err error, fstype string) string {
	switch {
	case errors.Is(err, unix.ENODEV):
		return fmt.Sprintf(" (the kernel knows no file system %s: is its module loaded?)", fstype)
	case errors.Is(err, unix.EINVAL):
		return " (no such file system there, a wrong option, or not a mount point)"
	case errors.Is(err, unix.EBUSY):
		return " (mounted already, or in use)"
	}
	return ""
}

// Known reports whether the kernel has a file system of this type now.
func Known(fstype string) bool {
	data, err := os.ReadFile("/proc/filesystems")
	if err != nil {
		return true // then mount(2) will tell
	}
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) > 0 && fields[len(fields)-1] == fstype {
			return true
		}
	}
	return false
}

// An Entry is a line of the table of mounts.
type Entry struct {
	Source, Dir, Type, Options string
	Dev                        string // MAJOR:MINOR
}

// Table returns what is mounted, in the order in which it was.
func Table() ([]Entry, error) {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	return parse(string(data)), nil
}

// parse reads proc_pid_mountinfo(5).
func parse(text string) []Entry {
	var table []Entry
	for line := range strings.Lines(text) {
		own, of, _ := strings.Cut(line, " - ")
		f, g := strings.Fields(own), strings.Fields(of)
		if len(f) < 6 || len(g) < 2 {
			continue
		}
		e := Entry{Source: unescape(g[1]), Dir: unescape(f[4]), Type: g[0], Options: f[5], Dev: f[2]}
		if len(g) > 2 {
			e.Options = join(f[5], g[2])
		}
		table = append(table, e)
	}
	return table
}

// join adds the options of the file system to those of the mount, each once: both
// start with ro or rw, and the mount's own counts.
func join(mount, super string) string {
	out := mount
	for word := range strings.SplitSeq(super, ",") {
		if word != "rw" && word != "ro" {
			out += "," + word
		}
	}
	return out
}

// unescape undoes what the kernel escapes in names.
var unescape = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\043`, "#", `\134`, `\`).Replace

// IsMounted reports whether something is mounted on a folder, itself resolved.
func IsMounted(dir string) bool {
	var here, above unix.Stat_t
	if unix.Lstat(dir, &here) != nil || unix.Lstat(dir+"/..", &above) != nil {
		return false
	}
	return here.Dev != above.Dev || here.Ino == above.Ino
}
