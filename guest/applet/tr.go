package applet

import (
	"fmt"
	"strconv"
	"strings"

	"ingot/internal/lazy"
)

// runTr works on bytes, as tr does in the C locale.
func runTr(c *Call) error {
	complement := c.flags.BoolP("complement", "c", false, "all bytes but those of the first set")
	remove := c.flags.BoolP("delete", "d", false, "delete the bytes of the first set")
	squeeze := c.flags.BoolP("squeeze-repeats", "s", false, "one byte in place of several of the last set")
	c.flags.SetInterspersed(false) // a set may start with a hyphen
	sets := c.parse(1, 2)
	switch {
	case *remove && !*squeeze && len(sets) > 1:
		return usageError{"-d takes one set"}
	case *remove == *squeeze && len(sets) < 2:
		return usageError{"the second set is missing"}
	}
	from, err := parseSet(sets[0])
	if err != nil {
		return err
	}
	if *complement {
		from = outside(from)
	}
	t := translation{}
	for i := range t.to {
		t.to[i] = byte(i)
	}
	last := from
	if len(sets) == 2 {
		if last, err = parseSet(sets[1]); err != nil {
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
				return usageError{"the second set cannot hold the class " + class}
			}
		}
		if len(last) == 0 {
			return usageError{"the second set is empty"}
		}
		for i, b := range from {
			t.to[b] = last[min(i, len(last)-1)]
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
		c.Stdout.Write(kept) //nolint:errcheck // Within reports its error
		if err != nil {
			return notEOF(err)
		}
	}
}

// outside returns the bytes that are not in a set.
func outside(set []byte) (rest []byte) {
	for i := range 256 {
		if !strings.Contains(string(set), string([]byte{byte(i)})) {
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

// special are [x*3], [x*] and [=x=], which are refused.
var special = lazy.Regexp(`(?s)\[(?:=.=|(?:\\[0-7]{1,3}|\\?.)\*[0-9]*)\]`)

// parseSet writes out ranges (a-z), classes and escapes, in the order in which they stand.
func parseSet(s string) (set []byte, err error) {
	if m := special().FindString(s); m != "" {
		return nil, usageError{fmt.Sprintf("%q is not supported", m)}
	}
	for rest := s; rest != ""; {
		if class, after, ok := bracketed(rest, "[:", ":]"); ok {
			chars, known := classes[class]
			if !known {
				return nil, usageError{fmt.Sprintf("unknown class %q", class)}
			}
			of, err := parseSet(chars)
			if err != nil {
				return nil, err
			}
			set, rest = append(set, of...), after
			continue
		}
		b, after := unescape(rest)
		to := b
		if len(after) > 1 && after[0] == '-' {
			to, after = unescape(after[1:])
		}
		if to < b {
			return nil, usageError{fmt.Sprintf("range %q goes backwards", rest[:len(rest)-len(after)])}
		}
		for i := int(b); i <= int(to); i++ {
			set = append(set, byte(i))
		}
		rest = after
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

// unescape reads one byte, or an escape sequence that stands for one.
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
