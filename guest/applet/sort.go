package applet

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"ingot/internal/lazy"
)

// order is how sort compares what a key has taken from two lines.
type order struct {
	kind                        byte // 'n', 'g', 'h' or 'V'; 0 compares bytes
	fold, dictionary, printable bool
	reverse, skipStart, skipEnd bool // of the blanks before a key's start and end
	separator                   int  // the byte between fields, or -1 for blanks
	field, char                 int  // where the key starts: what is passed over
	lastField, lastChar         int  // where it ends; lastField is -1 for the end of the line
}

// own says whether options stand at the key itself, which keep the general ones out.
func (o order) own() bool {
	return o.kind != 0 || o.fold || o.dictionary || o.printable || o.reverse || o.skipStart || o.skipEnd
}

// set takes one letter, which stands behind a key's start or end, or is a general option.
func (o *order) set(letter byte, start, end bool) error {
	switch letter {
	case 'n', 'g', 'h', 'V':
		if o.kind != 0 && o.kind != letter {
			return usageError{fmt.Sprintf("options %q and %q exclude one another", o.kind, letter)}
		}
		o.kind = letter
	case 'f':
		o.fold = true
	case 'd':
		o.dictionary = true
	case 'i':
		o.printable = true
	case 'r':
		o.reverse = true
	case 'b':
		o.skipStart, o.skipEnd = o.skipStart || start, o.skipEnd || end
	default:
		return usageError{fmt.Sprintf("unknown option %q of a key", letter)}
	}
	return nil
}

// parseKey reads FIELD[.CHAR][OPTIONS][,FIELD[.CHAR][OPTIONS]].
func parseKey(text string, separator int) (order, error) {
	o := order{separator: separator, lastField: -1}
	start, end, both := strings.Cut(text, ",")
	wrong := usageError{fmt.Sprintf("key %q is not FIELD[.CHAR][OPTIONS][,FIELD[.CHAR][OPTIONS]]", text)}
	position := func(s string, atStart bool) (field, char int, err error) {
		letters := s[len(digits(s)):]
		field, err = strconv.Atoi(digits(s))
		if rest, ok := strings.CutPrefix(letters, "."); ok && err == nil {
			letters = rest[len(digits(rest)):]
			char, err = strconv.Atoi(digits(rest))
			if atStart && char == 0 {
				err = wrong
			}
		}
		if errors.Is(err, strconv.ErrRange) {
			field, err = math.MaxInt32, nil
		}
		if err != nil || field < 1 {
			return 0, 0, wrong
		}
		for i := range len(letters) {
			if err := o.set(letters[i], atStart, !atStart); err != nil {
				return 0, 0, err
			}
		}
		return field, char, nil
	}
	var err error
	if o.field, o.char, err = position(start, true); err != nil {
		return o, err
	}
	o.field, o.char = o.field-1, max(0, o.char-1)
	if both {
		if o.lastField, o.lastChar, err = position(end, false); err == nil && o.lastChar > 0 {
			o.lastField--
		}
	}
	return o, err
}

func blank(b byte) bool { return b == ' ' || b == '\t' }

func skipBlanks(line string, at int) int {
	for at < len(line) && blank(line[at]) {
		at++
	}
	return at
}

// after returns where the fields end that are passed over; whole leaves the separator
// behind the last one, too.
func (o order) after(line string, fields int, whole bool) int {
	at := 0
	for ; fields > 0 && at < len(line); fields-- {
		if o.separator < 0 {
			for at = skipBlanks(line, at); at < len(line) && !blank(line[at]); at++ {
			}
			continue
		}
		if i := strings.IndexByte(line[at:], byte(o.separator)); i < 0 {
			at = len(line)
		} else if at += i; fields > 1 || whole {
			at++
		}
	}
	return at
}

// part returns what the key takes from a line.
func (o order) part(line string) string {
	start := o.after(line, o.field, true)
	if o.skipStart {
		start = skipBlanks(line, start)
	}
	start = min(len(line), start+o.char)
	end := len(line)
	if o.lastField >= 0 {
		end = o.after(line, o.lastField, o.lastChar > 0)
		if o.lastChar > 0 {
			if o.skipEnd {
				end = skipBlanks(line, end)
			}
			end = min(len(line), end+o.lastChar)
		}
	}
	return line[start:max(start, end)]
}

