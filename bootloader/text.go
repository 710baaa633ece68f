package bootloader

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"ingot/guest/wire"
	"ingot/internal/printable"
)

// CheckText refuses text that would break a line of a menu; what names it in the error.
func CheckText(what, s string) error {
	if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return fmt.Errorf("%s %s: it must be UTF-8 without control characters", what, printable.Quote(s))
	}
	return nil
}

// CheckTitle refuses a title that a line of a menu cannot hold.
func CheckTitle(s string) error {
	if strings.TrimSpace(s) == "" {
		return errors.New("title is empty")
	}
	return CheckText("title", s)
}

// CheckArgument refuses an argument that a kernel would change: it removes double quotes.
// Blanks within an argument are fine; [CommandLine] quotes such an argument as a whole.
func CheckArgument(s string) error {
	if s == "" {
		return errors.New("kernel argument is empty")
	}
	if err := CheckText("kernel argument", s); err != nil {
		return err
	}
	if strings.Contains(s, `"`) {
		return fmt.Errorf("kernel argument %s: the kernel removes a \"; an argument with blanks needs no quotes", printable.Quote(s))
	}
	return nil
}

// SplitArguments takes a kernel's command line apart.
func SplitArguments(s string) ([]string, error) {
	words, whole := wire.SplitLine(s)
	if !whole {
		return nil, fmt.Errorf("kernel arguments %s: a quote is not closed", printable.Quote(s))
	}
	return words, nil
}

// CommandLine joins arguments as a kernel takes them apart: one with blanks in it stands in
// double quotes, as boot loaders write it.
func CommandLine(args []string) string {
	words := slices.Clone(args)
	for i, a := range words {
		if strings.ContainsAny(a, " \t") {
			words[i] = `"` + a + `"`
		}
	}
	return strings.Join(words, " ")
}
