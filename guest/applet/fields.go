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
	counted := c.flags.BoolP("count", "c", false, "with how often each comes")
	repeated := c.flags.BoolP("repeated", "d", false, "lines that repeat only")
	once := c.flags.BoolP("unique", "u", false, "lines that do not repeat only")
	files := c.parse(0, 1)
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
	err := c.eachInput(files, func(_ string, r io.Reader) error {
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

// parseNumber reads a decimal number; one that is too large is the largest.
func parseNumber(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 63)
	if err != nil && (s == "" || strings.Trim(s, "0123456789") != "") {
		return 0, fmt.Errorf("%q is not a number", s)
	}
	return int(min(n, math.MaxInt)), nil
}

func runCut(c *Call) error {
	delimiter := c.flags.StringP("delimiter", "d", "\t", "the byte between fields")
	lists := map[string]*[]span{}
	for _, o := range [][2]string{{"fields", "f"}, {"characters", "c"}, {"bytes", "b"}} {
		lists[o[0]] = option(c, o[0], o[1], nil, o[0]+" of a `LIST`, such as 1,3-5,7-", parseSpans)
	}
	onlyFields := c.flags.BoolP("only-delimited", "s", false, "without the lines that have one field")
	files := c.parse(0, -1)
	byFields := *lists["fields"] != nil
	spans := slices.Concat(*lists["fields"], *lists["characters"], *lists["bytes"])
	switch {
	case btoi(byFields)+btoi(*lists["characters"] != nil)+btoi(*lists["bytes"] != nil) != 1:
		return usageError{"one of -b, -c and -f is needed"}
	case !byFields && (c.flags.Changed("delimiter") || *onlyFields):
		return usageError{"-d and -s are for fields"}
	case len(*delimiter) > 1 || *delimiter == "\n":
		return usageError{fmt.Sprintf("%q is not one byte", *delimiter)}
	}
	between := cmp.Or(*delimiter, "\x00")
	return c.eachInput(files, func(_ string, r io.Reader) error {
		return eachLine(r, func(line string) bool {
			var parts []string
			switch {
			case !byFields:
				for _, s := range spans {
					from, to := s.within(len(line))
					parts = append(parts, line[from:to])
				}
				c.printf("%s\n", strings.Join(parts, ""))
			case strings.Contains(line, between):
				fields := strings.Split(line, between)
				for _, s := range spans {
					from, to := s.within(len(fields))
					parts = append(parts, fields[from:to]...)
				}
				c.printf("%s\n", strings.Join(parts, between))
			case !*onlyFields:
				c.printf("%s\n", line)
			}
			return true
		})
	})
}

// span is positions from 1, both ends included.
type span struct{ from, to int }

// within returns the bounds of the span as indices into a list of n elements.
func (s span) within(n int) (from, to int) { return min(s.from-1, n), min(s.to, n) }

// parseSpans reads 1,3-5,7- and returns it in order; spans that overlap become one.
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

func runBase64(c *Call) error {
	decode := c.flags.BoolP("decode", "d", false, "decode")
	width := option(c, "wrap", "w", 76, "the `LENGTH` of lines; 0 makes one line; default 76", parseNumber)
	return c.eachInput(c.parse(0, 1), func(_ string, r io.Reader) error {
		if *decode {
			_, err := io.Copy(c.Stdout, base64.NewDecoder(base64.StdEncoding, r))
			return err
		}
		return c.encode(r, *width)
	})
}

// encode prints base64 in lines of a width, or without any line ends if that is 0.
func (c *Call) encode(r io.Reader, width int) error {
	at := 0 // in the line
	for block := make([]byte, 3<<14); ; {
		n, err := io.ReadFull(r, block)
		for text := base64.StdEncoding.EncodeToString(block[:n]); text != ""; {
			if width > 0 && at == width {
				c.printf("\n")
				at = 0
			}
			part := text
			if width > 0 {
				part = text[:min(len(text), width-at)]
			}
			c.printf("%s", part)
			at, text = at+len(part), text[len(part):]
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		if err != nil {
			return err
		}
	}
	if width > 0 && at > 0 {
		c.printf("\n")
	}
	return nil
}
