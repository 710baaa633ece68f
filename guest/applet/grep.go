package applet

import (
	"io"
	"io/fs"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// grepper is one run of grep.
type grepper struct {
	*Call
	pattern                                    *regexp.Regexp
	invert, counts, list, numbers, quiet, only bool
	names, hit                                 bool
}

func runGrep(c *Call) error {
	c.trouble = 2
	g := &grepper{Call: c}
	f := c.flags()
	f.BoolP("extended-regexp", "E", false, "patterns are always extended")
	fixed := f.BoolP("fixed-strings", "F", false, "the pattern is plain text")
	fold := f.BoolP("ignore-case", "i", false, "capitals and small letters are the same")
	word := f.BoolP("word-regexp", "w", false, "whole words")
	line := f.BoolP("line-regexp", "x", false, "whole lines")
	recursive := f.BoolP("recursive", "r", false, "all files in folders")
	withName := f.BoolP("with-filename", "H", false, "with the names of the files")
	noName := f.BoolP("no-filename", "h", false, "without the names of the files")
	patterns := f.StringArrayP("regexp", "e", nil, "a pattern; may come several times")
	f.BoolVarP(&g.invert, "invert-match", "v", false, "lines that do not match")
	f.BoolVarP(&g.counts, "count", "c", false, "how many lines match")
	f.BoolVarP(&g.list, "files-with-matches", "l", false, "names of files that match")
	f.BoolVarP(&g.numbers, "line-number", "n", false, "with line numbers")
	f.BoolVarP(&g.only, "only-matching", "o", false, "what matches only")
	f.BoolVarP(&g.quiet, "quiet", "q", false, "print nothing, the exit status tells")
	args, err := c.parse(f, 0, -1)
	if err != nil {
		return err
	}
	if len(*patterns) == 0 {
		if len(args) == 0 {
			return usageError{"pattern missing"}
		}
		*patterns, args = args[:1], args[1:]
	}
	if g.pattern, err = compilePattern(*patterns, *fixed, *fold, *word, *line); err != nil {
		return err
	}
	if *recursive {
		args = c.filesBelow(args)
	}
	g.names = (len(args) > 1 || *recursive || *withName) && !*noName
	if err := c.eachInput(args, g.file); err != nil {
		return err
	}
	switch {
	case g.hit && g.quiet:
		return Status(0)
	case c.status != 0:
		return Status(2)
	case !g.hit:
		return Status(1)
	}
	return nil
}

// compilePattern makes one expression of several patterns, a line each.
func compilePattern(patterns []string, fixed, fold, word, line bool) (*regexp.Regexp, error) {
	var parts []string
	for _, p := range patterns {
		for part := range strings.SplitSeq(p, "\n") {
			if fixed {
				part = regexp.QuoteMeta(part)
			} else {
				// Basic expressions escape what extended ones have bare.
				part = strings.NewReplacer(`\|`, "|", `\(`, "(", `\)`, ")", `\+`, "+", `\?`, "?", `\{`, "{", `\}`, "}").Replace(part)
			}
			parts = append(parts, "(?:"+part+")")
		}
	}
	expr := "(?:" + strings.Join(parts, "|") + ")"
	if word {
		expr = `\b` + expr + `\b`
	}
	if line {
		expr = "^" + expr + "$"
	}
	if fold {
		expr = "(?i)" + expr
	}
	return regexp.Compile(expr)
}

func (c *Call) filesBelow(roots []string) []string {
	if len(roots) == 0 {
		roots = []string{"."}
	}
	var files []string
	for _, root := range roots {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				c.warn(err)
				return nil
			}
			if d.Type().IsRegular() {
				files = append(files, path)
			}
			return nil
		})
		if err != nil {
			c.warn(err)
		}
	}
	return files
}

func (g *grepper) file(name string, r io.Reader) error {
	prefix := ""
	if g.names {
		prefix = name + ":"
	}
	matches, number := 0, 0
	err := eachLine(r, func(line string) bool {
		number++
		if g.pattern.MatchString(line) == g.invert {
			return true
		}
		matches++
		g.hit = true
		switch {
		case g.quiet || g.list:
			return false
		case !g.counts:
			g.line(prefix, number, line)
		}
		return true
	})
	switch {
	case g.quiet:
	case g.list && matches > 0:
		g.printf("%s\n", name)
	case g.counts:
		g.printf("%s%d\n", prefix, matches)
	}
	return err
}

func (g *grepper) line(prefix string, number int, line string) {
	if g.numbers {
		prefix += strconv.Itoa(number) + ":"
	}
	if !g.only {
		g.printf("%s%s\n", prefix, line)
		return
	}
	for _, m := range g.pattern.FindAllString(line, -1) {
		g.printf("%s%s\n", prefix, m)
	}
}
