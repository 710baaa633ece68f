package applet

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"ingot/internal/lazy"
)

// modifiers are the letters of a key, or the general options: how texts are compared.
type modifiers struct {
	kind               byte // 'n' or 'h'; 0 compares bytes
	fold, reverse      bool
	skipStart, skipEnd bool // pass over the blanks before the key's start and end
}

// set adds one letter, which stands behind a key's start or end, or is a general option.
func (m *modifiers) set(letter byte, start, end bool) error {
	switch letter {
	case 'n', 'h':
		if m.kind != 0 && m.kind != letter {
			return usageError{fmt.Sprintf("options %q and %q exclude one another", m.kind, letter)}
		}
		m.kind = letter
	case 'f':
		m.fold = true
	case 'r':
		m.reverse = true
	case 'b':
		m.skipStart, m.skipEnd = m.skipStart || start, m.skipEnd || end
	default:
		return usageError{fmt.Sprintf("unknown option %q of a key", letter)}
	}
	return nil
}

// sortKey is the part of a line that sort compares.
type sortKey struct {
	modifiers
	field, char         int // the fields before it, and the bytes before it in its first field
	lastField, lastChar int // where it ends; without a lastField it is the end of the line
}

var keyForm = lazy.Regexp(`^(\d+)(?:\.(\d+))?([a-zA-Z]*)(?:,(\d+)(?:\.(\d+))?([a-zA-Z]*))?$`)

// parseKey reads FIELD[.CHAR][OPTIONS][,FIELD[.CHAR][OPTIONS]].
func parseKey(text string) (k sortKey, err error) {
	wrong := fmt.Errorf("key %q is not FIELD[.CHAR][OPTIONS][,FIELD[.CHAR][OPTIONS]]", text)
	m := keyForm().FindStringSubmatch(text)
	if m == nil {
		return k, wrong
	}
	for i, to := range []*int{1: &k.field, 2: &k.char, 4: &k.lastField, 5: &k.lastChar} {
		if to == nil || m[i] == "" {
			continue
		}
		*to, _ = parseNumber(m[i]) // it has digits only
		if *to < 1 && i != 5 {
			return k, wrong
		}
	}
	k.field, k.char = k.field-1, max(0, k.char-1)
	for i := range len(m[3]) {
		err = cmp.Or(err, k.set(m[3][i], true, false))
	}
	for i := range len(m[6]) {
		err = cmp.Or(err, k.set(m[6][i], false, true))
	}
	return k, err
}

func blank(b byte) bool { return b == ' ' || b == '\t' }

func skipBlanks(line string, at int) int {
	for at < len(line) && blank(line[at]) {
		at++
	}
	return at
}

// sorting is one run of sort.
type sorting struct {
	*Call
	general        modifiers
	keys           []sortKey
	separator      int // the byte between fields, or -1 for blanks
	unique, stable bool
	end            byte
}

// after returns where the first fields end; whole adds the separator behind the last one.
func (s *sorting) after(line string, fields int, whole bool) int {
	at := 0
	for ; fields > 0 && at < len(line); fields-- {
		if s.separator < 0 {
			for at = skipBlanks(line, at); at < len(line) && !blank(line[at]); at++ {
			}
			continue
		}
		if i := strings.IndexByte(line[at:], byte(s.separator)); i < 0 {
			at = len(line)
		} else if at += i; fields > 1 || whole {
			at++
		}
	}
	return at
}

// part returns the part of a line that a key compares.
func (s *sorting) part(k sortKey, line string) string {
	start := s.after(line, k.field, true)
	if k.skipStart {
		start = skipBlanks(line, start)
	}
	start = min(len(line), start+min(k.char, len(line)))
	end := len(line)
	switch {
	case k.lastChar > 0:
		end = s.after(line, k.lastField-1, true)
		if k.skipEnd {
			end = skipBlanks(line, end)
		}
		end = min(len(line), end+min(k.lastChar, len(line)))
	case k.lastField > 0:
		end = s.after(line, k.lastField, false)
	}
	return line[start:max(start, end)]
}

func (m modifiers) compare(a, b string) int {
	by := 0
	switch {
	case m.kind == 'n':
		by = compareNumbers(a, b)
	case m.kind == 'h':
		by = cmp.Or(cmp.Compare(magnitude(a), magnitude(b)), compareNumbers(a, b))
	case m.fold:
		by = strings.Compare(capitals(a), capitals(b))
	default:
		by = strings.Compare(a, b)
	}
	if m.reverse {
		return -by
	}
	return by
}

// capitals returns a text with its small letters of ASCII as capitals; other bytes stay.
func capitals(s string) string {
	out := []byte(s)
	for i, b := range out {
		if b >= 'a' && b <= 'z' {
			out[i] -= 'a' - 'A'
		}
	}
	return string(out)
}

func digit(b byte) bool { return b >= '0' && b <= '9' }

// digits returns those that a text starts with.
func digits(s string) string { return s[:len(s)-len(strings.TrimLeft(s, "0123456789"))] }

// number is the number that a text starts with, in digits without zeros that do not count, so
// that it may have any length.
type number struct {
	negative       bool
	whole, decimal string
	rest           string
}

