package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"ingot/tests/testenv"
)

var updateFlags = flag.Bool("update-flags", false, "write docs/flags.md anew")

// A meaning is what a flag says in a verb, without what is the verb's own: the default, and what
// stands in brackets or behind a semicolon.
type meaning struct{ value, text, parser string }

var (
	scope = regexp.MustCompile(`^[a-zA-Z0-9, -]+: `) // "docker: ", "with --test: "
	tail  = regexp.MustCompile(`(; |\. Default| \().*$|\.$`)
)

func meaningOf(f *pflag.Flag) meaning {
	value, text := flagUsage(f)
	text = tail.ReplaceAllString(scope.ReplaceAllString(text, ""), "")
	return meaning{value, text, strings.TrimPrefix(fmt.Sprintf("%T", f.Value), "*")}
}

// flagTable is all flags of all verbs, by their names and then their meanings.
func flagTable() map[string]map[meaning][]string {
	table := map[string]map[meaning][]string{}
	for verb, c := range verbs() {
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Name == "help" {
				return
			}
			name := "--" + f.Name
			if f.Shorthand != "" {
				name = "-" + f.Shorthand + ", " + name
			}
			if table[name] == nil {
				table[name] = map[meaning][]string{}
			}
			m := meaningOf(f)
			table[name][m] = append(table[name][m], verb)
		})
	}
	return table
}

// apart are flags that say something else in some verbs: recipes takes no items of a store, and
// derives a recipe from a system; register makes profiles, and others read one.
var apart = map[string][]string{"--from": {"recipes"}, "--profile": {"register"}}

func hasApart(meanings map[meaning][]string, verbs []string) bool {
	for _, in := range meanings {
		if slices.Equal(in, verbs) {
			return true
		}
	}
	return false
}

// TestFlagsHaveOneMeaning: a flag of one name says the same in every verb, has the same letter,
// the same name of its value and the same parser.
func TestFlagsHaveOneMeaning(t *testing.T) {
	letters := map[string]string{}
	for name, meanings := range flagTable() {
		_, long, ok := strings.Cut(name, "--")
		if before, twice := letters[long]; twice {
			t.Errorf("--%s is %q in some verbs and %q in others", long, before, name)
		}
		if letters[long] = name; !ok || len(meanings) == 1 {
			continue
		}
		if len(meanings) == 2 && hasApart(meanings, apart[name]) {
			continue
		}
		for m, in := range meanings {
			slices.Sort(in)
			t.Errorf("%s has several meanings; in %s: %+v", name, strings.Join(in, ", "), m)
		}
	}
}

// TestFlagsDocument: docs/flags.md is the table of all flags, made from the commands.
func TestFlagsDocument(t *testing.T) {
	var b strings.Builder
	b.WriteString(`# All flags

One word has one meaning in every verb. This table is made from the commands; ` + "`ingot VERB --help`" + ` tells the
defaults, and what a flag does in that verb in particular.

| flag | meaning | verbs |
|---|---|---|
`)
	table := flagTable()
	names := slices.SortedFunc(maps.Keys(table), func(a, b string) int {
		return strings.Compare(a[strings.Index(a, "--"):], b[strings.Index(b, "--"):])
	})
	for _, name := range names {
		for _, m := range slices.SortedFunc(maps.Keys(table[name]), func(a, b meaning) int { return strings.Compare(a.text, b.text) }) {
			in := table[name][m]
			slices.Sort(in)
			shown := name
			if m.value != "" {
				shown += " " + m.value
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", shown, strings.ReplaceAll(m.text, "|", `\|`), strings.Join(in, ", "))
		}
	}
	file := filepath.Join(testenv.Root(t), "docs", "flags.md")
	if *updateFlags {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != b.String() {
		t.Errorf("docs/flags.md is not the table of the flags (%v): go test ./cmd/ingot -run TestFlagsDocument -update-flags", err)
	}
}
