package applet

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// finder is one run of find.
type finder struct {
	*Call
	args               []string // what is not parsed yet
	now                time.Time
	minDepth, maxDepth int
	oneFS, depthFirst  bool
	acts               bool // an action other than printing was given
	batches            []*batch
	pruned             bool // the test of the file at hand said so
}

// found is a file that find looks at.
type found struct {
	path string
	st   unix.Stat_t
}

// A test is true of a file or not; an action is a test too.
type test func(found) bool

func runFind(c *Call) error {
	f := &finder{Call: c, now: time.Now(), maxDepth: 1 << 30}
	args := c.Args
	if len(args) > 0 && args[0] == "--help" {
		c.printf("usage: %s %s\n", c.Name, c.Usage)
		return nil
	}
	var roots []string
	for len(args) > 0 && !strings.HasPrefix(args[0], "-") && args[0] != "!" && args[0] != "(" {
		roots, args = append(roots, args[0]), args[1:]
	}
	roots, f.args = orElse(roots, "."), args
	expression, err := f.any()
	if err == nil && len(f.args) > 0 {
		err = usageError{fmt.Sprintf("%q does not belong there", f.args[0])}
	}
	if err != nil {
		return err
	}
	if !f.acts {
		given := expression
		expression = func(x found) bool { return given(x) && f.print(x, "\n") }
	}
	for _, root := range roots {
		st, err := stat(root, false)
		if err != nil {
			c.warn(err)
			continue
		}
		f.walk(found{root, st}, expression, 0, st.Dev)
	}
	for _, b := range f.batches {
		b.run(c)
	}
	return nil
}

func (f *finder) walk(x found, expression test, depth int, dev uint64) {
	f.pruned = false
	look := func() {
		if depth >= f.minDepth && depth <= f.maxDepth {
			expression(x)
		}
	}
	if !f.depthFirst {
		look()
	}
	pruned := f.pruned
	if x.st.Mode&unix.S_IFMT == unix.S_IFDIR && depth < f.maxDepth && !pruned && (!f.oneFS || x.st.Dev == dev) {
		entries, err := os.ReadDir(x.path)
		if err != nil {
			f.warn(err)
		}
		for _, e := range entries {
			path := strings.TrimSuffix(x.path, "/") + "/" + e.Name()
			st, err := stat(path, false)
			if err != nil {
				f.warn(err)
				continue
			}
			f.walk(found{path, st}, expression, depth+1, dev)
		}
	}
	if f.depthFirst {
		look()
	}
}

func (f *finder) print(x found, end string) bool {
	f.printf("%s%s", x.path, end)
	return true
}

// any, all and one parse an expression: -o binds weaker than -a, which may be left
// out, and that weaker than !.
func (f *finder) any() (test, error) {
	left, err := f.all(len(f.args) > 0 && (f.args[0] == "-o" || f.args[0] == "-or"))
	for err == nil && f.take("-o", "-or") {
		var right test
		a := left
		right, err = f.all(true)
		left = func(x found) bool { return a(x) || right(x) }
	}
	return left, err
}

func (f *finder) all(alternative bool) (test, error) {
	var parts []test
	joins := false
	for len(f.args) > 0 && f.args[0] != "-o" && f.args[0] != "-or" && f.args[0] != ")" {
		if f.take("-a", "-and") {
			if joins = true; len(parts) == 0 {
				break
			}
			continue
		}
		t, err := f.one()
		if err != nil {
			return nil, err
		}
		parts = append(parts, t)
		joins = false
	}
	if joins || len(parts) == 0 && alternative {
		return nil, usageError{"a test is missing beside -a or -o"}
	}
	return func(x found) bool {
		for _, t := range parts {
			if !t(x) {
				return false
			}
		}
		return true
	}, nil
}

func (f *finder) take(words ...string) bool {
	for _, w := range words {
		if len(f.args) > 0 && f.args[0] == w {
			f.args = f.args[1:]
			return true
		}
	}
	return false
}

