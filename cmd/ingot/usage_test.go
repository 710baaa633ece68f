package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestEmptyFlags gives each flag of each verb nothing, as a script does whose variable is not
// set: it is no flag left out.
func TestEmptyFlags(t *testing.T) {
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		for _, sub := range c.Commands() {
			walk(sub)
		}
		if !c.Runnable() || !c.HasParent() || len(c.Commands()) > 0 && c.Name() == "cache" {
			return
		}
		verb := strings.Fields(verbName(c))
		c.InitDefaultHelpFlag()
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Value.Type() == "bool" || slices.Contains(emptyArguments, f.Name) {
				return
			}
			args := append(slices.Clone(verb), "--"+f.Name+"=", "nonesuch", "down")
			status, _, errout := ingot(args...)
			if c.Args(c, []string{"nonesuch", "down"}) != nil { // that many do not fit
				args = append(slices.Clone(verb), "--"+f.Name+"=")
				if status, _, errout = ingot(args...); status == exitUsage && !strings.Contains(errout, f.Name) {
					args = append(slices.Clone(verb), "--"+f.Name+"=", "nonesuch")
					status, _, errout = ingot(args...)
				}
			}
			if status != exitUsage || !strings.Contains(errout, f.Name) {
				t.Errorf("%s: status %d: %s; want %d and the flag", args, status, errout, exitUsage)
			}
		})
	}
	walk(newRoot())
}

// TestEmptyNames gives verbs a name that is nothing.
func TestEmptyNames(t *testing.T) {
	for _, line := range [][]string{
		{"build", ""}, {"plan", ""}, {"convert", "", "-o", "x.img"}, {"serve", ""}, {"verify", "", "x"}, {"verify", "x", ""}, {"verify", "--digest", ""}, {"recipes", ""},
		{"run", ""}, {"test", ""}, {"network", ""}, {"network", "link", "", "down"}, {"shell", ""}, {"stop", ""}, {"check", ""}, {"cache", "serve", ""},
		{"verify", "", "--trust", "x"}, {"closure", ""}, {"register", "", "--root", "x"}, {"run", "", "--", "-usb"},
	} {
		if status, _, errout := ingot(line...); status != exitUsage || !strings.Contains(errout, ": an argument is empty; ") {
			t.Errorf("%q: status %d: %s", line, status, errout)
		}
	}
	if status, _, errout := ingot("exec", "--kernel", "/nonesuch", "printf", ""); status == exitUsage {
		t.Errorf("exec printf '': %s; want that the kernel is not there", errout)
	}
}

// TestExclusive gives flags that contradict each other.
func TestExclusive(t *testing.T) {
	for _, x := range []struct {
		line, want string // want begins behind "ingot: "
	}{
		{"cache serve nonesuch --read-only --netrc n", "cache serve: --read-only and --netrc exclude each other: give one of the two\n"},
		{"cache serve nonesuch --upload-token-file t --read-only", "cache serve: --read-only and --upload-token-file exclude each other: give one of the two\n"},
		{"serve nonesuch --overlay c --writable", "serve: --writable and --overlay exclude each other: give one of the two\n"},
		{"serve --overlay c --writable", "serve: takes at least 1 argument, and none is given\n"},
	} {
		status, out, errout := ingot(strings.Fields(x.line)...)
		if status != exitUsage || out != "" || !strings.HasPrefix(errout, "ingot: "+x.want+"hint: ingot ") {
			t.Errorf("%s: status %d\n%s%s; want status %d, %s", x.line, status, out, errout, exitUsage, x.want)
		}
	}
	for _, line := range []string{"serve nonesuch --writable", "serve nonesuch --overlay c"} {
		if status, _, errout := ingot(strings.Fields(line)...); status == exitUsage || !strings.Contains(errout, "nonesuch") {
			t.Errorf("%s: status %d\n%s; want that nonesuch is not there", line, status, errout)
		}
	}
}
