package applet

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
)

// grepper is one run of grep.
type grepper struct {
	*Call
	patterns                                                 *patterns
	invert, counts, list, unmatched, numbers, offsets, quiet bool
	only, text, silent                                       bool
	names, hit                                               bool
	separate                                                 bool // groups of lines
	most, before, after                                      int
	end                                                      byte
}

func runGrep(c *Call) error {
	c.trouble = 2
	g := &grepper{Call: c}
	f := c.flags()
	var o patternOptions
	f.BoolVarP(&o.extended, "extended-regexp", "E", false, "extended expressions")
	basic := f.BoolP("basic-regexp", "G", false, "basic expressions; the default")
	f.BoolVarP(&o.fixed, "fixed-strings", "F", false, "the pattern is plain text")
	f.BoolVarP(&o.fold, "ignore-case", "i", false, "capitals and small letters are the same")
	f.BoolVarP(&o.word, "word-regexp", "w", false, "whole words")
	f.BoolVarP(&o.line, "line-regexp", "x", false, "whole lines")
	recursive := f.BoolP("recursive", "r", false, "all files in folders")
	withName := f.BoolP("with-filename", "H", false, "with the names of the files")
	noName := f.BoolP("no-filename", "h", false, "without the names of the files")
	list := f.StringArrayP("regexp", "e", nil, "a pattern; may come several times")
	files := f.StringArrayP("file", "f", nil, "a file with a pattern a line")
	f.BoolVarP(&g.invert, "invert-match", "v", false, "lines that do not match")
	f.BoolVarP(&g.counts, "count", "c", false, "how many lines match")
	f.BoolVarP(&g.list, "files-with-matches", "l", false, "names of files that match")
	f.BoolVarP(&g.unmatched, "files-without-match", "L", false, "names of files that do not match")
	f.BoolVarP(&g.numbers, "line-number", "n", false, "with line numbers")
	f.BoolVarP(&g.offsets, "byte-offset", "b", false, "with where in the file it is")
	f.BoolVarP(&g.only, "only-matching", "o", false, "what matches only")
	f.BoolVarP(&g.quiet, "quiet", "q", false, "print nothing, the exit status tells")
	f.BoolVarP(&g.silent, "no-messages", "s", false, "say nothing of files that cannot be read")
	f.BoolVarP(&g.text, "text", "a", false, "print lines of binary files, too")
	zero := f.BoolP("null-data", "z", false, "lines end with a zero byte")
	most := f.StringP("max-count", "m", "", "stop after this many lines")
	before := f.StringP("before-context", "B", "", "with this many lines before")
	after := f.StringP("after-context", "A", "", "with this many lines after")
	around := f.StringP("context", "C", "0", "with this many lines before and after")
	args, err := c.parse(f, 0, -1)
	if err != nil {
		return err
	}
	if btoi(o.extended)+btoi(o.fixed)+btoi(*basic) > 1 {
		return usageError{"-E, -F and -G exclude one another"}
	}
	var err1, err2, err3 error
	g.most, err1 = parseNumber(cmp.Or(*most, strconv.Itoa(math.MaxInt)))
	g.before, err2 = parseNumber(cmp.Or(*before, *around))
	g.after, err3 = parseNumber(cmp.Or(*after, *around))
	if err := cmp.Or(err1, err2, err3); err != nil {
		return err
	}
	g.separate = *before+*after != "" || f.Changed("context")
	if g.offsets && g.before > 0 {
		return usageError{"-b has no context before"}
	}
	g.end = lineEnd(*zero)
	if args, err = g.readPatterns(*list, *files, args, o); err != nil {
		return err
	}
	g.names = (len(args) > 1 || *recursive && (len(args) == 0 || isDir(args[0])) || *withName) && !*noName
	if *recursive {
		args = g.filesBelow(args)
	}
	if g.silent {
		c.Stderr = io.Discard
	}
	if len(args) > 0 || !*recursive {
		err = g.eachInput(args, g.file)
	}
	switch {
	case err != nil:
		return err
	case !g.hit && c.status == 0:
		return Status(1)
	}
	return nil
}

// readPatterns compiles the patterns of the options, or of the first operand.
func (g *grepper) readPatterns(list, files, args []string, o patternOptions) (rest []string, err error) {
	if len(list)+len(files) == 0 {
		if len(args) == 0 {
			return nil, usageError{"pattern missing"}
		}
		list, args = args[:1], args[1:]
	}
	for _, name := range files {
		err := g.input(name, func(_ string, r io.Reader) error {
			return eachLine(r, func(line string) bool { list = append(list, line); return true })
		})
		if err != nil {
			return nil, err
		}
	}
	g.patterns, err = compilePatterns(list, o)
	return args, err
}