func (f *finder) one() (test, error) {
	word := f.args[0]
	f.args = f.args[1:]
	switch word {
	case "!", "-not":
		if len(f.args) == 0 {
			return nil, usageError{word + " needs something to deny"}
		}
		t, err := f.one()
		return func(x found) bool { return !t(x) }, err
	case "(":
		t, err := f.any()
		if err == nil && !f.take(")") {
			err = usageError{"( without )"}
		}
		return t, err
	case "-exec":
		return f.exec()
	}
	if t, ok := f.plain(word); ok {
		return t, nil
	}
	if len(f.args) == 0 {
		return nil, usageError{fmt.Sprintf("%s is unknown, or its argument is missing", word)}
	}
	value := f.args[0]
	f.args = f.args[1:]
	return f.withValue(word, value)
}

func always(found) bool { return true }

// plain returns what takes no argument.
func (f *finder) plain(word string) (test, bool) {
	switch word {
	case "-print":
		f.acts = true
		return func(x found) bool { return f.print(x, "\n") }, true
	case "-print0":
		f.acts = true
		return func(x found) bool { return f.print(x, "\x00") }, true
	case "-ls":
		f.acts = true
		return func(x found) bool {
			f.printf("%s\n", formatStat("%i %A %h %U %G %s %y %N", x.path, x.st))
			return true
		}, true
	case "-delete":
		f.acts, f.depthFirst = true, true
		return func(x found) bool {
			err := os.Remove(x.path)
			if err != nil {
				f.warn(err)
			}
			return err == nil
		}, true
	case "-prune":
		return func(found) bool { f.pruned = true; return true }, true
	case "-xdev", "-mount":
		f.oneFS = true
		return always, true
	case "-depth":
		f.depthFirst = true
		return always, true
	case "-empty":
		return func(x found) bool {
			if x.st.Mode&unix.S_IFMT != unix.S_IFDIR {
				return x.st.Mode&unix.S_IFMT == unix.S_IFREG && x.st.Size == 0
			}
			entries, err := os.ReadDir(x.path)
			return err == nil && len(entries) == 0
		}, true
	}
	return nil, false
}

// findTypes are the letters of -type.
var findTypes = map[string]uint32{
	"f": unix.S_IFREG, "d": unix.S_IFDIR, "l": unix.S_IFLNK, "b": unix.S_IFBLK,
	"c": unix.S_IFCHR, "p": unix.S_IFIFO, "s": unix.S_IFSOCK,
}

// withValue returns what takes one argument.
func (f *finder) withValue(word, value string) (test, error) {
	switch word {
	case "-name", "-iname", "-path", "-wholename":
		return globTest(word, value)
	case "-type":
		kind, ok := findTypes[value]
		if !ok {
			return nil, usageError{fmt.Sprintf("-type %s is none of f, d, l, b, c, p and s", value)}
		}
		return func(x found) bool { return x.st.Mode&unix.S_IFMT == kind }, nil
	case "-maxdepth", "-mindepth":
		n, err := strconv.Atoi(value)
		if err != nil || n < 0 {
			return nil, usageError{fmt.Sprintf("%s %s is not a depth", word, value)}
		}
		if word == "-maxdepth" {
			f.maxDepth = n
		} else {
			f.minDepth = n
		}
		return always, nil
	case "-newer":
		st, err := stat(value, true)
		return func(x found) bool { return x.st.Mtim.Nano() > st.Mtim.Nano() }, err
	case "-user", "-group":
		return ownerTest(word, value)
	case "-perm":
		return permTest(value)
	case "-inum", "-links", "-mtime", "-mmin", "-size":
		return f.numberTest(word, value)
	}
	return nil, usageError{"unknown test " + word}
}

func globTest(word, pattern string) (test, error) {
	pattern = strings.ReplaceAll(pattern, "[!", "[^")
	if _, err := filepath.Match(pattern, ""); err != nil {
		return nil, usageError{fmt.Sprintf("%s %s: %v", word, pattern, err)}
	}
	switch word {
	case "-name":
		return func(x found) bool { ok, _ := filepath.Match(pattern, filepath.Base(x.path)); return ok }, nil
	case "-iname":
		pattern = strings.ToLower(pattern)
		return func(x found) bool {
			ok, _ := filepath.Match(pattern, strings.ToLower(filepath.Base(x.path)))
			return ok
		}, nil
	}
	// In a path a star stands for slashes too, which filepath.Match does not do.
	flat := strings.NewReplacer("/", "\x01")
	pattern = flat.Replace(pattern)
	return func(x found) bool { ok, _ := filepath.Match(pattern, flat.Replace(x.path)); return ok }, nil
}

