package guest

import (
	"slices"
	"strings"

	"ingot/guest/wire"
)

// cmdline is the words of the kernel's command line. Of a key that is given twice
// the last one counts, as for the kernel.
type cmdline []string

func parseCmdline(s string) cmdline {
	words, _ := wire.SplitLine(s)
	return words
}

// value returns what stands after KEY=, or "".
func (c cmdline) value(key wire.Word) string {
	v, _ := key.In(c)
	return v
}

// has reports whether a word is there.
func (c cmdline) has(key wire.Word) bool {
	_, ok := key.In(c)
	return ok
}

// last returns which of several words comes last, or "".
func (c cmdline) last(words ...wire.Word) wire.Word {
	for _, w := range slices.Backward(c) {
		if slices.Contains(words, wire.Word(w)) {
			return wire.Word(w)
		}
	}
	return ""
}

// consoles returns the devices of all console= words, each once, in order. The
// console tty0 is whatever virtual terminal is shown, so that a shell there is
// one on tty1.
func (c cmdline) consoles() []string {
	var names []string
	seen := map[string]bool{}
	for _, v := range wire.ConsoleWord.All(c) {
		name, _, _ := strings.Cut(v, ",")
		if name == "tty0" || name == "tty" {
			name = "tty1"
		}
		if name != "" && name != "null" && !seen[name] {
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
