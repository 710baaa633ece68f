package applet

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// usage counts space as du does: what files take on the disk, each file once.
type usage struct {
	*Call
	all, summary, bytes, human, oneFS bool
	lengths                           bool // count what files hold, not what they take
	depth                             int
	seen                              map[inode]bool
}

func runDu(c *Call) error {
	u := &usage{Call: c, seen: map[inode]bool{}}
	total := c.flags.BoolP("total", "c", false, "with a sum at the end")
	c.flags.BoolVarP(&u.all, "all", "a", false, "files too, not folders alone")
	c.flags.BoolVarP(&u.summary, "summarize", "s", false, "one line for each operand")
	c.flags.BoolVarP(&u.bytes, "bytes", "b", false, "the bytes in files, not those they take")
	apparent := c.flags.Bool("apparent-size", false, "the bytes in files, in units of 1024")
	c.flags.BoolVarP(&u.human, "human-readable", "h", false, "sizes as 1.2M")
	c.flags.BoolP("kilobytes", "k", true, "in units of 1024 bytes; always on")
	c.flags.BoolVarP(&u.oneFS, "one-file-system", "x", false, "stay on the file system")
	c.flags.IntVarP(&u.depth, "max-depth", "d", -1, "folders down to this depth only")
	names := c.parse(0, -1)
	u.lengths = u.bytes || *apparent
	if u.summary {
		u.depth = 0
	}
	var sum int64
	err := c.each(orElse(names, "."), func(name string) error {
		st, err := stat(name, false)
		if err == nil {
			sum += u.walk(name, st, 0)
		}
		return err
	})
	if *total {
		u.show(sum, "total")
	}
	return err
}

func (u *usage) walk(path string, st unix.Stat_t, depth int) int64 {
	key := inode{st.Dev, st.Ino}
	if st.Nlink > 1 && u.seen[key] {
		return 0
	}
	u.seen[key] = true
	n := st.Blocks * 512
	if u.lengths {
		n = st.Size
	}
	folder := st.Mode&unix.S_IFMT == unix.S_IFDIR
	if folder {
		entries, err := os.ReadDir(path)
		if err != nil {
			u.warn(err)
		}
		for _, e := range entries {
			child := strings.TrimSuffix(path, "/") + "/" + e.Name()
			if below, err := stat(child, false); err != nil {
				u.warn(err)
			} else if !u.oneFS || below.Dev == st.Dev {
				n += u.walk(child, below, depth+1)
			}
		}
	}
	if depth == 0 || (folder || u.all) && (u.depth < 0 || depth <= u.depth) {
		u.show(n, path)
	}
	return n
}

func (u *usage) show(n int64, name string) {
	size := strconv.FormatInt((n+1023)/1024, 10)
	switch {
	case u.human:
		size = humanSize(n)
	case u.bytes:
		size = strconv.FormatInt(n, 10)
	}
	u.printf("%s\t%s\n", size, name)
}
