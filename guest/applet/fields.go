package applet

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

func runUniq(c *Call) error {
	f := c.flags()
	counted := f.BoolP("count", "c", false, "with how often each comes")
	repeated := f.BoolP("repeated", "d", false, "lines that repeat only")
	once := f.BoolP("unique", "u", false, "lines that do not repeat only")
	fold := f.BoolP("ignore-case", "i", false, "capitals and small letters are the same")
	fields := f.StringP("skip-fields", "f", "0", "without these many fields")
	chars := f.StringP("skip-chars", "s", "0", "without these many bytes then")
	width := f.StringP("check-chars", "w", "", "these many bytes then")
	zero := f.BoolP("zero-terminated", "z", false, "lines end with a zero byte")
	files, err := c.parse(f, 0, 1)
	if err != nil {
		return err
	}
	skip, err1 := parseNumber(*fields)
	from, err2 := parseNumber(*chars)
	most, err3 := parseNumber(cmp.Or(*width, strconv.Itoa(math.MaxInt)))
	if err := cmp.Or(err1, err2, err3); err != nil {
		return err
	}
	key := func(line string) string {
		line = line[order{separator: -1}.after(line, skip, false):]
		line = line[min(from, len(line)):]
		line = line[:min(most, len(line))]
		if *fold {
			return order{fold: true}.seen(line)
		}
		return line
	}
	end := lineEnd(*zero)
	last, times := "", 0
	flush := func() {
		if times == 0 || *repeated && times == 1 || *once && times > 1 {
			return
		}
		if *counted {
			c.printf("%7d ", times)
		}
		c.printf("%s%c", last, end)
	}
	err = c.eachInput(files, func(_ string, r io.Reader) error {
		return eachEnded(r, end, func(line string) bool {
			if times > 0 && key(line) == key(last) {
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

// parseNumber reads a decimal number; one that is too large is the largest.
func parseNumber(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil && (s == "" || strings.Trim(s, "0123456789") != "") {
		return 0, fmt.Errorf("%q is not a number", s)
	}
	return int(min(n, math.MaxInt)), nil
}

// cutter is one run of cut.
type cutter struct {
	*Call
	spans      []span
	delimiter  string
	join       string
	joins      bool // it was given, and so stands between bytes, too
	onlyFields bool
	end        byte
}

func runCut(c *Call) error {
	cut := &cutter{Call: c}
	f := c.flags()
	delimiter := f.StringP("delimiter", "d", "\t", "what stands between fields")
	fields := f.StringP("fields", "f", "", "fields, such as 1,3-5,7-")
	chars := f.StringP("characters", "c", "", "bytes, such as 1-8")
	bytes := f.StringP("bytes", "b", "", "bytes, such as 1-8")
	f.BoolVarP(&cut.onlyFields, "only-delimited", "s", false, "without the lines that have one field")
	complement := f.Bool("complement", false, "all but those")
	f.StringVar(&cut.join, "output-delimiter", "", "what is printed between fields")
	zero := f.BoolP("zero-terminated", "z", false, "lines end with a zero byte")
	files, err := c.parse(f, 0, -1)
	if err != nil {
		return err
	}
	byFields := f.Changed("fields")
	switch {
	case btoi(byFields)+btoi(f.Changed("characters"))+btoi(f.Changed("bytes")) != 1:
		return usageError{"one of -b, -c and -f is needed"}
	case !byFields && (f.Changed("delimiter") || cut.onlyFields):
		return usageError{"-d and -s are for fields"}
	case len(*delimiter) > 1 || *delimiter == "\n":
		return usageError{fmt.Sprintf("%q is not one byte", *delimiter)}
	}
	if cut.spans, err = parseSpans(*fields + *chars + *bytes); err != nil {
		return err
	}
	if *complement {
		cut.spans = outside(cut.spans)
	}
	cut.end, cut.delimiter, cut.joins = lineEnd(*zero), *delimiter, f.Changed("output-delimiter")
	if cut.delimiter == "" {
		cut.delimiter = "\x00"
	}
	if !cut.joins && byFields {
		cut.join = cut.delimiter
	}
	print := cut.bytes
	if byFields {
		print = cut.fields
	}
	return c.eachInput(files, func(_ string, r io.Reader) error {
		return eachEnded(r, cut.end, func(line string) bool { print(line); return true })
	})
}

func (c *cutter) bytes(line string) {
	var parts []string
	for _, s := range c.spans {
		if s.from <= len(line) {
			parts = append(parts, line[s.from-1:min(s.to, len(line))])
		}
	}
	c.printf("%s%c", strings.Join(parts, c.join), c.end)
}

func (c *cutter) fields(line string) {
	all := strings.Split(line, c.delimiter)
	if len(all) == 1 {
		if !c.onlyFields {
			c.printf("%s%c", line, c.end)
		}
		return
	}
	var parts []string
	for _, s := range c.spans {
		if s.from <= len(all) {
			parts = append(parts, all[s.from-1:min(s.to, len(all))]...)
		}
	}
	c.printf("%s%c", strings.Join(parts, c.join), c.end)
}

// span is positions from 1, both ends included.
type span struct{ from, to int }

// parseSpans reads 1,3-5,7- and returns it in order; what overlaps is one.
func parseSpans(s string) ([]span, error) {
	var spans []span
	for _, part := range strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }) {
		a, b, isRange := strings.Cut(part, "-")
		from, err1 := parseNumber(cmp.Or(a, "1"))
		to, err2 := parseNumber(cmp.Or(b, strconv.Itoa(math.MaxInt)))
		if !isRange {
			to = from
		}
		if err1 != nil || err2 != nil || from < 1 || a == "" && b == "" || to < from {
			return nil, fmt.Errorf("%q is not a list such as 1,3-5,7-", s)
		}
		spans = append(spans, span{from, to})
	}
	if len(spans) == 0 {
		return nil, fmt.Errorf("%q is not a list such as 1,3-5,7-", s)
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to)) })
	joined := spans[:1]
	for _, s := range spans[1:] {
		if last := &joined[len(joined)-1]; s.from <= last.to {
			last.to = max(last.to, s.to)
		} else {
			joined = append(joined, s)
		}
	}
	return joined, nil
}

// outside returns the spans between spans.
func outside(spans []span) (between []span) {
	next := 1
	for _, s := range spans {
		if next < s.from {
			between = append(between, span{next, s.from - 1})
		}
		if s.to == math.MaxInt {
			return between
		}
		next = s.to + 1
	}
	return append(between, span{next, math.MaxInt})
}

func runBase64(c *Call) error {
	f := c.flags()
	decode := f.BoolP("decode", "d", false, "decode")
	ignore := f.BoolP("ignore-garbage", "i", false, "pass over what is no letter of the code")
	wrap := f.StringP("wrap", "w", "76", "how long lines are; 0 makes one")
	files, err := c.parse(f, 0, 1)
	if err != nil {
		return err
	}
	width, err := parseNumber(*wrap)
	if err != nil {
		return err
	}
	return c.eachInput(files, func(_ string, r io.Reader) error {
		if *decode {
			_, err := io.Copy(c.Stdout, base64.NewDecoder(base64.StdEncoding, &code{r, *ignore}))
			return err
		}
		lines := &wrapper{w: c.Stdout, width: width}
		w := base64.NewEncoder(base64.StdEncoding, lines)
		if _, err := io.Copy(w, r); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		return lines.end()
	})
}

// code is encoded text without what lies between: ends of lines or, with all, whatever
// is not of the code.
type code struct {
	r   io.Reader
	all bool
}

func (c *code) Read(p []byte) (int, error) {
	for {
		n, err := c.r.Read(p)
		kept := slices.DeleteFunc(p[:n], func(b byte) bool {
			return b == '\n' || c.all && !letterOrDigit(b) && b != '+' && b != '/' && b != '='
		})
		if len(kept) > 0 || err != nil {
			return len(kept), err
		}
	}
}

// wrapper breaks what is written into lines.
type wrapper struct {
	w         io.Writer
	width, at int
}

func (l *wrapper) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		if l.width > 0 && l.at == l.width {
			if _, err := io.WriteString(l.w, "\n"); err != nil {
				return 0, err
			}
			l.at = 0
		}
		n := len(rest)
		if l.width > 0 {
			n = min(n, l.width-l.at)
		}
		if _, err := l.w.Write(rest[:n]); err != nil {
			return 0, err
		}
		l.at, rest = l.at+n, rest[n:]
	}
	return len(p), nil
}

// end ends the last line, if it is one.
func (l *wrapper) end() error {
	if l.width == 0 || l.at == 0 {
		return nil
	}
	_, err := io.WriteString(l.w, "\n")
	return err
}
