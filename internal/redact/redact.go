// Package redact takes secrets out of URLs before they are shown: in messages, logs and
// files. A URL can carry a user's name and password, and tokens in its query or
// fragment, and a malformed one can carry them anywhere:
//
//	redact.URL("https://me:secret@cache.example.org/x?token=abc") // https://xxxxx@cache.example.org/x?token=xxxxx
//
// What is shown is enough to find the URL again in one's own configuration. To hide too
// much is no fault here; url.URL.Redacted hides passwords alone, and errors of net/url
// quote what they could not read.
package redact

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"ingot/internal/lazy"
)

// hidden stands for what is not shown, as in net/url.
const hidden = "xxxxx"

// URL returns the text of a URL, well-formed or not, without secrets: all between :// and
// the last @, the values of its query, and its fragment. Text without :// is taken for a
// URL without a scheme if it has a @ behind a colon.
func URL(s string) string {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		if at := strings.LastIndexByte(s, '@'); at >= 0 && strings.Contains(s[:at], ":") {
			s = hidden + s[at:]
		}
		return Reference(s)
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		rest = hidden + rest[at:]
	}
	return scheme + "://" + Reference(rest)
}

// Reference returns a reference, a URL without its scheme and host, without the values of
// its query and without its fragment.
func Reference(s string) string {
	s, fragment, hasFragment := strings.Cut(s, "#")
	path, query, hasQuery := strings.Cut(s, "?")
	if hasQuery {
		pairs := strings.FieldsFunc(query, func(r rune) bool { return r == '&' || r == ';' })
		for i, pair := range pairs {
			if name, _, ok := strings.Cut(pair, "="); ok {
				pairs[i] = name + "=" + hidden
			} else {
				pairs[i] = hidden
			}
		}
		path += "?" + strings.Join(pairs, "&")
	}
	if hasFragment && fragment != "" {
		path += "#" + hidden
	}
	return path
}

var (
	quoted = lazy.Regexp(`"(?:[^"\\]|\\.)*"`)
	bare   = lazy.Regexp(`[A-Za-z][A-Za-z0-9+.-]*://[^\s"]*|[^\s"/:@]+:[^\s"@]*@`)
)

// Text returns a message in which URLs stand, in quotation marks or not, without their
// secrets.
func Text(s string) string {
	s = quoted().ReplaceAllStringFunc(s, func(q string) string { return `"` + URL(q[1:len(q)-1]) + `"` })
	return bare().ReplaceAllStringFunc(s, URL)
}

// Error returns an error whose message has no secrets of URLs in it. Its causes can still
// be found (errors.Is, errors.As); their own messages are as they were.
func Error(err error) error {
	if err == nil || Text(err.Error()) == err.Error() {
		return err
	}
	return &redacted{err}
}

type redacted struct{ err error }

func (e *redacted) Error() string { return Text(e.err.Error()) }
func (e *redacted) Unwrap() error { return e.err }

// Parse parses a URL. An error shows it without its secrets, and says why it is none
// unless the reason could be a piece of one.
func Parse(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err == nil {
		return u, nil
	}
	var parse *url.Error
	if strings.ContainsRune(s, '@') || !errors.As(err, &parse) {
		return nil, fmt.Errorf("%q is not a URL", URL(s))
	}
	return nil, fmt.Errorf("%q is not a URL: %w", URL(s), parse.Err)
}
