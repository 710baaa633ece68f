package applet

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"mvdan.cc/sh/v3/pattern"
)

// finder is one run of find.
type finder struct {
	*Call
	args               []string // not parsed yet
	now                time.Time
	minDepth, maxDepth int
	oneFS, depthFirst  bool
	acts               bool // an action other than printing was given
	batches            []*batch
	pruned             bool // by the test of the current file
}

// A test is true of a file or not; an action is a test too.
type test func(entry) bool

func runFind(c *Call) error {
	f := &finder{Call: c, now: time.Now(), maxDepth: math.MaxInt}
	args := c.Args
	if len(args) > 0 && args[0] == "--help" {
		c.printf("usage: %s %s\n", c.Name, c.Usage)
		return nil
	}
	start := slices.IndexFunc(args, func(arg string) bool { return strings.HasPrefix(arg, "-") || arg == "!" || arg == "(" })
	if start < 0 {
		start = len(args)
	}
	roots := orElse(args[:start], ".")
	f.args = args[start:]
	expression, err := test(always), error(nil)
	if len(f.args) > 0 {
		expression, err = f.any()
	}
	if err == nil && len(f.args) > 0 {
		err = usageError{fmt.Sprintf("unexpected argument %q", f.args[0])}
	}
	if err != nil {
		return err
	}
	if !f.acts {
		given := expression
		expression = func(e entry) bool { return given(e) && f.print(e, "\n") }
	}
	for _, root := range roots {
		f.walk(root, expression)
	}
	for _, b := range f.batches {
		b.run(c)
	}
	return nil
}

func (f *finder) walk(root string, expression test) {
	look := func(e entry) {
		if e.depth >= f.minDepth && e.depth <= f.maxDepth {
			expression(e)
		}
	}
	var dev uint64
	visit := func(e entry) bool {
		if e.depth == 0 {
			dev = e.st.Dev
		}
		if f.pruned = false; !f.depthFirst {
			look(e)
		}
		return !f.pruned && e.depth < f.maxDepth && (!f.oneFS || e.st.Dev == dev)
	}
	leave := func(e entry) {
		if f.depthFirst {
			look(e)
		}
	}
	walk{visit: visit, leave: leave, failed: f.warn}.from(root)
}

func (f *finder) print(e entry, end string) bool {
	f.printf("%s%s", e.path, end)
	return true
}

// any, all and one parse an expression: -o binds weaker than -a, which may be left
// out, and that weaker than !.
func (f *finder) any() (test, error) {
	left, err := f.all()
	for err == nil && f.take("-o", "-or") {
		var right test
		a := left
		right, err = f.all()
		left = func(e entry) bool { return a(e) || right(e) }
	}
	return left, err
}

func (f *finder) all() (test, error) {
	left, err := f.one()
	for err == nil && len(f.args) > 0 && !slices.Contains([]string{"-o", "-or", ")"}, f.args[0]) {
		f.take("-a", "-and")
		var right test
		a := left
		right, err = f.one()
		left = func(e entry) bool { return a(e) && right(e) }
	}
	return left, err
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
	if len(f.args) == 0 || slices.Contains([]string{"-a", "-and", "-o", "-or", ")"}, f.args[0]) {
		return nil, usageError{"a test is missing"}
	}
	word := f.args[0]
	f.args = f.args[1:]
	switch word {
	case "!", "-not":
		t, err := f.one()
		return func(e entry) bool { return !t(e) }, err
	case "(":
		t, err := f.any()
		if err == nil && !f.take(")") {
			err = usageError{"( without )"}
		}
		return t, err
	case "-exec":
		return f.exec()
	case "-xdev", "-mount":
		f.oneFS = true
		return always, nil
	case "-depth":
		f.depthFirst = true
		return always, nil
	case "-prune":
		return func(entry) bool { f.pruned = true; return true }, nil
	case "-empty":
		return isEmpty, nil
	}
	if action, ok := f.action(word); ok {
		f.acts = true
		return action, nil
	}
	if len(f.args) == 0 {
		return nil, usageError{fmt.Sprintf("%s is unknown, or its argument is missing", word)}
	}
	value := f.args[0]
	f.args = f.args[1:]
	return f.withValue(word, value)
}

func always(entry) bool { return true }

func isEmpty(e entry) bool {
	if !e.is(unix.S_IFDIR) {
		return e.is(unix.S_IFREG) && e.st.Size == 0
	}
	entries, err := os.ReadDir(e.path)
	return err == nil && len(entries) == 0
}

