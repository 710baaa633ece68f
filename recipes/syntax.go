package recipes

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"ingot/internal/lazy"
)

var yamlLine = lazy.Regexp(`^yaml: (?:line (\d+): )?(.*)`)

// namesAnchor are the parser's messages that quote a name of the file's, which may be a
// secret without its quotation marks.
var namesAnchor = lazy.Regexp(`^(unknown )?anchor '.*'`)

// A yamlHint is a correction for an error that the parser reports in its own terms.
type yamlHint struct{ says, hint string }

var yamlHints = []yamlHint{
	{"mapping values are not allowed", "quote a value that has a colon and a blank in it, or see to it that the line is not indented more than its neighbours"},
	{"did not find expected key", "see to it that the lines of one mapping or list begin at one column"},
	{"could not find expected ':'", "a key needs its colon, and a text of several lines the sign |"},
	{"did not find expected ',' or", "a bracket is not closed"},
	{"did not find expected '-' indicator", "see to it that the - of one list stand at one column"},
	{"found unexpected end of stream", "a quotation mark is not closed"},
	{"found unknown escape character", "write \\\\ for a backslash, or quote the text with ' instead"},
	{"unknown anchor", "a value that begins with * needs quotation marks"},
	{"cannot start any token", "a value that begins with @, ` or % needs quotation marks"},
	{"non-alphabetical character", "a value that begins with % needs quotation marks"},
	{"alphabetic or numeric character", "a value that begins with * or & needs quotation marks"},
	{"block sequence entries are not allowed", "a list begins on a line of its own"},
	{"undefined tag", "a value that begins with ! needs quotation marks"},
	{"control characters are not allowed", "is it a text file?"},
	{"UTF-8", "is it a text file, in UTF-8?"},
}

// syntaxError puts the line that the YAML parser names into its usual place, and says what
// to write instead.
func syntaxError(file string, text []byte, err error) error {
	e := &Error{File: file, What: err.Error()}
	m := yamlLine().FindStringSubmatch(err.Error())
	if m == nil {
		return e
	}
	e.Line, _ = strconv.Atoi(m[1])
	e.Line = max(e.Line, 1)
	e.Column, e.What = 1, "not YAML: "+namesAnchor().ReplaceAllString(m[2], "${1}anchor")
	if line := indentedByTab(text, e.Line, m[2]); line > 0 {
		e.Line, e.What, e.Hint = line, "not YAML: the line is indented with a tab", "write spaces, which are all that YAML takes there"
		return e
	}
	if at := bytes.IndexFunc(text, isControl); at >= 0 && strings.Contains(m[2], "control characters") {
		e.Line = 1 + bytes.Count(text[:at], []byte("\n"))
		e.Hint = fmt.Sprintf("in double quotes, the one here is written \\x%02x", text[at])
		return e
	}
	for _, h := range yamlHints {
		if strings.Contains(m[2], h.says) {
			e.Hint = h.hint
			break
		}
	}
	return e
}

// isControl reports whether a text cannot hold a character as it is.
func isControl(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' || r == 0x7f }

// indentedByTab returns the number of the line at which the parser has failed if a tab is
// why, and 0 if not. The parser names that line or the one before, no line for the first,
// and of a text of many lines the one in which it begins. The mark of a list's element is
// part of the indentation of what comes behind it.
func indentedByTab(text []byte, near int, says string) int {
	if !strings.Contains(says, "cannot start any token") && !strings.Contains(says, "tab character") {
		return 0
	}
	lines := bytes.Split(text, []byte("\n"))
	last := min(near+1, len(lines))
	if strings.Contains(says, "tab character") {
		last = len(lines)
	}
	for n := max(near, 1); n <= last; n++ {
		line := lines[n-1]
		indentation := line[:len(line)-len(bytes.TrimLeft(line, " \t-"))]
		if bytes.ContainsRune(indentation, '\t') {
			return n
		}
	}
	return 0
}
