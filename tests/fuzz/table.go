package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/dustin/go-humanize"
)

// tableFile has the table of parsers and their targets.
const tableFile = "docs/testing.md"

// row is a line of that table: what is read, the target, and how often it was executed
// in the last long run.
var row = regexp.MustCompile("^(\\| [^|]+ \\| `([a-z0-9/]+ Fuzz[A-Za-z0-9_]*)` \\| )([0-9,]+|—)( \\|)$")

// noRun stands in place of the number of a target that has not had a long run yet.
const noRun = "—"

// rows returns the executions in a table, by target.
func rows(text string) map[string]string {
	found := map[string]string{}
	for line := range strings.SplitSeq(text, "\n") {
		if m := row.FindStringSubmatch(line); m != nil {
			found[m[2]] = m[3]
		}
	}
	return found
}

// record writes the executions of a target into the table, unless it has failed.
func record(module string, r Result) error {
	if r.Failure != "" {
		return nil
	}
	name := filepath.Join(module, tableFile)
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	return os.WriteFile(name, []byte(recorded(string(b), r)), 0o644)
}

func recorded(text string, r Result) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if m := row.FindStringSubmatch(line); m != nil && m[2] == r.Target.String() {
			lines[i] = fmt.Sprintf("%s%s%s", m[1], humanize.Comma(r.Execs), m[4])
		}
	}
	return strings.Join(lines, "\n")
}
