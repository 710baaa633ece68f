package bootloader

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"ingot/internal/printable"
)

// plain are the characters that mean themselves in a GRUB script.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._=,:+@-"

// quote writes one word of a GRUB script. Within single quotes nothing has a meaning
// but the single quote itself, which therefore stands outside of them, escaped.
func quote(s string) string {
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// checkText refuses what would break a line of the menu.
func checkText(what, s string) error {
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return fmt.Errorf("%s %s: it must be UTF-8 without control characters", what, printable.Quote(s))
	}
	return nil
}

// CheckArgument refuses what GRUB does not hand to a kernel as it is: it writes a
// backslash before each quote and backslash, and the kernel does not take it away.
// Blanks within an argument are fine; GRUB quotes such an argument as a whole.
func CheckArgument(s string) error {
	if s == "" {
		return fmt.Errorf("kernel argument is empty")
	}
	if err := checkText("kernel argument", s); err != nil {
		return err
	}
	if i := strings.IndexAny(s, `"'\`); i >= 0 {
		return fmt.Errorf("kernel argument %s: GRUB cannot hand a %c to a kernel unchanged; an argument with blanks needs no quotes", printable.Quote(s), s[i])
	}
	return nil
}

// splitArguments takes a kernel's command line apart as the kernel does: at blanks
// that do not stand within double quotes, which it takes away.
func splitArguments(s string) ([]string, error) {
	var out []string
	var word strings.Builder
	quoted, started := false, false
	end := func() {
		if started {
			out = append(out, word.String())
		}
		word.Reset()
		started = false
	}
	for _, r := range s {
		switch {
		case r == '"':
			quoted, started = !quoted, true
		case !quoted && (r == ' ' || r == '\t' || r == '\n' || r == '\r'):
			end()
		default:
			word.WriteRune(r)
			started = true
		}
	}
	if quoted {
		return nil, fmt.Errorf("kernel arguments %s: a quote is not closed", printable.Quote(s))
	}
	end()
	return out, nil
}

// CommandLine joins arguments as a kernel takes them apart: one with blanks in it stands in
// double quotes, as GRUB writes it.
func CommandLine(args []string) string {
	var b strings.Builder
	for i, a := range args {
		if i > 0 {
			b.WriteByte(' ')
		}
		if strings.ContainsAny(a, " \t") {
			a = `"` + a + `"`
		}
		b.WriteString(a)
	}
	return b.String()
}
