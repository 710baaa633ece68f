package guest

import (
	"strings"
	"unicode"
)

// cmdline is the words of the kernel's command line. Of a key that is given twice
// the last one counts, as for the kernel.
type cmdline []string

// parseCmdline splits a command line at blanks outside of double quotes, which
// the kernel takes off.
func parseCmdline(s string) cmdline {
	var words cmdline
	var word strings.Builder
	quoted, started := false, false
	for _, r := range s {
		switch {
		case r == '"':
			quoted, started = !quoted, true
		case unicode.IsSpace(r) && !quoted:
			if started {
				words = append(words, word.String())
			}
			word.Reset()
			started = false
		default:
			word.WriteRune(r)
			started = true
		}
	}
	if started {
		words = append(words, word.String())
	}
	return words
}

// value returns what stands after KEY=, or "".
func (c cmdline) value(key string) string {
	v, _ := c.lookup(key)
	return v
}

// lookup tells a key without a value from one that is not there.
func (c cmdline) lookup(key string) (value string, ok bool) {
	for _, w := range c {
		if k, v, _ := strings.Cut(w, "="); k == key {
			value, ok = v, true
		}
	}
	return value, ok
}

// all returns what stands after every KEY=, and whether the key is there at all.
func (c cmdline) all(key string) (values []string, ok bool) {
	for _, w := range c {
		if k, v, _ := strings.Cut(w, "="); k == key {
			values, ok = append(values, v), true
		}
	}
	return values, ok
}

// last returns which of several words comes last, or "".
func (c cmdline) last(words ...string) string {
	found := ""
	for _, w := range c {
		for _, word := range words {
			if w == word {
				found = w
			}
		}
	}
	return found
}

// consoles returns the devices of all console= words, each once, in order. The
// console tty0 is whatever virtual terminal is shown, so that a shell there is
// one on tty1.
func (c cmdline) consoles() []string {
	var names []string
	seen := map[string]bool{}
	for _, w := range c {
		v, ok := strings.CutPrefix(w, "console=")
		name, _, _ := strings.Cut(v, ",")
		if name == "tty0" || name == "tty" {
			name = "tty1"
		}
		if ok && name != "" && name != "null" && !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}

// initArguments returns the words after "--", which are init's own.
func (c cmdline) initArguments() []string {
	for i, w := range c {
		if w == "--" {
			return c[i+1:]
		}
	}
	return nil
}
