package applet

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"
)

func textApplets() []Applet {
	return []Applet{
		{"cut", "-d CHAR -f LIST | -c LIST [FILE...]", "print parts of lines", runCut},
		{"grep", "[-EFcHhilnoqrvw] PATTERN [FILE...]", "print lines that match", runGrep},
		{"head", "[-n LINES] [-c BYTES] [FILE...]", "print the start of files", runHead},
		{"hexdump", "[-n BYTES] [-s OFFSET] [FILE...]", "print bytes as numbers", runHexdump},
		{"less", "[FILE...]", "show files page by page", runMore},
		{"more", "[FILE...]", "show files page by page", runMore},
		{"sort", "[-nru] [-k FIELD] [-t CHAR] [FILE...]", "sort lines", runSort},
		{"strings", "[-n LENGTH] [FILE...]", "print the text in binary files", runStrings},
		{"tail", "[-f] [-n LINES] [-c BYTES] [FILE...]", "print the end of files", runTail},
		{"tee", "[-a] [FILE...]", "copy standard input to files and on", runTee},
		{"tr", "[-d] SET [SET]", "replace or delete characters", runTr},
		{"uniq", "[-cdu] [FILE]", "drop lines that repeat the one before", runUniq},
		{"wc", "[-clmw] [FILE...]", "count lines, words and bytes", runWc},
	}
}

// eachLine calls fn for every line, without its end, until it returns false.
func eachLine(r io.Reader, fn func(line string) bool) error {
	return eachWholeLine(r, func(line string) bool { return fn(strings.TrimSuffix(line, "\n")) })
}

// eachWholeLine does so with the ends, which the last line may lack.
func eachWholeLine(r io.Reader, fn func(line string) bool) error {
	in := bufio.NewReaderSize(r, 1<<16)
	for {
		line, err := in.ReadString('\n')
		if line != "" && !fn(line) {
			return nil
		}
		if err != nil {
			return notEOF(err)
		}
	}
}

// oldCount turns the -5 of old into -n 5.
func oldCount(args []string) []string {
	out := slices.Clone(args)
	for i, a := range out {
		if len(a) > 1 && a[0] == '-' && strings.Trim(a[1:], "0123456789") == "" {
			out[i] = "-n" + a[1:]
		}
	}
	return out
}

func (c *Call) heading(name string, n, i int) {
	if n > 1 {
		if i > 0 {
			c.printf("\n")
		}
		c.printf("==> %s <==\n", name)
	}
}

func runHead(c *Call) error {
	c.Args = oldCount(c.Args)
	f := c.flags()
	lines := f.IntP("lines", "n", 10, "how many lines")
	size := f.StringP("bytes", "c", "", "how many bytes")
	files, err := c.parse(f, 0, -1)
	if err != nil {
		return err
	}
	limit := int64(-1)
	if *size != "" {
		if limit, err = parseSize(*size); err != nil {
			return err
		}
	}
	i := 0
	return c.eachInput(files, func(name string, r io.Reader) error {
		c.heading(name, len(files), i)
		i++
		if limit >= 0 {
			_, err := io.CopyN(c.Stdout, r, limit)
			return notEOF(err)
		}
		left := *lines
		if left <= 0 {
			return nil
		}
		return eachWholeLine(r, func(line string) bool {
			c.printf("%s", line)
			left--
			return left > 0
		})
	})
}

func runTail(c *Call) error {
	c.Args = oldCount(c.Args)
	f := c.flags()
	count := f.StringP("lines", "n", "10", "how many lines; +5 starts at the fifth")
	size := f.StringP("bytes", "c", "", "how many bytes")
	follow := f.BoolP("follow", "f", false, "go on with what is added")
	files, err := c.parse(f, 0, -1)
	if err != nil {
		return err
	}
	lines, err := strconv.Atoi(strings.TrimLeft(*count, "+-"))
	if err != nil {
		return fmt.Errorf("%q is not a number of lines", *count)
	}
	bytes := int64(-1)
	if *size != "" {
		if bytes, err = parseSize(*size); err != nil {
			return err
		}
	}
	i := 0
	return c.eachInput(files, func(name string, r io.Reader) error {
		c.heading(name, len(files), i)
		i++
		var err error
		switch {
		case bytes >= 0:
			err = c.tailBytes(r, bytes)
		case strings.HasPrefix(*count, "+"):
			err = c.fromLine(r, lines)
		default:
			err = c.tailLines(r, lines)
		}
		if err == nil && *follow && i == max(1, len(files)) {
			err = c.follow(r)
		}
		return err
	})
}