func leadingNumber(s string) (n number) {
	s, n.negative = strings.CutPrefix(s[skipBlanks(s, 0):], "-")
	whole, decimal := digits(s), ""
	s = s[len(whole):]
	if strings.HasPrefix(s, ".") {
		decimal = digits(s[1:])
		s = s[1+len(decimal):]
	}
	n.whole, n.decimal, n.rest = strings.TrimLeft(whole, "0"), strings.TrimRight(decimal, "0"), s
	n.negative = n.negative && n.whole+n.decimal != ""
	return n
}

func compareNumbers(a, b string) int {
	x, y := leadingNumber(a), leadingNumber(b)
	if x.negative != y.negative {
		return btoi(y.negative) - btoi(x.negative)
	}
	by := cmp.Or(cmp.Compare(len(x.whole), len(y.whole)), strings.Compare(x.whole, y.whole), strings.Compare(x.decimal, y.decimal))
	if x.negative {
		return -by
	}
	return by
}

// magnitude is the power of 1024 that the suffix of 2K or 1.5G stands for, less than 0 for a
// negative number.
func magnitude(s string) int {
	n := leadingNumber(s)
	if n.whole+n.decimal == "" || n.rest == "" {
		return 0
	}
	power := strings.IndexByte("KMGTPEZY", n.rest[0]) + 1
	if n.rest[0] == 'k' {
		power = 1
	}
	if n.negative {
		return -power
	}
	return power
}

func runSort(c *Call) error {
	c.trouble = 2
	s := &sorting{Call: c, end: '\n'}
	letters := map[byte]*bool{
		'n': c.flags.BoolP("numeric-sort", "n", false, "by the number that lines start with"),
		'h': c.flags.BoolP("human-numeric-sort", "h", false, "by sizes such as 2K and 1.5G"),
		'f': c.flags.BoolP("ignore-case", "f", false, "small letters as capitals"),
		'b': c.flags.BoolP("ignore-leading-blanks", "b", false, "without the blanks before"),
		'r': c.flags.BoolP("reverse", "r", false, "in reverse"),
	}
	c.flags.BoolVarP(&s.unique, "unique", "u", false, "each line once")
	c.flags.BoolVarP(&s.stable, "stable", "s", false, "lines with equal keys stay in order")
	c.flags.FuncP("key", "k", "by a `KEY`: FIELD[.CHAR][OPTIONS][,FIELD[.CHAR][OPTIONS]]; repeatable", func(text string) error {
		key, err := parseKey(text)
		s.keys = append(s.keys, key)
		return err
	})
	separator := option(c, "field-separator", "t", -1, "the `BYTE` between fields", parseByte)
	out := c.flags.StringP("output", "o", "", "write to this file")
	zero := c.flags.BoolP("zero-terminated", "z", false, "lines end with a zero byte")
	files := c.parse(0, -1)
	if s.separator = *separator; *zero {
		s.end = 0
	}
	if err := s.order(letters); err != nil {
		return err
	}
	lines, err := s.read(files)
	if err != nil {
		return err
	}
	slices.SortStableFunc(lines, s.compare)
	if s.unique {
		lines = slices.CompactFunc(lines, func(a, b string) bool { return s.compare(a, b) == 0 })
	}
	if *out != "" {
		var all bytes.Buffer
		s.write(&all, lines)
		return os.WriteFile(*out, all.Bytes(), 0o666)
	}
	s.write(c.Stdout, lines)
	return nil
}

// parseByte reads one byte, or \0.
func parseByte(s string) (int, error) {
	switch {
	case s == `\0`:
		return 0, nil
	case len(s) == 1:
		return int(s[0]), nil
	}
	return 0, fmt.Errorf("%q is not one byte", s)
}

// order makes the general options those of keys without own ones, or the only key.
func (s *sorting) order(letters map[byte]*bool) error {
	for letter, on := range letters {
		if !*on {
			continue
		}
		if err := s.general.set(letter, true, true); err != nil {
			return err
		}
	}
	if whole := (modifiers{reverse: s.general.reverse}); len(s.keys) == 0 && s.general != whole {
		s.keys = make([]sortKey, 1)
	}
	for i := range s.keys {
		if s.keys[i].modifiers == (modifiers{}) {
			s.keys[i].modifiers = s.general
		}
	}
	return nil
}

func (s *sorting) compare(a, b string) int {
	for _, k := range s.keys {
		if by := k.compare(s.part(k, a), s.part(k, b)); by != 0 {
			return by
		}
	}
	if len(s.keys) > 0 && (s.unique || s.stable) {
		return 0
	}
	return modifiers{reverse: s.general.reverse}.compare(a, b)
}

// read reads all files. One that fails ends it: half a result would be a wrong one.
func (s *sorting) read(files []string) (lines []string, err error) {
	for _, name := range orElse(files, "-") {
		err := s.input(name, func(_ string, r io.Reader) error {
			return eachEnded(r, s.end, func(line string) bool { lines = append(lines, line); return true })
		})
		if err != nil {
			return nil, err
		}
	}
	return lines, nil
}

func (s *sorting) write(w io.Writer, lines []string) {
	for _, line := range lines {
		fmt.Fprintf(w, "%s%c", line, s.end)
	}
}
