package applet

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// usage counts space as du does: the space of files on the disk, each file once.
type usage struct {
	*Call
	all, summary, bytes, human, oneFS bool
	lengths                           bool // count bytes in files, not their space on the disk
	depth                             int

	seen map[inode]bool
	dev  uint64        // the file system of the operand
	sums map[int]int64 // the space counted at each depth that belongs to no folder yet
}

func runDu(c *Call) error {
	u := &usage{Call: c, seen: map[inode]bool{}, sums: map[int]int64{}}
	total := c.flags.BoolP("total", "c", false, "with a sum at the end")
	c.flags.BoolVarP(&u.all, "all", "a", false, "files too, not folders alone")
	c.flags.BoolVarP(&u.summary, "summarize", "s", false, "one line for each operand")
	c.flags.BoolVarP(&u.bytes, "bytes", "b", false, "the bytes in files, not their space on the disk")
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
	visit := func(e entry) bool {
		if e.depth == 0 {
			u.dev = e.st.Dev
		}
		return !u.skips(e)
	}
	for _, name := range orElse(names, ".") {
		walk{visit: visit, leave: u.count, failed: c.warn}.from(name)
	}
	if *total {
		u.show(u.sums[0], "total")
	}
	return nil
}

// skips says whether a file was counted under another name, or lies on another file system.
func (u *usage) skips(e entry) bool {
	return e.st.Nlink > 1 && u.seen[inode{e.st.Dev, e.st.Ino}] || u.oneFS && e.st.Dev != u.dev
}

// count adds a file, and what was counted below it, to the folder that it is in.
func (u *usage) count(e entry) {
	if u.skips(e) {
		return
	}
	u.seen[inode{e.st.Dev, e.st.Ino}] = true
	n := e.st.Blocks * 512
	if u.lengths {
		n = e.st.Size
	}
	n += u.sums[e.depth+1]
	u.sums[e.depth+1] = 0
	u.sums[e.depth] += n
	if e.depth == 0 || (e.is(unix.S_IFDIR) || u.all) && (u.depth < 0 || e.depth <= u.depth) {
		u.show(n, e.path)
	}
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