func (f *finder) action(word string) (test, bool) {
	switch word {
	case "-print":
		return func(e entry) bool { return f.print(e, "\n") }, true
	case "-print0":
		return func(e entry) bool { return f.print(e, "\x00") }, true
	case "-ls":
		return func(e entry) bool {
			f.printf("%s\n", formatStat("%i %A %h %U %G %s %y %N", e.path, e.st))
			return true
		}, true
	case "-delete":
		f.depthFirst = true
		return func(e entry) bool {
			err := e.unlink()
			if err != nil {
				f.warn(err)
			}
			return err == nil
		}, true
	}
	return nil, false
}

// withValue returns the test or option of a word and its argument.
func (f *finder) withValue(word, value string) (test, error) {
	age := func(unit time.Duration) func(entry) int64 {
		return func(e entry) int64 { return int64(f.now.Sub(time.Unix(e.st.Mtim.Unix())) / unit) }
	}
	switch word {
	case "-name", "-iname", "-path", "-wholename":
		return globTest(word, value)
	case "-type":
		if len(value) != 1 || !strings.Contains("fdlbcps", value) {
			return nil, usageError{fmt.Sprintf("-type %s is none of f, d, l, b, c, p and s", value)}
		}
		letter := strings.Replace(value, "f", "-", 1)[0]
		return func(e entry) bool { return fileTypes[e.st.Mode&unix.S_IFMT].letter == letter }, nil
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
		return func(e entry) bool { return e.st.Mtim.Nano() > st.Mtim.Nano() }, err
	case "-user":
		uid, _, err := parseOwner(value)
		return func(e entry) bool { return int(e.st.Uid) == uid }, err
	case "-group":
		gid, err := groupID(value)
		return func(e entry) bool { return int(e.st.Gid) == gid }, err
	case "-perm":
		return permTest(value)
	case "-inum":
		return numberTest(word, value, func(e entry) int64 { return int64(e.st.Ino) })
	case "-links":
		return numberTest(word, value, func(e entry) int64 { return int64(e.st.Nlink) })
	case "-mtime":
		return numberTest(word, value, age(24*time.Hour))
	case "-mmin":
		return numberTest(word, value, age(time.Minute))
	case "-size":
		number := strings.TrimRight(value, "cwbkMG")
		unit, ok := sizeUnits[cmp.Or(value[len(number):], "b")]
		if !ok {
			return nil, usageError{"-size " + value + " has an unknown unit"}
		}
		return numberTest(word, number, func(e entry) int64 { return (e.st.Size + unit - 1) / unit })
	}
	return nil, usageError{"unknown test " + word}
}

// globTest compares a name, or with -path a path in which a star stands for slashes, too.
func globTest(word, glob string) (test, error) {
	mode := pattern.EntireString
	if word == "-iname" {
		mode |= pattern.NoGlobCase
	}
	expr, err := pattern.Regexp(glob, mode)
	if err != nil {
		return nil, usageError{fmt.Sprintf("%s %s: %v", word, glob, err)}
	}
	re, err := regexp.Compile(expr)
	return func(e entry) bool {
		if strings.HasSuffix(word, "name") && word != "-wholename" {
			return re.MatchString(filepath.Base(e.path))
		}
		return re.MatchString(e.path)
	}, err
}

// permTest reads MODE (exactly), -MODE (all of these bits) or /MODE (any of them).
func permTest(value string) (test, error) {
	mode, err := parseMode(strings.TrimLeft(value, "-/"))
	switch {
	case err != nil:
		return nil, usageError{"-perm: " + err.Error()}
	case value[0] == '-':
		return func(e entry) bool { return e.st.Mode&mode == mode }, nil
	case value[0] == '/':
		return func(e entry) bool { return e.st.Mode&mode != 0 }, nil
	}
	return func(e entry) bool { return e.st.Mode&modeBits == mode }, nil
}

// numberTest reads N, +N (more) or -N (less).
func numberTest(word, value string, of func(entry) int64) (test, error) {
	n, err := strconv.ParseInt(strings.TrimLeft(value, "+-"), 10, 64)
	switch {
	case err != nil:
		return nil, usageError{fmt.Sprintf("%s %s is not a number", word, value)}
	case value[0] == '+':
		return func(e entry) bool { return of(e) > n }, nil
	case value[0] == '-':
		return func(e entry) bool { return of(e) < n }, nil
	}
	return func(e entry) bool { return of(e) == n }, nil
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
		return func(e entry) bool {
			return f.succeeds(replaced(command, "{}", e.path))
		}, nil
	}
	if command[len(command)-1] != "{}" {
		return nil, usageError{"-exec … + needs {} before the +"}
	}
	b := &batch{command: command[:len(command)-1]}
	f.batches = append(f.batches, b)
	return func(e entry) bool {
		if b.files = append(b.files, e.path); len(b.files) >= maxBatch {
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
