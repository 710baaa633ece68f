// Package printable writes text of others so that it can do nothing to a terminal.
//
// The names in an image, the last lines of a console, what a server answers and what a
// guest says were chosen by somebody else. On a terminal a control character in them
// renames the window, moves the cursor over what was said before, or answers in the place
// of the person in front of it; a bidirectional control has a line read as something that
// it is not.
//
//	fmt.Fprintf(w, "%s\t%s\n", printable.Name(e.Name), printable.Name(e.What))
//	root.SetErr(printable.NewWriter(os.Stderr))
//
// # What it guarantees
//
// Nothing reaches the terminal that is not to be seen: control characters (C0, DEL, C1 as
// a rune or as a byte), bytes that are no UTF-8, format characters (of which are the
// bidirectional controls, the zero-width ones and the tags), fillers and the line and
// paragraph separators become escapes in ASCII. [Name] keeps nothing of that, [Text] and a [Writer]
// keep line feeds and tabs; a carriage return before a line feed goes away. All else stays
// byte for byte, as often as it is done.
//
// # Escapes
//
// Line feeds, tabs and carriage returns are \n, \t and \r, other C0 characters and bytes
// that are no UTF-8 are \x1b, all others \u202e: two of them, as in JSON, for what is
// beyond U+FFFF. So JSON that encoding/json has written, which escapes C0 by itself, is
// the same JSON after a Writer. A backslash that was there stays as it is: an escape
// shows that something was escaped, and not beyond doubt what. Where that matters there is
// --json.
package printable

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"ingot/internal/grammar"
	"ingot/internal/secret"
)

// Name returns a text of one line: a name, an address, a title.
func Name(s string) string { return escape(s, false) }

// Text returns a text of several lines.
func Text(s string) string { return escape(s, true) }

// Cut returns the first bytes of a text, up to most of them, and says how many more there
// were. It cuts no character in two.
func Cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	end := most
	for end > 0 && end > most-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return fmt.Sprintf("%s… (%s)", s[:end], grammar.Count(len(s)-end, "more byte"))
}

// Shorten returns a line of at most about most bytes, of which the middle is left out where
// it is longer: a message begins with what it is about, and ends with the reason.
func Shorten(line string, most int) string {
	if len(line) <= most {
		return line
	}
	head, tail := most*2/3, len(line)-most/3
	for head > 0 && !utf8.RuneStart(line[head]) {
		head--
	}
	for tail < len(line) && !utf8.RuneStart(line[tail]) {
		tail++
	}
	return fmt.Sprintf("%s… (%s left out) …%s", line[:head], grammar.Count(tail-head, "byte"), line[tail:])
}

// mostQuoted is how many bytes of a word Quote shows: enough to know it by.
const mostQuoted = 100

// Quote returns a word of somebody's in quotes, for a message on one line: with escapes, and
// cut where it is long.
//
// Of a private key that has come to the wrong place it tells the length alone.
func Quote(s string) string {
	if secret.Private(s) != "" {
		return secret.Quote(s)
	}
	if len(s) <= mostQuoted {
		return strconv.Quote(s)
	}
	short := Cut(s, mostQuoted)
	end := strings.LastIndex(short, "… (")
	return strconv.Quote(short[:end]) + short[end:]
}

// escape is all of it. lines says whether line feeds and tabs may stay.
func escape(s string, lines bool) string {
	start := plain(s, lines)
	if start == len(s) {
		return s
	}
	var b strings.Builder
	for {
		b.WriteString(s[:start])
		if s = s[start:]; s == "" {
			return b.String()
		}
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case lines && strings.HasPrefix(s, "\r\n"):
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == '\r':
			b.WriteString(`\r`)
		case r < ' ', r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		s = s[n:]
		start = plain(s, lines)
	}
}

// plain returns how many bytes there are before the first character that does not stay as
// it is.
func plain(s string, lines bool) int {
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < 0x7f || lines && (c == '\n' || c == '\t') {
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if c < utf8.RuneSelf || r == utf8.RuneError && n == 1 || unicode.In(r, hidden...) {
			return i
		}
		i += n
	}
	return len(s)
}

// hidden are the characters that do something else than to be seen: controls, formats,
// separators of lines, and those that Unicode has programs pass over. Selectors of
// variants, which emoji have, are not among them.
var hidden = []*unicode.RangeTable{unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point}

// Writer is [Text] for a stream.
type Writer struct {
	w io.Writer

	mu      sync.Mutex
	pending []byte // the beginning of a character that goes on
}

// NewWriter returns a Writer to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Unwrap returns what is written to: for what is to stay byte for byte.
func (w *Writer) Unwrap() io.Writer { return w.w }

// Write implements [io.Writer]. The beginning of a character at the end of p waits for
// what comes next; so does a carriage return.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := string(w.pending) + string(p)
	whole := len(text) - unfinished(text)
	if err := w.put(text[:whole]); err != nil {
		return 0, err
	}
	w.pending = append(w.pending[:0], text[whole:]...)
	return len(p), nil
}

// Flush writes what waits for more that does not come.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := string(w.pending)
	w.pending = nil
	return w.put(text)
}

// put writes text, and does nothing where there is none: to write nothing may fail.
func (w *Writer) put(text string) error {
	if text == "" {
		return nil
	}
	_, err := io.WriteString(w.w, Text(text))
	return err
}

// unfinished returns the length of what text ends with, and what follows may change.
func unfinished(text string) int {
	if strings.HasSuffix(text, "\r") {
		return 1
	}
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if last := text[len(text)-n:]; utf8.RuneStart(last[0]) {
			if utf8.FullRuneInString(last) {
				return 0
			}
			return n
		}
	}
	return 0
}