func ownerTest(word, value string) (test, error) {
	if word == "-group" {
		gid, err := groupID(value)
		return func(x found) bool { return int(x.st.Gid) == gid }, err
	}
	uid, _, err := parseOwner(value)
	return func(x found) bool { return int(x.st.Uid) == uid }, err
}

// permTest reads MODE (exactly), -MODE (all of these bits) or /MODE (any of them).
func permTest(value string) (test, error) {
	mode, err := parseMode(strings.TrimLeft(value, "-/"))
	switch {
	case err != nil:
		return nil, usageError{"-perm: " + err.Error()}
	case value[0] == '-':
		return func(x found) bool { return x.st.Mode&mode == mode }, nil
	case value[0] == '/':
		return func(x found) bool { return x.st.Mode&mode != 0 }, nil
	}
	return func(x found) bool { return x.st.Mode&0o7777 == mode }, nil
}

// numberTest reads N, +N (more) or -N (less).
func (f *finder) numberTest(word, value string) (test, error) {
	digits := strings.TrimLeft(value, "+-")
	unit := int64(1)
	if word == "-size" {
		unit = 512
		if i := strings.IndexAny(digits, "cwbkMG"); i >= 0 && i == len(digits)-1 {
			unit = map[byte]int64{'c': 1, 'w': 2, 'b': 512, 'k': 1 << 10, 'M': 1 << 20, 'G': 1 << 30}[digits[i]]
			digits = digits[:i]
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil {
		return nil, usageError{fmt.Sprintf("%s %s is not a number", word, value)}
	}
	of := map[string]func(found) int64{
		"-inum":  func(x found) int64 { return int64(x.st.Ino) },
		"-links": func(x found) int64 { return int64(x.st.Nlink) },
		"-mtime": func(x found) int64 { return int64(f.now.Sub(time.Unix(x.st.Mtim.Unix())) / (24 * time.Hour)) },
		"-mmin":  func(x found) int64 { return int64(f.now.Sub(time.Unix(x.st.Mtim.Unix())) / time.Minute) },
		"-size":  func(x found) int64 { return (x.st.Size + unit - 1) / unit },
	}[word]
	switch value[0] {
	case '+':
		return func(x found) bool { return of(x) > n }, nil
	case '-':
		return func(x found) bool { return of(x) < n }, nil
	}
	return func(x found) bool { return of(x) == n }, nil
}

// batch is a command for -exec … +, with the files that wait for it.
type batch struct{ command, files []string }

// maxBatch is how many files one command gets; the kernel takes 2 MiB of arguments.
const maxBatch = 256

func (f *finder) exec() (test, error) {
	f.acts = true
	end := 0
	for end < len(f.args) && f.args[end] != ";" && f.args[end] != "+" {
		end++
	}
	if end == 0 || end == len(f.args) {
		return nil, usageError{"-exec needs a command, and ; or + behind it"}
	}
	command, last := f.args[:end], f.args[end]
	f.args = f.args[end+1:]
	if last == ";" {
		return func(x found) bool {
			return f.succeeds(replaced(command, "{}", x.path))
		}, nil
	}
	if command[len(command)-1] != "{}" {
		return nil, usageError{"-exec … + needs {} before the +"}
	}
	b := &batch{command: command[:len(command)-1]}
	f.batches = append(f.batches, b)
	return func(x found) bool {
		if b.files = append(b.files, x.path); len(b.files) >= maxBatch {
			b.run(f.Call)
		}
		return true
	}, nil
}

func (b *batch) run(c *Call) {
	if len(b.files) > 0 && !c.succeeds(slices.Concat(b.command, b.files)) {
		c.status = 1
	}
	b.files = nil
}

func (c *Call) succeeds(words []string) bool {
	status, _ := c.child(words, c.Stdin.from)
	return status == 0
}
