package applet

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
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
		if err := c.Stdout.flush(); err != nil {
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
	c.trouble = 2
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
	for {
		r, _, err := in.ReadRune()
		if err != nil {
			return notEOF(err)
		}
		if to, ok := replace[r]; ok {
			r = to
		}
		if r >= 0 {
			c.printf("%c", r)
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
