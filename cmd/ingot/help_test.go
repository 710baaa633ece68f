package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestHelp reads what --help says of every flag: a word in backquotes in the
// description becomes the name of its value, which a switch does not have.
func TestHelp(t *testing.T) {
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Short == "" {
			t.Errorf("%s: no short description", c.CommandPath())
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			name, usage := pflag.UnquoteUsage(f)
			if usage == "" {
				t.Errorf("%s --%s: no description", c.CommandPath(), f.Name)
			}
			if f.Value.Type() == "bool" && name != "" {
				t.Errorf("%s --%s: help shows the value %q; want none, it is a switch", c.CommandPath(), f.Name, name)
			}
		})
		for _, child := range c.Commands() {
			walk(child)
		}
	}
	walk(newRoot())
}

// TestHelpLines holds each flag of each verb to one line of 80 columns, with the value's
// name in capitals and the default at its end.
func TestHelpLines(t *testing.T) {
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		c.InitDefaultHelpFlag()
		flags := 0
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			flags++
			value, text := flagUsage(f)
			if value != "" && value != strings.ToUpper(value) {
				t.Errorf("%s --%s: the name of the value is %q; want it in capitals, in backquotes in the description", c.CommandPath(), f.Name, value)
			}
			for _, bent := range []string{"left out", "may be repeated", "nothing is said"} {
				if strings.Contains(text, bent) {
					t.Errorf("%s --%s: %q; want \"Default: X.\" at the end, and \"repeatable\"", c.CommandPath(), f.Name, text)
				}
			}
			if _, after, ok := strings.Cut(text, "Default: "); ok && strings.Contains(after, "Default") {
				t.Errorf("%s --%s: %q has two defaults", c.CommandPath(), f.Name, text)
			}
		})
		lines := strings.Split(strings.TrimRight(flagLines(c.LocalFlags()), "\n"), "\n")
		if len(lines) != flags {
			t.Errorf("%s: %d flags have %d lines; want one each", c.CommandPath(), flags, len(lines))
		}
		for _, line := range lines {
			if n := utf8.RuneCountInString(line); n > 80 {
				t.Errorf("%s: the line of a flag has %d columns; want 80 at most: %s", c.CommandPath(), n, line)
			}
		}
		for _, child := range c.Commands() {
			walk(child)
		}
	}
	walk(newRoot())
}

// TestHelpWidth holds all help to 80 columns, or to what the variable COLUMNS says. Only
// the usage line and single words may be wider.
func TestHelpWidth(t *testing.T) {
	for _, width := range []int{200, 80, 50} {
		t.Setenv("COLUMNS", strconv.Itoa(width))
		var walk func(*cobra.Command)
		walk = func(c *cobra.Command) {
			var out bytes.Buffer
			args := append(strings.Fields(c.CommandPath())[1:], "--help")
			if code := commandLine(t.Context(), args, &out, &out); code != 0 {
				t.Errorf("%q ends with %d: %s", args, code, out.String())
			}
			for line := range strings.Lines(out.String()) {
				line = strings.TrimRight(line, "\n")
				if n := utf8.RuneCountInString(line); n > min(width, 80) && strings.Contains(strings.TrimSuffix(strings.TrimSpace(line), " \\"), " ") {
					t.Errorf("COLUMNS=%d ingot %q: a line has %d columns: %s", width, args, n, line)
				}
			}
			for _, child := range c.Commands() {
				walk(child)
			}
		}
		walk(newRoot())
	}
}

func TestFold(t *testing.T) {
	for _, x := range []struct{ text, want string }{
		{"one two three four", "one two\nthree four\n"},
		{"  --name  one two three", "  --name\n        one\n        two\n        three\n"},
		{"  a  one two three", "  a  one\n     two\n     three\n"},
		{"ALongWordThatIsWider than it", "ALongWordThatIsWider\nthan it\n"},
		{"warning: one two three", "warning: one two three\n"},
		{"  ingot a b c d e", "  ingot a \\\n    b c d e\n"},
	} {
		if got := fold(x.text, 11); got != x.want {
			t.Errorf("fold(%q) = %q; want %q", x.text, got, x.want)
		}
	}
	for text, want := range map[string]string{
		"a\nb\n\n  c\n  d\ne\nf\n":                        "a b\n\n  c\n  d\ne f",
		"  a   one\n      two\n  b   three\n\n      four": "a   one\n      two\n  b   three\n\n      four",
		"A\n\n  a   one\n      two\n  b   three\n  c":     "A\n\n  a   one two\n  b   three\n  c",
	} {
		if got := paragraphs(text); got != want {
			t.Errorf("paragraphs(%q) = %q; want %q", text, got, want)
		}
	}
}

// TestTables holds what is printed for people to 80 columns, or to what COLUMNS says: the
// table of partitions among it, whose row of a GPT does not fit. Only words are wider.
func TestTables(t *testing.T) {
	recipe := filepath.Join(t.TempDir(), "wide.yaml")
	text := "name: wide\ndisk:\n  partitions:\n    - {name: a-name-of-thirty-letters-and-so, filesystem: ext4, label: sixteen-letters-, size: 64MiB}\n"
	if err := os.WriteFile(recipe, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, width := range []int{80, 40} {
		t.Setenv("COLUMNS", strconv.Itoa(width))
		for _, args := range [][]string{{"plan", recipe}, {"test", "--list-commands"}, {"recipes"}} {
			code, out, errout := ingot(args...)
			if code != 0 {
				t.Fatalf("%q: %d %s", args, code, errout)
			}
			for line := range strings.Lines(out) {
				line = strings.TrimRight(line, "\n")
				if n := utf8.RuneCountInString(line); n > width && strings.Contains(strings.TrimSpace(line), " ") {
					t.Errorf("COLUMNS=%d ingot %q: a line has %d columns: %s", width, args, n, line)
				}
			}
		}
	}
}
