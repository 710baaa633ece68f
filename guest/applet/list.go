package applet

import (
	"cmp"
	"fmt"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// lister is one run of ls.
type lister struct {
	*Call
	all, almost, long, one, dir, recurse, human, numeric, inode, classify bool
	byTime, bySize, reverse, unsorted, full                               bool
	width                                                                 int
}

// listed is a file as ls shows it.
type listed struct {
	name   string
	path   string
	st     unix.Stat_t
	target string
}

func runList(c *Call) error {
	c.trouble = 2
	l := &lister{Call: c}
	c.flags.BoolVarP(&l.all, "all", "a", false, "names that start with a dot too")
	c.flags.BoolVarP(&l.almost, "almost-all", "A", false, "the same without . and ..")
	c.flags.BoolVarP(&l.long, "long", "l", false, "with mode, owner, size and time")
	c.flags.BoolVarP(&l.one, "one", "1", false, "one name a line")
	c.flags.BoolVarP(&l.dir, "directory", "d", false, "folders themselves, not what is in them")
	c.flags.BoolVarP(&l.recurse, "recursive", "R", false, "folders in folders too")
	c.flags.BoolVarP(&l.human, "human-readable", "h", false, "sizes as 1.2M")
	c.flags.BoolVarP(&l.numeric, "numeric-uid-gid", "n", false, "as -l, with numbers for owners")
	c.flags.BoolVarP(&l.inode, "inode", "i", false, "with inode numbers")
	c.flags.BoolVarP(&l.classify, "classify", "F", false, "with a sign for the type")
	c.flags.BoolVarP(&l.byTime, "time", "t", false, "newest first")
	c.flags.BoolVarP(&l.bySize, "size", "S", false, "largest first")
	c.flags.BoolVarP(&l.reverse, "reverse", "r", false, "in reverse")
	c.flags.BoolVarP(&l.unsorted, "unsorted", "U", false, "as the folder has them")
	c.flags.BoolVar(&l.full, "full-time", false, "as -l, with times in full")
	names := c.parse(0, -1)
	l.long = l.long || l.numeric || l.full
	if out, ok := c.Stdout.terminalFile(); ok && !l.one && !l.long {
		if l.width, _, _ = term.GetSize(int(out.Fd())); l.width <= 0 {
			l.width = 80
		}
	}
	return l.operands(orElse(names, "."))
}

// operands lists files first, then folders with their names above them.
func (l *lister) operands(names []string) error {
	var files, dirs []listed
	for _, name := range names {
		e, err := l.stat(name, name)
		if err != nil {
			l.warn(err)
			continue
		}
		if target, err := os.Stat(name); err == nil && target.IsDir() && !l.dir && (!l.long || e.isDir()) {
			dirs = append(dirs, e)
			continue
		}
		files = append(files, e)
	}
	l.print(files)
	for i, d := range dirs {
		if len(names) > 1 || l.recurse {
			if i > 0 || len(files) > 0 {
				l.printf("\n")
			}
			l.printf("%s:\n", d.name)
		}
		l.folder(d.path)
	}
	return nil
}

func (l *lister) stat(name, path string) (listed, error) {
	st, err := stat(path, false)
	e := listed{name: name, path: path, st: st}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		e.target, _ = os.Readlink(path)
	}
	return e, err
}

func (e listed) isDir() bool { return e.st.Mode&unix.S_IFMT == unix.S_IFDIR }

func (l *lister) folder(dir string) {
	f, err := os.Open(dir)
	if err != nil {
		l.warn(err)
		return
	}
	names, err := f.Readdirnames(-1)
	f.Close()
	if err != nil {
		l.warn(err)
	}
	if l.all {
		names = append(names, ".", "..")
	}
	var entries []listed
	for _, name := range names {
		if name[0] == '.' && !l.all && !l.almost {
			continue
		}
		e, err := l.stat(name, strings.TrimRight(dir, "/")+"/"+name)
		if err != nil {
			l.warn(err)
			continue
		}
		entries = append(entries, e)
	}
	if l.long {
		var blocks int64
		for _, e := range entries {
			blocks += e.st.Blocks
		}
		l.printf("total %s\n", l.size(blocks*512, 1024))
	}
	l.print(entries)
	for _, e := range entries {
		if l.recurse && e.isDir() && e.name != "." && e.name != ".." {
			l.printf("\n%s:\n", e.path)
			l.folder(e.path)
		}
	}
}

// size shows bytes for people, or in units.
func (l *lister) size(bytes, unit int64) string {
	if l.human {
		return humanSize(bytes)
	}
	return strconv.FormatInt(bytes/unit, 10)
}

// humanSize is a size in at most five characters.
func humanSize(n int64) string {
	if n < 1024 {
		return strconv.FormatInt(n, 10)
	}
	return strings.TrimSuffix(strings.ReplaceAll(humanize.IBytes(uint64(n)), " ", ""), "iB")
}

func (l *lister) print(entries []listed) {
	if !l.unsorted {
		slices.SortStableFunc(entries, l.compare)
	}
	if l.reverse {
		slices.Reverse(entries)
	}
	switch {
	case l.long:
		l.printLong(entries)
	case l.width > 0:
		l.printColumns(entries)
	default:
		for _, e := range entries {
			l.printf("%s\n", l.short(e))
		}
	}
}

