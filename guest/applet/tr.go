package applet

import (
	"fmt"
	"strconv"
	"strings"
)

// runTr works on bytes, as POSIX has it of what is not the locale's.
func runTr(c *Call) error {
	f := c.flags()
	complement := f.BoolP("complement", "c", false, "all bytes but those of the first set")
	capital := f.BoolP("Complement", "C", false, "the same")
	remove := f.BoolP("delete", "d", false, "delete the bytes of the first set")
	squeeze := f.BoolP("squeeze-repeats", "s", false, "one byte in place of several of the last set")
	truncate := f.BoolP("truncate-set1", "t", false, "no more of the first set than the second has")
	f.SetInterspersed(false) // a set may start with a hyphen
	sets, err := c.parse(f, 1, 2)
	if err != nil {
		return err
	}
	*complement = *complement || *capital
	switch {
	case *remove && !*squeeze && len(sets) > 1:
		return usageError{"-d takes one set"}
	case (*remove == *squeeze) && len(sets) < 2:
		return usageError{"the second set is missing"}
	}
	from, err := parseSet(sets[0], 0)
	if err != nil {
		return err
	}
	if *complement {
		from = from.complement()
	}
	t := translation{}
	for i := range t.to {
		t.to[i] = byte(i)
	}
	last := from
	if len(sets) == 2 {
		if last, err = parseSet(sets[1], len(from)); err != nil {
			return err
		}
	}
	switch {
	case *remove:
		for _, b := range from {
			t.drop[b] = true
		}
	case len(sets) == 2:
		cased := strings.Contains(sets[0], "[:lower:]") || strings.Contains(sets[0], "[:upper:]")
		for class := range classes {
			if strings.Contains(sets[1], "[:"+class+":]") && !(cased && (class == "lower" || class == "upper")) {
				return usageError{"class " + class + " does not say what bytes become"}
			}
		}
		if len(last) == 0 && !*truncate {
			return usageError{"the second set is empty"}
		}
		for i, b := range from {
			if i < len(last) || !*truncate {
				t.to[b] = last[min(i, len(last)-1)]
			}
		}
	}
	if *squeeze {
		for _, b := range last {
			t.squeeze[b] = true
		}
	}
	return t.run(c)
}

type translation struct {
	to            [256]byte
	drop, squeeze [256]bool
}

func (t *translation) run(c *Call) error {
	buf := make([]byte, bufferSize)
	before := -1 // the byte that was printed last
	for {
		n, err := c.Stdin.Read(buf)
		kept := buf[:0]
		for _, b := range buf[:n] {
			if t.drop[b] {
				continue
			}
			b = t.to[b]
			if t.squeeze[b] && int(b) == before {
				continue
			}
			before = int(b)
			kept = append(kept, b)
		}
		c.Stdout.Write(kept) //nolint:errcheck // told at the end
		if err != nil {
			return notEOF(err)
		}
	}
}

// byteSet is bytes in the order in which they were named.
type byteSet []byte

func (s byteSet) complement() (rest byteSet) {
	var in [256]bool
	for _, b := range s {
		in[b] = true
	}
	for i := range in {
		if !in[i] {
			rest = append(rest, byte(i))
		}
	}
	return rest
}

// classes are the character classes of POSIX, in ASCII.
var classes = map[string]string{
	"lower": "a-z", "upper": "A-Z", "digit": "0-9", "alpha": "A-Za-z", "alnum": "0-9A-Za-z", "xdigit": "0-9A-Fa-f",
	"space": `\t-\r `, "blank": `\t `, "punct": `!-/:-@[-\140{-~`, "cntrl": `\000-\037\177`, "print": " -~", "graph": "!-~",
}

// parseSet writes out ranges (a-z), classes, escapes and repeats ([x*3]). One repeat
// without a number fills the set up to the length of the first one.
func parseSet(s string, length int) (set byteSet, err error) {
	fill, filler := -1, byte(0)
	for rest := s; rest != ""; {
		if class, after, ok := bracketed(rest, "[:", ":]"); ok {
			chars, known := classes[class]
			if !known {
				return nil, usageError{fmt.Sprintf("unknown class %q", class)}
			}
			of, err := parseSet(chars, 0)
			if err != nil {
				return nil, err
			}
			set, rest = append(set, of...), after
			continue
		}
		if equal, after, ok := bracketed(rest, "[=", "=]"); ok && len(equal) == 1 {
			set, rest = append(set, equal[0]), after
			continue
		}
		if rest[0] == '[' {
			if b, times, after, ok := repeated(rest[1:]); ok && times > 0 {
				set, rest = append(set, strings.Repeat(string([]byte{b}), times)...), after
				continue
			} else if ok {
				fill, filler, rest = len(set), b, after
				continue
			}
		}
		b, after := unescape(rest)
		if len(after) < 2 || after[0] != '-' {
			set, rest = append(set, b), after
			continue
		}
		to, after := unescape(after[1:])
		if to < b {
			return nil, usageError{fmt.Sprintf("range %q goes backwards", rest[:len(rest)-len(after)])}
		}
		for i := int(b); i <= int(to); i++ {
			set = append(set, byte(i))
		}
		rest = after
	}
	if missing := length - len(set); fill >= 0 && missing > 0 {
		tail := string(set[fill:])
		set = append(append(set[:fill], strings.Repeat(string([]byte{filler}), missing)...), tail...)
	}
	return set, nil
}

func bracketed(s, open, end string) (inside, after string, ok bool) {
	rest, ok := strings.CutPrefix(s, open)
	if !ok {
		return "", "", false
	}
	return strings.Cut(rest, end)
}

// repeated reads x*3] or x*].
func repeated(s string) (b byte, times int, after string, ok bool) {
	if s == "" {
		return 0, 0, "", false
	}
	b, rest := unescape(s)
	rest, star := strings.CutPrefix(rest, "*")
	count, after, end := strings.Cut(rest, "]")
	if !star || !end {
		return 0, 0, "", false
	}
	base := 10
	if strings.HasPrefix(count, "0") {
		base = 8
	}
	n, err := strconv.ParseUint(count, base, 16)
	if count != "" && err != nil {
		return 0, 0, "", false
	}
	return b, int(n), after, true
}

// unescape reads one byte, or a backslash and what it makes one of.
func unescape(s string) (b byte, after string) {
	if s[0] != '\\' || len(s) == 1 {
		return s[0], s[1:]
	}
	octal := 1
	for octal < len(s) && octal < 4 && s[octal] >= '0' && s[octal] <= '7' {
		octal++
	}
	if octal > 1 {
		n, err := strconv.ParseUint(s[1:octal], 8, 8)
		if err != nil { // \777 is \77 and a 7
			octal--
			n, _ = strconv.ParseUint(s[1:octal], 8, 8)
		}
		return byte(n), s[octal:]
	}
	if i := strings.IndexByte("abfnrtv", s[1]); i >= 0 {
		return "\a\b\f\n\r\t\v"[i], s[2:]
	}
	return s[1], s[2:]
}
