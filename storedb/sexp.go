package storedb

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// sexp is an S-expression of libgcrypt: an atom, or a list. Keys and signatures of
// Guix are written so. See "S-expressions" in libgcrypt's manual, and RFC 9804.
type sexp struct {
	atom []byte // nil for a list
	list []sexp
}

const (
	maxSexp      = 64 << 10
	maxSexpDepth = 16
)

// parseSexp reads one expression in the canonical or in the advanced form.
func parseSexp(b []byte) (sexp, error) {
	if len(b) > maxSexp {
		return sexp{}, fmt.Errorf("has %d bytes: an S-expression may have %d", len(b), maxSexp)
	}
	p := &sexpParser{b: b}
	s, err := p.expression(0)
	if p.space(); err == nil && p.at < len(b) {
		err = errors.New("something follows the expression")
	}
	if err != nil {
		return sexp{}, fmt.Errorf("byte %d: %w", p.at, err)
	}
	return s, nil
}

type sexpParser struct {
	b  []byte
	at int
}

func (p *sexpParser) rest() []byte { return p.b[p.at:] }

func (p *sexpParser) space() {
	p.at = len(p.b) - len(bytes.TrimLeft(p.rest(), " \t\r\n\v\f"))
}

func (p *sexpParser) expression(depth int) (sexp, error) {
	p.space()
	switch {
	case p.at == len(p.b):
		return sexp{}, errors.New("the expression ends too early")
	case depth > maxSexpDepth:
		return sexp{}, fmt.Errorf("lists are nested more than %d deep", maxSexpDepth)
	case p.b[p.at] == '(':
		p.at++
		return p.items(depth)
	}
	atom, err := p.atom()
	return sexp{atom: atom}, err
}

func (p *sexpParser) items(depth int) (sexp, error) {
	s := sexp{}
	for {
		if p.space(); p.at < len(p.b) && p.b[p.at] == ')' {
			p.at++
			return s, nil
		}
		item, err := p.expression(depth + 1)
		if err != nil {
			return sexp{}, err
		}
		s.list = append(s.list, item)
	}
}

// atom reads a token, a string in quotes, #hexadecimal#, |base 64|, or 5:bytes.
func (p *sexpParser) atom() ([]byte, error) {
	switch c := p.b[p.at]; {
	case c == '#':
		return p.between('#', hex.DecodeString)
	case c == '|':
		return p.between('|', base64.StdEncoding.DecodeString)
	case c == '"':
		return p.between('"', func(s string) ([]byte, error) {
			text, err := strconv.Unquote(`"` + s + `"`)
			return []byte(text), err
		})
	case '0' <= c && c <= '9':
		return p.counted()
	}
	n := bytes.IndexAny(p.rest(), "()#|\"{} \t\r\n\v\f")
	if n < 0 {
		n = len(p.rest())
	}
	if n == 0 {
		return nil, fmt.Errorf("%q is not expected here", p.b[p.at])
	}
	token := p.rest()[:n]
	p.at += n
	return token, nil
}

// between reads an atom that ends with the byte that it begins with. Spaces in it
// count for nothing.
func (p *sexpParser) between(mark byte, decode func(string) ([]byte, error)) ([]byte, error) {
	n := bytes.IndexByte(p.rest()[1:], mark)
	if n < 0 {
		return nil, fmt.Errorf("%q is not closed", mark)
	}
	text := p.rest()[1 : 1+n]
	if mark != '"' {
		text = bytes.Join(bytes.Fields(text), nil)
	}
	b, err := decode(string(text))
	if err != nil {
		return nil, err
	}
	p.at += n + 2
	return append([]byte{}, b...), nil
}

func (p *sexpParser) counted() ([]byte, error) {
	digits, rest, ok := bytes.Cut(p.rest(), []byte(":"))
	n, err := strconv.ParseUint(string(digits), 10, 31)
	if !ok || err != nil || n > uint64(len(rest)) {
		return nil, errors.New("a length, a colon and that many bytes are expected")
	}
	p.at += len(digits) + 1 + int(n)
	return append([]byte{}, rest[:n]...), nil
}

// canonical returns the one spelling that stands for all.
func (s sexp) canonical() string {
	if s.atom != nil {
		return fmt.Sprintf("%d:%s", len(s.atom), s.atom)
	}
	var b bytes.Buffer
	b.WriteByte('(')
	for _, item := range s.list {
		b.WriteString(item.canonical())
	}
	b.WriteByte(')')
	return b.String()
}

// name is the atom that a list begins with.
func (s sexp) name() string {
	if len(s.list) == 0 {
		return ""
	}
	return string(s.list[0].atom)
}

// at follows the names of lists down, each within the one before.
func (s sexp) at(names ...string) (sexp, bool) {
	for _, name := range names {
		found := false
		for _, item := range s.list {
			if item.name() == name {
				s, found = item, true
				break
			}
		}
		if !found {
			return sexp{}, false
		}
	}
	return s, true
}

// value returns the one atom that stands behind the last of the names.
func (s sexp) value(names ...string) ([]byte, error) {
	at, ok := s.at(names...)
	if !ok || len(at.list) != 2 || at.list[1].atom == nil {
		return nil, fmt.Errorf("%s: (%s VALUE) is missing", s.name(), strings.Join(names, " ("))
	}
	return at.list[1].atom, nil
}