func (o order) compare(a, b string) int {
	a, b = o.part(a), o.part(b)
	by := 0
	switch o.kind {
	case 'n':
		by = compareNumbers(a, b)
	case 'h':
		if by = cmp.Compare(magnitude(a), magnitude(b)); by == 0 {
			by = compareNumbers(a, b)
		}
	case 'g':
		by = compareFloats(a, b)
	case 'V':
		by = compareVersions(a, b)
	default:
		by = strings.Compare(o.seen(a), o.seen(b))
	}
	if o.reverse {
		return -by
	}
	return by
}

// seen is what of a text counts, as it counts.
func (o order) seen(s string) string {
	if !o.fold && !o.dictionary && !o.printable {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := range len(s) {
		b := s[i]
		if o.dictionary && !letterOrDigit(b) && !blank(b) || o.printable && (b < ' ' || b > '~') {
			continue
		}
		if o.fold && b >= 'a' && b <= 'z' {
			b -= 'a' - 'A'
		}
		out = append(out, b)
	}
	return string(out)
}

func letterOrDigit(b byte) bool {
	return digit(b) || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

func digit(b byte) bool { return b >= '0' && b <= '9' }

// number is what a text starts with, in digits without zeros that do not count, so
// that no number is too long.
type number struct {
	negative       bool
	whole, decimal string
	rest           string
}

func leadingNumber(s string) (n number) {
	s = s[skipBlanks(s, 0):]
	s, n.negative = strings.CutPrefix(s, "-")
	take := func() string {
		taken := digits(s)
		s = s[len(taken):]
		return taken
	}
	n.whole = strings.TrimLeft(take(), "0")
	if strings.HasPrefix(s, ".") {
		s = s[1:]
		n.decimal = strings.TrimRight(take(), "0")
	}
	n.negative = n.negative && n.whole+n.decimal != ""
	n.rest = s
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

// magnitude is the power of what 2K or 1.5G stands for.
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

// compareFloats has what is no number first, then what is not a number by its own words.
func compareFloats(a, b string) int {
	x, isX := leadingFloat(a)
	y, isY := leadingFloat(b)
	if !isX || !isY {
		return btoi(isX) - btoi(isY)
	}
	return cmp.Compare(x, y)
}

func leadingFloat(s string) (float64, bool) {
	n, err := strconv.ParseFloat(float().FindString(strings.TrimLeft(s, " \t\v\f\r")), 64)
	return n, err == nil || errors.Is(err, strconv.ErrRange)
}

// float is what strconv takes for a number, up to where a text goes on in another way.
var float = lazy.Regexp(`^(?i:[+-]?inf(?:inity)?|nan|[+-]?0x(?:[0-9a-f]+\.?[0-9a-f]*|\.[0-9a-f]+)p[+-]?[0-9]+|[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?)`)

// compareVersions compares letters by letters and numbers by their value, as GNU's
// filevercmp does: ~ stands before all, even before the end, and letters before signs.
func compareVersions(a, b string) int {
	if a == b {
		return 0
	}
	if hidden := strings.HasPrefix(a, "."); hidden != strings.HasPrefix(b, ".") {
		return 1 - 2*btoi(hidden)
	}
	baseA, baseB := withoutSuffix(a), withoutSuffix(b)
	if by := compareVersionParts(baseA, baseB); by != 0 {
		return by
	}
	return cmp.Or(compareVersionParts(a, b), strings.Compare(a, b))
}

// withoutSuffix leaves out (\.[A-Za-z~][A-Za-z0-9~]*)* at the end.
func withoutSuffix(s string) string {
	for {
		dot := strings.LastIndexByte(s, '.')
		if dot < 1 || dot+1 == len(s) || digit(s[dot+1]) {
			return s
		}
		for i := dot + 1; i < len(s); i++ {
			if !letterOrDigit(s[i]) && s[i] != '~' {
				return s
			}
		}
		s = s[:dot]
	}
}

func compareVersionParts(a, b string) int {
	rank := func(s string) int {
		switch {
		case s == "" || digit(s[0]):
			return 0
		case s[0] == '~':
			return -1
		case letterOrDigit(s[0]):
			return int(s[0])
		}
		return int(s[0]) + 256
	}
	for a != "" || b != "" {
		for a != "" && !digit(a[0]) || b != "" && !digit(b[0]) {
			if by := cmp.Compare(rank(a), rank(b)); by != 0 {
				return by
			}
			a, b = a[min(1, len(a)):], b[min(1, len(b)):]
		}
		x, y := leadingNumber(digits(a)), leadingNumber(digits(b))
		if by := cmp.Or(cmp.Compare(len(x.whole), len(y.whole)), strings.Compare(x.whole, y.whole)); by != 0 {
			return by
		}
		a, b = a[len(digits(a)):], b[len(digits(b)):]
	}
	return 0
}

// digits returns those that a text starts with.
func digits(s string) string { return s[:len(s)-len(strings.TrimLeft(s, "0123456789"))] }

// sorting is one run of sort.
type sorting struct {
	*Call
	general        order
	keys           []order
	unique, stable bool
	end            byte
}

func runSort(c *Call) error {
	c.trouble = 2
	s := &sorting{Call: c}
	f := c.flags()
	letters := map[byte]*bool{}
	for _, o := range []struct {
		letter     byte
		name, help string
	}{
		{'n', "numeric-sort", "by the number that lines start with"}, {'g', "general-numeric-sort", "the same with exponents"},
		{'h', "human-numeric-sort", "by sizes such as 2K and 1.5G"}, {'V', "version-sort", "by versions"},
		{'f', "ignore-case", "small letters as capitals"}, {'d', "dictionary-order", "letters, digits and blanks alone"},
		{'i', "ignore-nonprinting", "what can be printed alone"}, {'b', "ignore-leading-blanks", "without the blanks before"}, {'r', "reverse", "in reverse"},
	} {
		letters[o.letter] = f.BoolP(o.name, string(o.letter), false, o.help)
	}
	f.BoolVarP(&s.unique, "unique", "u", false, "each line once")
	f.BoolVarP(&s.stable, "stable", "s", false, "lines with equal keys stay in order")
	keys := f.StringArrayP("key", "k", nil, "by this part: FIELD[.CHAR][OPTIONS][,FIELD[.CHAR][OPTIONS]]; may come several times")
	separator := f.StringP("field-separator", "t", "", "what stands between fields")
	check := f.BoolP("check", "c", false, "tell the first line that is out of order")
	quiet := f.BoolP("check-quiet", "C", false, "the same without a word")
	out := f.StringP("output", "o", "", "write to this file")
	zero := f.BoolP("zero-terminated", "z", false, "lines end with a zero byte")
	files, err := c.parse(f, 0, -1)
	if err != nil {
		return err
	}
	s.end = lineEnd(*zero)
	if err := s.order(letters, f.Changed("field-separator"), *separator, *keys); err != nil {
		return err
	}
	if *check || *quiet {
		return s.check(files, *quiet)
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

// order makes the keys of the options.
func (s *sorting) order(letters map[byte]*bool, given bool, separator string, keys []string) error {
	s.general = order{separator: -1, lastField: -1}
	switch {
	case separator == `\0`:
		s.general.separator = 0
	case len(separator) == 1:
		s.general.separator = int(separator[0])
	case given:
		return usageError{fmt.Sprintf("%q is not one character", separator)}
	}
	for letter, on := range letters {
		if !*on {
			continue
		}
		if err := s.general.set(letter, true, true); err != nil {
			return err
		}
	}
	for _, text := range keys {
		key, err := parseKey(text, s.general.separator)
		if err != nil {
			return err
		}
		if !key.own() {
			whole := s.general
			whole.field, whole.char, whole.lastField, whole.lastChar = key.field, key.char, key.lastField, key.lastChar
			key = whole
		}
		s.keys = append(s.keys, key)
	}
	if plain := (order{separator: s.general.separator, lastField: -1, reverse: s.general.reverse}); len(keys) == 0 && s.general != plain {
		s.keys = []order{s.general}
	}
	return nil
}

func (s *sorting) compare(a, b string) int {
	for _, key := range s.keys {
		if by := key.compare(a, b); by != 0 {
			return by
		}
	}
	if len(s.keys) > 0 && (s.unique || s.stable) {
		return 0
	}
	if s.general.reverse {
		return strings.Compare(b, a)
	}
	return strings.Compare(a, b)
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

func (s *sorting) check(files []string, quiet bool) error {
	if len(files) > 1 {
		return usageError{"-c takes one file"}
	}
	lines, err := s.read(files)
	if err != nil {
		return err
	}
	for i := 1; i < len(lines); i++ {
		if by := s.compare(lines[i-1], lines[i]); by > 0 || by == 0 && s.unique {
			if !quiet {
				fmt.Fprintf(s.Stderr, "sort: %s:%d: disorder: %s\n", strings.Join(files, ""), i+1, lines[i])
			}
			return Status(1)
		}
	}
	return nil
}