// filesBelow returns the files in folders, and operands that are none.
func (g *grepper) filesBelow(roots []string) (files []string) {
	if len(roots) == 0 {
		files = g.Call.filesBelow(".", "")
		if i := slices.Index(files, "-"); i >= 0 {
			files[i] = "./-" // the file, and not standard input
		}
		return files
	}
	for _, root := range roots {
		if !isDir(root) {
			files = append(files, root)
			continue
		}
		files = append(files, g.Call.filesBelow(root, strings.TrimRight(root, "/")+"/")...)
	}
	return files
}

// filesBelow returns the regular files in a folder, with a prefix before their names there.
func (c *Call) filesBelow(root, prefix string) (files []string) {
	err := fs.WalkDir(os.DirFS(root), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			c.warn(fmt.Errorf("%s%w", prefix, err))
			return nil
		}
		if d.Type().IsRegular() {
			files = append(files, prefix+path)
		}
		return nil
	})
	if err != nil {
		c.warn(err)
	}
	return files
}

// grepped is what grep knows of the file that it reads.
type grepped struct {
	name           string
	number, offset int
	matches        int
	held           []string // lines that may stand before the next match
	following      int      // lines that are still to be printed behind the last one
	printed        int      // the number of the line that was printed last
	binary         bool
}

func (g *grepper) file(name string, r io.Reader) error {
	if name == "-" {
		name = "(standard input)"
	}
	in := bufio.NewReaderSize(r, bufferSize)
	f := &grepped{name: name}
	if g.most == 0 {
		return nil
	}
	if start, _ := in.Peek(bufferSize / 2); bytes.IndexByte(start, 0) >= 0 {
		f.binary = !g.text && g.end == '\n'
	}
	err := eachWhole(in, g.end, func(line string) bool {
		if f.binary = f.binary || !g.text && g.end == '\n' && strings.IndexByte(line, 0) >= 0; f.binary {
			for part := range strings.SplitSeq(strings.TrimSuffix(line, "\n"), "\x00") {
				if !g.line(f, part) {
					return false
				}
			}
			return true
		}
		goOn := g.line(f, strings.TrimSuffix(line, string(rune(g.end))))
		f.offset += len(line)
		return goOn
	})
	switch {
	case g.quiet && f.matches > 0:
		return Status(0) // no other file has to be read
	case g.quiet:
	case g.list && f.matches > 0, g.unmatched && f.matches == 0:
		g.printf("%s\n", name)
	case g.list || g.unmatched:
	case g.counts && g.names:
		g.printf("%s:%d\n", name, f.matches)
	case g.counts:
		g.printf("%d\n", f.matches)
	}
	return err
}

// line looks at one line and says whether to go on.
func (g *grepper) line(f *grepped, line string) bool {
	f.number++
	match := g.patterns.match(line) != g.invert
	if f.matches >= g.most {
		if match || f.following == 0 {
			return false
		}
	}
	if !match {
		g.context(f, line)
		return true
	}
	f.matches++
	g.hit = true
	switch {
	case g.quiet || g.list || g.unmatched:
		return false
	case g.counts:
	case f.binary:
		_ = g.Stdout.flush() // told at the end
		fmt.Fprintf(g.Stderr, "grep: %s: binary file matches\n", f.name)
		return false
	default:
		first := f.number - len(f.held)
		if g.separate && f.printed > 0 && first > f.printed+1 {
			g.printf("--\n")
		}
		for i, held := range f.held {
			g.print(f, '-', first+i, held)
		}
		f.held, f.following = f.held[:0], g.after
		g.print(f, ':', f.number, line)
	}
	return f.matches < g.most || f.following > 0
}

// context prints or keeps a line that does not match.
func (g *grepper) context(f *grepped, line string) {
	switch {
	case g.counts || g.quiet || g.list || g.unmatched || f.binary:
	case f.following > 0:
		f.following--
		g.print(f, '-', f.number, line)
	case g.before > 0:
		if len(f.held) == g.before {
			f.held = f.held[1:]
		}
		f.held = append(f.held, line)
	}
}

// print prints a line, or what matches of it; sign stands behind what is before it.
func (g *grepper) print(f *grepped, sign byte, number int, line string) {
	f.printed = number
	start := func(offset int) {
		if g.names {
			g.printf("%s%c", f.name, sign)
		}
		if g.numbers {
			g.printf("%d%c", number, sign)
		}
		if g.offsets {
			g.printf("%d%c", f.offset+offset, sign)
		}
	}
	if !g.only {
		start(0)
		g.printf("%s%c", line, g.end)
		return
	}
	if g.invert || sign == '-' {
		return
	}
	for _, m := range g.patterns.all(line) {
		start(m[0])
		g.printf("%s%c", line[m[0]:m[1]], g.end)
	}
}