func (l *lister) compare(a, b listed) int {
	switch {
	case l.byTime && a.st.Mtim != b.st.Mtim:
		return cmp.Compare(b.st.Mtim.Nano(), a.st.Mtim.Nano())
	case l.bySize && a.st.Size != b.st.Size:
		return cmp.Compare(b.st.Size, a.st.Size)
	}
	return strings.Compare(a.name, b.name)
}

func (l *lister) short(e listed) string {
	s := e.name
	if l.inode {
		s = fmt.Sprintf("%d %s", e.st.Ino, s)
	}
	if l.classify {
		s += sign(e.st.Mode)
	}
	return s
}

// sign returns the sign that -F puts behind a name.
func sign(mode uint32) string {
	if mode&unix.S_IFMT == unix.S_IFREG && mode&0o111 != 0 {
		return "*"
	}
	return fileTypes[mode&unix.S_IFMT].sign
}

// printColumns fills the terminal column by column.
func (l *lister) printColumns(entries []listed) {
	widest := 0
	for _, e := range entries {
		widest = max(widest, len([]rune(l.short(e))))
	}
	columns := max(1, l.width/(widest+2))
	rows := (len(entries) + columns - 1) / columns
	for row := range rows {
		var line strings.Builder
		for i := row; i < len(entries); i += rows {
			fmt.Fprintf(&line, "%-*s", widest+2, l.short(entries[i]))
		}
		l.printf("%s\n", strings.TrimRight(line.String(), " "))
	}
}

func (l *lister) printLong(entries []listed) {
	now := time.Now()
	var rows [][]string
	for _, e := range entries {
		inode := ""
		if l.inode {
			inode = strconv.FormatUint(e.st.Ino, 10)
		}
		name := e.name
		if l.classify && e.target == "" {
			name += sign(e.st.Mode)
		}
		if e.target != "" {
			name += " -> " + e.target
		}
		rows = append(rows, []string{
			inode, ModeString(e.st.Mode), strconv.FormatUint(uint64(e.st.Nlink), 10),
			l.owner(e.st.Uid, userName), l.owner(e.st.Gid, groupName),
			l.sizeOf(e.st), l.timeOf(e.st, now), name,
		})
	}
	l.table(rows)
}

// table prints rows whose columns, but for the last, are as wide as their widest
// cell. Owners stand at the left of theirs, numbers at the right.
func (l *lister) table(rows [][]string) {
	if len(rows) == 0 {
		return
	}
	widths := make([]int, len(rows[0])-1)
	for _, row := range rows {
		for i := range widths {
			widths[i] = max(widths[i], len(row[i]))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, width := range widths {
			switch {
			case width == 0:
				continue
			case i == 3 || i == 4:
				fmt.Fprintf(&line, "%-*s ", width, row[i])
			default:
				fmt.Fprintf(&line, "%*s ", width, row[i])
			}
		}
		l.printf("%s%s\n", line.String(), row[len(widths)])
	}
}

func (l *lister) sizeOf(st unix.Stat_t) string {
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFBLK, unix.S_IFCHR:
		return fmt.Sprintf("%d, %d", unix.Major(st.Rdev), unix.Minor(st.Rdev))
	}
	return l.size(st.Size, 1)
}

// timeOf shows the year in place of the time for what is older than half a year
// or not yet.
func (l *lister) timeOf(st unix.Stat_t, now time.Time) string {
	t := time.Unix(st.Mtim.Unix())
	switch age := now.Sub(t); {
	case l.full:
		return t.Format(fullTime)
	case age > 182*24*time.Hour || age < -time.Hour:
		return t.Format("Jan _2  2006")
	}
	return t.Format("Jan _2 15:04")
}

func (l *lister) owner(id uint32, name func(string) string) string {
	number := strconv.FormatUint(uint64(id), 10)
	if l.numeric {
		return number
	}
	return name(number)
}

// ownerNames are those that were looked up, by "user" or "group" and number.
var ownerNames sync.Map

func ownerName(kind, number string, look func(number string) (string, error)) string {
	if known, ok := ownerNames.Load(kind + number); ok {
		return known.(string) //nolint:errcheck // nothing else is stored
	}
	name, err := look(number)
	switch {
	case err != nil && number == "0":
		name = "root" // of every system, even where no file lists it
	case err != nil:
		name = number
	}
	ownerNames.Store(kind+number, name)
	return name
}

func userName(number string) string {
	return ownerName("user", number, func(number string) (string, error) {
		u, err := user.LookupId(number)
		if err != nil {
			return "", err
		}
		return u.Username, nil
	})
}

func groupName(number string) string {
	return ownerName("group", number, func(number string) (string, error) {
		g, err := user.LookupGroupId(number)
		if err != nil {
			return "", err
		}
		return g.Name, nil
	})
}

// ModeString spells a mode as ls -l does: -rwsr-xr-x.
func ModeString(mode uint32) string {
	s := []byte("-rwxrwxrwx")
	s[0] = cmp.Or(fileTypes[mode&unix.S_IFMT].letter, '-')
	for i := range 9 {
		if mode&(0o400>>i) == 0 {
			s[i+1] = '-'
		}
	}
	for at, special := range map[int]uint32{3: unix.S_ISUID, 6: unix.S_ISGID, 9: unix.S_ISVTX} {
		if mode&special == 0 {
			continue
		}
		signs := map[int]string{3: "sS", 6: "sS", 9: "tT"}[at]
		s[at] = signs[btoi(s[at] == '-')]
	}
	return string(s)
}
