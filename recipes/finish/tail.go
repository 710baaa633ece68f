package finish

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"ingot/vm/session"
)

// tailSize is how much of a command's output is kept for an error.
const tailSize = 2 << 10

// tail keeps the end of the output, without secrets, and passes all of it on.
type tail struct {
	mu      sync.Mutex
	secrets []string
	to      io.Writer
	kept    []byte
	writers []*redactor
}

func newTail(secrets []string) *tail { return &tail{secrets: secrets} }

func (t *tail) writer() io.Writer {
	r := &redactor{tail: t}
	t.writers = append(t.writers, r)
	return r
}

func (t *tail) add(p []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.to != nil {
		_, _ = t.to.Write(p) // a log that cannot be shown stops nothing
	}
	t.kept = append(t.kept, p...)
	if cut := len(t.kept) - tailSize; cut > 0 {
		t.kept = t.kept[cut:]
	}
}

// explain adds the output to an error.
func (t *tail) explain(what string, err error) error {
	for _, w := range t.writers {
		w.flush()
	}
	var command *session.CommandError
	switch said := strings.TrimSpace(string(t.kept)); {
	case err == nil:
		return nil
	case said == "" || errors.As(err, &command):
		return fmt.Errorf("%s: %w", what, err)
	default:
		return fmt.Errorf("%s: %w; it said:\n%s", what, err, said)
	}
}

// redactor takes the secrets out of one stream. What may be the beginning of one waits
// for the rest.
type redactor struct {
	tail *tail
	wait []byte
}

const redacted = "[secret]"

func (r *redactor) Write(p []byte) (int, error) {
	r.wait = append(r.wait, p...)
	shown, rest := r.tail.redact(r.wait, false)
	r.wait = append([]byte(nil), rest...)
	if len(shown) > 0 {
		r.tail.add(shown)
	}
	return len(p), nil
}

// flush shows the rest at the end of the stream.
func (r *redactor) flush() {
	if shown, _ := r.tail.redact(r.wait, true); len(shown) > 0 {
		r.tail.add(shown)
	}
	r.wait = nil
}

// redact returns p without secrets, up to where the beginning of one may stand, unless p
// is all there is. No more is held back: what the other stream prints comes between.
func (t *tail) redact(p []byte, all bool) (shown, rest []byte) {
	if len(t.secrets) == 0 {
		return p, nil
	}
	for len(p) > 0 {
		whole, begun := t.secretAt(p)
		switch {
		case begun && !all:
			return shown, p
		case whole > 0:
			shown, p = append(shown, redacted...), p[whole:]
		default:
			shown, p = append(shown, p[0]), p[1:]
		}
	}
	return shown, nil
}

// secretAt returns the length of the longest secret that p begins with, and whether all
// of p is the beginning of a longer one.
func (t *tail) secretAt(p []byte) (whole int, begun bool) {
	for _, s := range t.secrets {
		switch {
		case s[0] != p[0]:
		case len(p) < len(s):
			begun = begun || strings.HasPrefix(s, string(p))
		case bytes.HasPrefix(p, []byte(s)):
			whole = max(whole, len(s))
		}
	}
	return whole, begun
}
