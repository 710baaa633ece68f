package applet

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math"
	"strings"

	"golang.org/x/sys/unix"
)

// grepper is one run of grep.
type grepper struct {
	*Call
	patterns                                        *patterns
	invert, counts, list, unmatched, numbers, quiet bool
	only, text, silent                              bool
	names, hit                                      bool
	separate                                        bool // groups of lines
	most, before, after                             int
}

func runGrep(c *Call) error {
	c.trouble = 2
	g := &grepper{Call: c}
	var o patternOptions
	c.flags.BoolVarP(&o.extended, "extended-regexp", "E", false, "extended expressions")
	c.flags.BoolVarP(&o.fixed, "fixed-strings", "F", false, "the pattern is plain text")
	c.flags.BoolVarP(&o.fold, "ignore-case", "i", false, "capitals and small letters are the same")
	c.flags.BoolVarP(&o.word, "word-regexp", "w", false, "whole words")
	c.flags.BoolVarP(&o.line, "line-regexp", "x", false, "whole lines")
	recursive := c.flags.BoolP("recursive", "r", false, "all files in folders")
	withName := c.flags.BoolP("with-filename", "H", false, "with the names of the files")
	noName := c.flags.BoolP("no-filename", "h", false, "without the names of the files")
	list := c.flags.StringArrayP("regexp", "e", nil, "a pattern; may come several times")
	c.flags.BoolVarP(&g.invert, "invert-match", "v", false, "lines that do not match")
	c.flags.BoolVarP(&g.counts, "count", "c", false, "how many lines match")
	c.flags.BoolVarP(&g.list, "files-with-matches", "l", false, "names of files that match")
	c.flags.BoolVarP(&g.unmatched, "files-without-match", "L", false, "names of files that do not match")
	c.flags.BoolVarP(&g.numbers, "line-number", "n", false, "with line numbers")
	c.flags.BoolVarP(&g.only, "only-matching", "o", false, "only the matches")
	c.flags.BoolVarP(&g.quiet, "quiet", "q", false, "print nothing; the exit status is the result")
	c.flags.BoolVarP(&g.silent, "no-messages", "s", false, "no messages about files that cannot be read")
	c.flags.BoolVarP(&g.text, "text", "a", false, "print lines of binary files, too")
	most := option(c, "max-count", "m", math.MaxInt, "stop after this many `LINES`", parseNumber)
	before := option(c, "before-context", "B", -1, "with this many `LINES` before", parseNumber)
	after := option(c, "after-context", "A", -1, "with this many `LINES` after", parseNumber)
	around := option(c, "context", "C", -1, "with this many `LINES` before and after", parseNumber)
	args := c.parse(0, -1)
	if o.extended && o.fixed {
		return usageError{"-E and -F exclude one another"}
	}
	if *before < 0 {
		*before = *around
	}
	if *after < 0 {
		*after = *around
	}
	g.most, g.before, g.after = *most, max(0, *before), max(0, *after)
	g.separate = *before >= 0 || *after >= 0
	if len(*list) == 0 {
		if len(args) == 0 {
			return usageError{"pattern missing"}
		}
		*list, args = args[:1], args[1:]
	}
	var err error
	if g.patterns, err = compilePatterns(*list, o); err != nil {
		return err
	}
	g.names = (len(args) > 1 || *recursive && (len(args) == 0 || isDir(args[0])) || *withName) && !*noName
	if g.silent {
		c.Stderr = io.Discard
	}
	switch {
	case *recursive && len(args) == 0:
		for _, name := range g.filesBelow([]string{"."}) {
			if name != "./-" { // a file, and not standard input
				name = strings.TrimPrefix(name, "./")
			}
			args = append(args, name)
		}
	case *recursive:
		args = g.filesBelow(args)
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

// filesBelow returns the regular files in folders, and operands that are no folders.
func (c *Call) filesBelow(roots []string) (files []string) {
	visit := func(e entry) bool {
		if e.depth == 0 && !e.is(unix.S_IFDIR) || e.is(unix.S_IFREG) {
			files = append(files, e.path)
		}
		return true
	}
	for _, root := range roots {
		if root == "-" {
			files = append(files, root)
			continue
		}
		walk{follow: true, visit: visit, failed: c.warn}.from(root)
	}
	return files
}

// grepped is the state of grep in one file.
type grepped struct {
	name      string
	number    int
	matches   int
	held      []string // lines that may stand before the next match
	following int      // lines that are still to be printed behind the last one
	printed   int      // the number of the line that was printed last
	binary    bool
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
		f.binary = !g.text
	}
	err := eachLine(in, func(line string) bool {
		if f.binary = f.binary || !g.text && strings.IndexByte(line, 0) >= 0; f.binary {
			for part := range strings.SplitSeq(line, "\x00") {
				if !g.line(f, part) {
					return false
				}
			}
			return true
		}
		return g.line(f, line)
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

// line handles one line and returns whether to go on.
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
		_ = g.Stdout.flush() // Within reports its error
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

// print prints a line, or its matches; sign separates them from the file name and the line number.
func (g *grepper) print(f *grepped, sign byte, number int, line string) {
	f.printed = number
	start := ""
	if g.names {
		start = fmt.Sprintf("%s%c", f.name, sign)
	}
	if g.numbers {
		start += fmt.Sprintf("%d%c", number, sign)
	}
	if !g.only {
		g.printf("%s%s\n", start, line)
		return
	}
	if g.invert || sign == '-' {
		return
	}
	for _, match := range g.patterns.all(line) {
		g.printf("%s%s\n", start, match)
	}
}
