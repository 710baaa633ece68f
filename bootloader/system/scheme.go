package system

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"ingot/internal/printable"
)

// datum is a piece of data in Scheme's notation (R7RS, section 7.1.2), as far as
// Guix's parameters use it.
type datum struct {
	kind  datumKind
	text  string  // of a string, a symbol or a number
	list  []datum // of a list
	bytes []byte  // of a bytevector
}

type datumKind uint8

const (
	symbolDatum datumKind = iota // also #t and #f
	stringDatum
	numberDatum
	listDatum
	bytesDatum
)

// field returns what follows the symbol name in the first list of d that starts with it.
func (d datum) field(name string) ([]datum, bool) {
	for _, e := range d.list {
		if e.kind == listDatum && len(e.list) > 0 && e.list[0].is(name) {
			return e.list[1:], true
		}
	}
	return nil, false
}

func (d datum) is(symbol string) bool { return d.kind == symbolDatum && d.text == symbol }

// maxDepth bounds lists in lists.
const maxDepth = 100

// parseScheme reads one datum; nothing but blanks and comments may follow it.
func parseScheme(s string) (datum, error) {
	p := schemeParser{text: s}
	d, err := p.datum(0)
	if err != nil {
		return d, err
	}
	if err := p.skip(0); err != nil {
		return d, err
	}
	if p.at < len(s) {
		return d, p.fail("more than one expression")
	}
	return d, nil
}

type schemeParser struct {
	text string
	at   int
}

func (p *schemeParser) fail(format string, args ...any) error {
	line := 1 + strings.Count(p.text[:min(p.at, len(p.text))], "\n")
	return fmt.Errorf("line %d: %s", line, fmt.Sprintf(format, args...))
}

// rest returns what has not been read yet.
func (p *schemeParser) rest() string { return p.text[p.at:] }

// skip passes over blanks and comments.
func (p *schemeParser) skip(depth int) error {
	for p.at < len(p.text) {
		switch rest := p.rest(); {
		case strings.ContainsRune(" \t\n\r\f", rune(rest[0])):
			p.at++
		case rest[0] == ';':
			end := strings.IndexByte(rest, '\n')
			if end < 0 {
				end = len(rest) - 1
			}
			p.at += end + 1
		case strings.HasPrefix(rest, "#|"):
			end := strings.Index(rest, "|#")
			if end < 0 {
				return p.fail("a comment is not closed")
			}
			p.at += end + 2
		case strings.HasPrefix(rest, "#;"):
			p.at += 2
			if _, err := p.datum(depth + 1); err != nil {
				return err
			}
		default:
			return nil
		}
	}
	return nil
}

func (p *schemeParser) datum(depth int) (datum, error) {
	if depth > maxDepth {
		return datum{}, p.fail("lists are more than %d deep", maxDepth)
	}
	if err := p.skip(depth); err != nil {
		return datum{}, err
	}
	rest := p.rest()
	switch {
	case rest == "":
		return datum{}, p.fail("the text ends where something is expected")
	case rest[0] == '(' || rest[0] == '[':
		p.at++
		return p.list(depth, map[byte]byte{'(': ')', '[': ']'}[rest[0]])
	case rest[0] == ')' || rest[0] == ']':
		return datum{}, p.fail("a %c without its opening", rest[0])
	case rest[0] == '\'' || rest[0] == '`':
		p.at++
		d, err := p.datum(depth + 1)
		return datum{kind: listDatum, list: []datum{{text: "quote"}, d}}, err
	case rest[0] == '"':
		return p.string()
	case strings.HasPrefix(rest, "#vu8(") || strings.HasPrefix(rest, "#u8("):
		p.at += strings.IndexByte(rest, '(') + 1
		return p.bytevector(depth)
	}
	return p.atom(), nil
}

func (p *schemeParser) list(depth int, end byte) (datum, error) {
	d := datum{kind: listDatum}
	for {
		if err := p.skip(depth); err != nil {
			return d, err
		}
		if p.at < len(p.text) && p.text[p.at] == end {
			p.at++
			return d, nil
		}
		if p.at == len(p.text) {
			return d, p.fail("a list is not closed")
		}
		e, err := p.datum(depth + 1)
		if err != nil {
			return d, err
		}
		d.list = append(d.list, e)
	}
}

func (p *schemeParser) bytevector(depth int) (datum, error) {
	l, err := p.list(depth, ')')
	d := datum{kind: bytesDatum}
	for _, e := range l.list {
		n, err := strconv.ParseUint(e.text, 10, 8)
		if err != nil || e.kind != numberDatum {
			return d, p.fail("%s is not a byte", printable.Quote(e.text))
		}
		d.bytes = append(d.bytes, byte(n))
	}
	return d, err
}

func (p *schemeParser) atom() datum {
	end := strings.IndexAny(p.rest(), " \t\n\r\f()[]\";'")
	if end < 0 {
		end = len(p.rest())
	}
	end = max(end, 1) // a stray character is a symbol of its own
	d := datum{text: p.rest()[:end]}
	if _, err := strconv.ParseInt(d.text, 10, 64); err == nil {
		d.kind = numberDatum
	}
	p.at += end
	return d
}

// escapes are those that Guile's writer uses.
var escapes = map[byte]string{
	'n': "\n", 't': "\t", 'r': "\r", 'a': "\a", 'b': "\b", 'f': "\f", 'v': "\v", '0': "\x00", '\\': "\\", '"': "\"", '|': "|",
}

func (p *schemeParser) string() (datum, error) {
	var b strings.Builder
	for p.at++; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; c {
		case '"':
			p.at++
			return datum{kind: stringDatum, text: b.String()}, nil
		case '\\':
			if err := p.escape(&b); err != nil {
				return datum{}, err
			}
		default:
			b.WriteByte(c)
		}
	}
	return datum{}, p.fail("a string is not closed")
}

// escape reads what follows a backslash, and stops on its last character. R7RS ends a
// number with a semicolon; Guile writes two, four or six digits without one.
func (p *schemeParser) escape(b *strings.Builder) error {
	p.at++
	rest := p.rest()
	if rest == "" {
		return p.fail("a string is not closed")
	}
	if s, ok := escapes[rest[0]]; ok {
		b.WriteString(s)
		return nil
	}
	if rest[0] == '\n' { // a line that goes on, its indentation aside
		p.at += len(rest) - len(strings.TrimLeft(rest[1:], " \t")) - 1
		return nil
	}
	digits := map[byte]int{'x': 2, 'u': 4, 'U': 6}[rest[0]]
	semicolon := strings.IndexByte(rest, ';')
	if rest[0] == 'x' && semicolon > 1 && semicolon <= 7 && isHex(rest[1:semicolon]) {
		digits = semicolon - 1
	} else {
		semicolon = -1
	}
	if digits == 0 || len(rest) <= digits {
		return p.fail("unknown escape \\%c in a string", rest[0])
	}
	n, err := strconv.ParseUint(rest[1:1+digits], 16, 32)
	if err != nil || !utf8.ValidRune(rune(n)) {
		return p.fail("unknown escape \\%s in a string", rest[:1+digits])
	}
	b.WriteRune(rune(n))
	p.at += digits
	if semicolon > 0 {
		p.at++
	}
	return nil
}

func isHex(s string) bool { return strings.Trim(s, "0123456789abcdefABCDEF") == "" }
