package main

import (
	"slices"
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

// TestHelpLines holds flags to one line of 80 columns in the help of every verb that has
// them, with the default at its end.
func TestHelpLines(t *testing.T) {
	flags := []string{
		"any-ocsp", "cert", "host", "licenses", "max-database", "max-size", "max-upload", "netrc", "output-files", "output-limit", "read-only",
		stallFlag, "trust", "upload-token-file", "uploads",
	}
	seen := map[string]bool{}
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		lines := strings.Split(c.LocalFlags().FlagUsages(), "\n")
		for _, name := range flags {
			if c.LocalFlags().Lookup(name) == nil {
				continue
			}
			seen[name] = true
			at := slices.IndexFunc(lines, func(line string) bool {
				f := strings.Fields(line)
				return len(f) > 0 && strings.Split(f[0], "[")[0] == "--"+name
			})
			if at < 0 {
				t.Errorf("%s --%s: is not in the help", c.CommandPath(), name)
				continue
			}
			line := lines[at]
			if n := utf8.RuneCountInString(line); n > 80 {
				t.Errorf("%s --%s: the line has %d columns; want 80 at most: %s", c.CommandPath(), name, n, line)
			}
			if strings.Contains(line, "left out") {
				t.Errorf("%s --%s: want the default at the end, as Default: X: %s", c.CommandPath(), name, line)
			}
		}
		for _, child := range c.Commands() {
			walk(child)
		}
	}
	walk(newRoot())
	for _, name := range flags {
		if !seen[name] {
			t.Errorf("no verb has --%s", name)
		}
	}
}
