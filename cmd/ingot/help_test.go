package main

import (
	"testing"

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