func (c *Call) tailBytes(r io.Reader, n int64) error {
	var end []byte
	buf := make([]byte, 1<<16)
	for {
		m, err := r.Read(buf)
		end = append(end, buf[:m]...)
		if int64(len(end)) > 2*n+1<<16 {
			end = slices.Clone(end[int64(len(end))-n:])
		}
		if err != nil {
			if int64(len(end)) > n {
				end = end[int64(len(end))-n:]
			}
			c.Stdout.Write(end)
			return notEOF(err)
		}
	}
}

func (c *Call) fromLine(r io.Reader, first int) error {
	n := 0
	return eachWholeLine(r, func(line string) bool {
		if n++; n >= first {
			c.printf("%s", line)
		}
		return true
	})
}

func (c *Call) tailLines(r io.Reader, n int) error {
	ring := make([]string, 0, min(n, 1000))
	next := 0
	err := eachWholeLine(r, func(line string) bool {
		switch {
		case n == 0:
		case len(ring) < n:
			ring = append(ring, line)
		default:
			ring[next] = line
			next = (next + 1) % n
		}
		return true
	})
	for i := range ring {
		c.printf("%s", ring[(next+i)%len(ring)])
	}
	return err
}

// follow prints what is added to a file, until the process is ended.
func (c *Call) follow(r io.Reader) error {
	for {
		if _, err := io.Copy(c.Stdout, r); err != nil {
			return err
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func runTee(c *Call) error {
	f := c.flags()
	add := f.BoolP("append", "a", false, "add to the files")
	names, err := c.parse(f, 0, -1)
	if err != nil {
		return err
	}
	mode := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	if *add {
		mode = os.O_WRONLY | os.O_CREATE | os.O_APPEND
	}
	outs := []io.Writer{c.Stdout}
	for _, name := range names {
		file, err := os.OpenFile(name, mode, 0o666)
		if err != nil {
			c.warn(err)
			continue
		}
		defer file.Close()
		outs = append(outs, file)
	}
	_, err = io.Copy(io.MultiWriter(outs...), c.Stdin)
	return err
}

func runWc(c *Call) error {
	f := c.flags()
	lines := f.BoolP("lines", "l", false, "lines")
	words := f.BoolP("words", "w", false, "words")
	chars := f.BoolP("chars", "m", false, "characters")
	bytes := f.BoolP("bytes", "c", false, "bytes")
	files, err := c.parse(f, 0, -1)
	if err != nil {
		return err
	}
	if !*lines && !*words && !*chars && !*bytes {
		*lines, *words, *bytes = true, true, true
	}
	show := func(n counts, name string) {
		var out []string
		for _, column := range []struct {
			on bool
			n  int64
		}{{*lines, n.lines}, {*words, n.words}, {*chars, n.chars}, {*bytes, n.bytes}} {
			if column.on {
				out = append(out, strconv.FormatInt(column.n, 10))
			}
		}
		if name != "-" {
			out = append(out, name)
		}
		c.printf("%s\n", strings.Join(out, " "))
	}
	var total counts
	err = c.eachInput(files, func(name string, r io.Reader) error {
		n, err := count(r)
		if err == nil {
			show(n, name)
			total = counts{total.lines + n.lines, total.words + n.words, total.chars + n.chars, total.bytes + n.bytes}
		}
		return err
	})
	if len(files) > 1 {
		show(total, "total")
	}
	return err
}

type counts struct{ lines, words, chars, bytes int64 }

func count(r io.Reader) (n counts, err error) {
	buf := make([]byte, 1<<16)
	inWord := false
	for {
		m, err := r.Read(buf)
		for _, b := range buf[:m] {
			blank := b == ' ' || b >= '\t' && b <= '\r'
			n.lines += int64(btoi(b == '\n'))
			n.words += int64(btoi(!blank && !inWord))
			n.chars += int64(btoi(b&0xC0 != 0x80)) // not the inside of a UTF-8 sequence
			inWord = !blank
		}
		n.bytes += int64(m)
		if err != nil {
			return n, notEOF(err)
		}
	}
}

func runSort(c *Call) error {
	f := c.flags()
	numeric := f.BoolP("numeric-sort", "n", false, "by the number that lines start with")
	human := f.BoolP("human-numeric-sort", "h", false, "by sizes such as 2K and 1.5G")
	reverse := f.BoolP("reverse", "r", false, "in reverse")
	unique := f.BoolP("unique", "u", false, "each line once")
	key := f.StringP("key", "k", "", "by what stands from this field on")
	separator := f.StringP("field-separator", "t", "", "what stands between fields")
	files, err := c.parse(f, 0, -1)
	if err != nil {
		return err
	}
	field := 0
	if *key != "" {
		digits, _, _ := strings.Cut(*key, ",")
		if field, err = strconv.Atoi(strings.TrimRight(digits, "nrh")); err != nil || field < 1 {
			return fmt.Errorf("key %q is not a field's number, from 1", *key)
		}
		*numeric = *numeric || strings.Contains(*key, "n")
	}
	var lines []string
	err = c.eachInput(files, func(_ string, r io.Reader) error {
		return eachLine(r, func(line string) bool { lines = append(lines, line); return true })
	})
	order := func(a, b string) int {
		x, y := fieldFrom(a, field, *separator), fieldFrom(b, field, *separator)
		by := 0
		switch {
		case *human:
			by = cmp.Compare(leadingSize(x), leadingSize(y))
		case *numeric:
			by = cmp.Compare(leadingNumber(x), leadingNumber(y))
		default:
			by = strings.Compare(x, y)
		}
		if *reverse {
			by = -by
		}
		return by
	}
	slices.SortStableFunc(lines, order)
	if *unique {
		lines = slices.CompactFunc(lines, func(a, b string) bool { return order(a, b) == 0 })
	}
	for _, line := range lines {
		c.printf("%s\n", line)
	}
	return err
}

// fieldFrom returns the line from its nth field on; all of it for n below 2.
func fieldFrom(line string, n int, separator string) string {
	for ; n > 1; n-- {
		if separator != "" {
			_, line, _ = strings.Cut(line, separator)
			continue
		}
		line = strings.TrimLeft(line, " \t")
		if i := strings.IndexAny(line, " \t"); i >= 0 {
			line = line[i:]
		} else {
			line = ""
		}
	}
	return strings.TrimLeft(line, " \t")
}

func leadingNumber(s string) float64 {
	end := 0
	for end < len(s) && strings.IndexByte("+-.0123456789", s[end]) >= 0 {
		end++
	}
	n, _ := strconv.ParseFloat(s[:end], 64) // what is no number counts as 0
	return n
}

func leadingSize(s string) float64 {
	n := leadingNumber(s)
	rest := strings.TrimLeft(s, "+-.0123456789")
	if rest != "" {
		if i := strings.IndexByte("KMGTPE", rest[0]&^0x20); i >= 0 {
			for range i + 1 {
				n *= 1024
			}
		}
	}
	return n
}

func runUniq(c *Call) error {
	f := c.flags()
	counted := f.BoolP("count", "c", false, "with how often each comes")
	repeated := f.BoolP("repeated", "d", false, "lines that repeat only")
	once := f.BoolP("unique", "u", false, "lines that do not repeat only")
	files, err := c.parse(f, 0, 1)
	if err != nil {
		return err
	}
	last, times := "", 0
	flush := func() {
		if times == 0 || *repeated && times == 1 || *once && times > 1 {
			return
		}
		if *counted {
			c.printf("%7d ", times)
		}
		c.printf("%s\n", last)
	}
	err = c.eachInput(files, func(_ string, r io.Reader) error {
		return eachLine(r, func(line string) bool {
			if times > 0 && line == last {
				times++
				return true
			}
			flush()
			last, times = line, 1
			return true
		})
	})
	flush()
	return err
}

func runCut(c *Call) error {
	f := c.flags()
	delimiter := f.StringP("delimiter", "d", "\t", "what stands between fields")
	fields := f.StringP("fields", "f", "", "fields, such as 1,3-5,7-")
	chars := f.StringP("characters", "c", "", "characters, such as 1-8")
	files, err := c.parse(f, 0, -1)
	if err != nil {
		return err
	}
	if (*fields == "") == (*chars == "") {
		return usageError{"either -f or -c is needed"}
	}
	wanted, err := parseRanges(*fields + *chars)
	if err != nil {
		return err
	}
	return c.eachInput(files, func(_ string, r io.Reader) error {
		return eachLine(r, func(line string) bool {
			if *chars != "" {
				c.printf("%s\n", strings.Join(pick(strings.Split(line, ""), wanted), ""))
			} else if strings.Contains(line, *delimiter) {
				c.printf("%s\n", strings.Join(pick(strings.Split(line, *delimiter), wanted), *delimiter))
			} else {
				c.printf("%s\n", line)
			}
			return true
		})
	})
}

// parseRanges reads 1,3-5,7- as a predicate on positions from 1.
func parseRanges(s string) (func(int) bool, error) {
	type span struct{ from, to int }
	var spans []span
	for part := range strings.SplitSeq(s, ",") {
		a, b, isRange := strings.Cut(part, "-")
		from, err1 := strconv.Atoi(cmp.Or(a, "1"))
		to, err2 := strconv.Atoi(cmp.Or(b, "1000000000"))
		if !isRange {
			to = from
		}
		if err1 != nil || err2 != nil || from < 1 || a == "" && b == "" {
			return nil, fmt.Errorf("%q is not a list such as 1,3-5,7-", s)
		}
		spans = append(spans, span{from, to})
	}
	return func(n int) bool {
		return slices.ContainsFunc(spans, func(s span) bool { return s.from <= n && n <= s.to })
	}, nil
}

func pick(parts []string, wanted func(int) bool) []string {
	var out []string
	for i, p := range parts {
		if wanted(i + 1) {
			out = append(out, p)
		}
	}
	return out
}

func runTr(c *Call) error {
	f := c.flags()
	remove := f.BoolP("delete", "d", false, "delete the characters of the first set")
	sets, err := c.parse(f, 1, 2)
	if err != nil {
		return err
	}
	from := expandSet(sets[0])
	var to []rune
	if !*remove {
		if len(sets) < 2 || sets[1] == "" {
			return usageError{"the second set is missing"}
		}
		to = expandSet(sets[1])
	}
	replace := map[rune]rune{}
	for i, r := range from {
		if *remove {
			replace[r] = -1
		} else {
			replace[r] = to[min(i, len(to)-1)]
		}
	}
	in := bufio.NewReader(c.Stdin)
	out := bufio.NewWriter(c.Stdout)
	defer out.Flush()
	for {
		r, _, err := in.ReadRune()
		if err != nil {
			return notEOF(err)
		}
		if to, ok := replace[r]; ok {
			r = to
		}
		if r >= 0 {
			out.WriteRune(r)
		}
	}
}

// expandSet writes out ranges (a-z), classes and escapes.
func expandSet(s string) []rune {
	for class, chars := range map[string]string{
		"[:lower:]": "a-z", "[:upper:]": "A-Z", "[:digit:]": "0-9", "[:alpha:]": "A-Za-z",
		"[:alnum:]": "A-Za-z0-9", "[:space:]": "\t-\r ", "[:blank:]": "\t ",
	} {
		s = strings.ReplaceAll(s, class, chars)
	}
	s = strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\r`, "\r", `\0`, "\x00", `\\`, `\`).Replace(s)
	runes := []rune(s)
	var out []rune
	for i := 0; i < len(runes); i++ {
		if i+2 < len(runes) && runes[i+1] == '-' && runes[i] <= runes[i+2] {
			for r := runes[i]; r <= runes[i+2]; r++ {
				out = append(out, r)
			}
			i += 2
			continue
		}
		out = append(out, runes[i])
	}
	return out
}

// grepper is one run of grep.
type grepper struct {
	*Call
	pattern                                    *regexp.Regexp
	invert, counts, list, numbers, quiet, only bool
	names, hit                                 bool
}

func runGrep(c *Call) error {
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

func runHexdump(c *Call) error {
	f := c.flags()
	f.BoolP("canonical", "C", true, "always on: numbers and characters")
	length := f.StringP("length", "n", "", "how many bytes")
	skip := f.StringP("skip", "s", "0", "where to start")
	files, err := c.parse(f, 0, -1)
	if err != nil {
		return err
	}
	start, err := parseOffset(*skip)
	if err != nil {
		return err
	}
	limit := int64(1<<63 - 1)
	if *length != "" {
		if limit, err = parseOffset(*length); err != nil {
			return err
		}
	}
	return c.eachInput(files, func(_ string, r io.Reader) error {
		if err := skipTo(r, start); err != nil {
			return err
		}
		return c.dump(io.LimitReader(r, limit), start)
	})
}

func parseOffset(s string) (int64, error) {
	if strings.HasPrefix(s, "0x") {
		return strconv.ParseInt(s, 0, 64)
	}
	return parseSize(s)
}

// skipTo passes over the start of what is read, by seeking where that works.
func skipTo(r io.Reader, offset int64) error {
	if s, ok := r.(io.Seeker); ok {
		if _, err := s.Seek(offset, io.SeekStart); err == nil {
			return nil
		}
	}
	_, err := io.CopyN(io.Discard, r, offset)
	return notEOF(err)
}

// dump prints sixteen bytes a line; lines that repeat the one before are a star.
func (c *Call) dump(r io.Reader, offset int64) error {
	var last []byte
	starred := false
	row := make([]byte, 16)
	for {
		n, err := io.ReadFull(r, row)
		if n > 0 {
			if n == 16 && bytes.Equal(row, last) {
				if !starred {
					c.printf("*\n")
				}
				starred = true
			} else {
				c.dumpRow(offset, row[:n])
				last, starred = append(last[:0], row[:n]...), false
			}
			offset += int64(n)
		}
		if err != nil {
			if last != nil {
				c.printf("%08x\n", offset)
			}
			if err == io.ErrUnexpectedEOF {
				return nil
			}
			return notEOF(err)
		}
	}
}

func (c *Call) dumpRow(offset int64, row []byte) {
	var numbers, text strings.Builder
	for i := range 16 {
		if i == 8 {
			numbers.WriteByte(' ')
		}
		if i >= len(row) {
			numbers.WriteString("   ")
			continue
		}
		fmt.Fprintf(&numbers, "%02x ", row[i])
		if row[i] >= ' ' && row[i] < 0x7F {
			text.WriteByte(row[i])
		} else {
			text.WriteByte('.')
		}
	}
	c.printf("%08x  %s |%s|\n", offset, numbers.String(), text.String())
}

func runStrings(c *Call) error {
	f := c.flags()
	shortest := f.IntP("bytes", "n", 4, "the shortest text to print")
	files, err := c.parse(f, 0, -1)
	if err != nil {
		return err
	}
	return c.eachInput(files, func(_ string, r io.Reader) error {
		in := bufio.NewReaderSize(r, 1<<16)
		var run []byte
		for {
			b, err := in.ReadByte()
			if err == nil && (b == '\t' || b >= ' ' && b < 0x7F) {
				run = append(run, b)
				continue
			}
			if len(run) >= *shortest {
				c.printf("%s\n", run)
			}
			run = run[:0]
			if err != nil {
				return notEOF(err)
			}
		}
	})
}

// runMore shows a screen at a time: Enter goes on by a line, q ends, any other
// key goes on by a screen. Off a terminal it is cat.
func runMore(c *Call) error {
	files, err := c.operands(0, -1)
	if err != nil {
		return err
	}
	out, ok := c.Stdout.(*os.File)
	if !ok || !term.IsTerminal(int(out.Fd())) {
		return c.eachInput(files, func(_ string, r io.Reader) error {
			_, err := io.Copy(c.Stdout, r)
			return err
		})
	}
	// Keys come from the terminal, for standard input may be what is shown.
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer tty.Close()
	p := &pager{tty: tty, out: out, width: 80, height: 24}
	if w, h, err := term.GetSize(int(out.Fd())); err == nil && w > 0 && h > 1 {
		p.width, p.height = w, h
	}
	p.left = p.height - 1
	err = c.eachInput(files, func(_ string, r io.Reader) error { return eachLine(r, p.line) })
	return err
}

type pager struct {
	tty, out      *os.File
	width, height int
	left          int // rows until the next pause
	ended         bool
}

func (p *pager) line(line string) bool {
	if p.ended {
		return false
	}
	rows := 1 + max(0, utf8.RuneCountInString(line)-1)/p.width
	if p.left < rows && !p.pause() {
		p.ended = true
		return false
	}
	p.left -= rows
	fmt.Fprintln(p.out, line)
	return true
}

func (p *pager) pause() bool {
	fd := int(p.tty.Fd())
	fmt.Fprint(p.out, "--more--")
	old, err := term.MakeRaw(fd)
	if err != nil {
		return false
	}
	var key [1]byte
	_, err = p.tty.Read(key[:])
	term.Restore(fd, old)
	fmt.Fprint(p.out, "\r        \r")
	switch {
	case err != nil, key[0] == 'q', key[0] == 'Q', key[0] == 3, key[0] == 4:
		return false
	case key[0] == '\r' || key[0] == '\n':
		p.left = 1
	default:
		p.left = p.height - 1
	}
	return true
}
