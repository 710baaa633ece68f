// Package accounts reads the names of users and groups from passwd(5) and group(5).
//
//	users := accounts.Users("web:x:998:997::/var/web:/bin/sh\n")
//	users["web"] // {UID: 998, GID: 997, Home: "/var/web"}
//
// As in the C library, of a name that stands twice the first line counts, and lines that are no
// account are skipped. It reads any text, in linear time.
package accounts

import (
	"slices"
	"strconv"
	"strings"

	"ingot/internal/printable"
)

// User is a line of a passwd file.
type User struct {
	UID, GID uint32
	Home     string
}

// Users returns the users in the text of a passwd file, by their names.
func Users(passwd string) map[string]User {
	users := map[string]User{}
	lines(passwd, 7, func(f []string) {
		uid, gid := number(f[2]), number(f[3])
		if _, twice := users[f[0]]; !twice && uid >= 0 && gid >= 0 {
			users[f[0]] = User{uint32(uid), uint32(gid), f[5]}
		}
	})
	return users
}

// Groups returns the groups in the text of a group file, by their names.
func Groups(group string) map[string]uint32 {
	groups := map[string]uint32{}
	lines(group, 4, func(f []string) {
		gid := number(f[2])
		if _, twice := groups[f[0]]; !twice && gid >= 0 {
			groups[f[0]] = uint32(gid)
		}
	})
	return groups
}

// lines calls do with the fields of each line that has so many of them, and a name.
func lines(text string, fields int, do func([]string)) {
	for line := range strings.Lines(text) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", fields+1)
		if len(f) == fields && f[0] != "" && f[0][0] != '#' {
			do(f)
		}
	}
}

// number reads the number of a user or a group; it returns -1 for what is none.
func number(s string) int64 {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n == nobody {
		return -1
	}
	return int64(n)
}

// nobody is the number that chown(2) takes for no change, so that no file has it.
const nobody = 1<<32 - 1

// Number returns the number that a text is, if it is one: a user or a group may be named by it.
func Number(s string) (id uint32, ok bool) {
	n := number(s)
	return uint32(max(n, 0)), n >= 0
}

// Some lists a few of the names in a map, for a message.
func Some[T any](names map[string]T) string {
	const most = 8
	var all []string
	for name := range names {
		all = append(all, printable.Name(name))
	}
	slices.Sort(all)
	if len(all) > most {
		all = append(all[:most], "...")
	}
	return strings.Join(all, ", ")
}
