package lint

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ingot/tests/testenv"
)

var update = flag.Bool("update", false, "write docs/lint.md")

// TestDocument holds docs/lint.md: its table has all rules. -update writes it.
func TestDocument(t *testing.T) {
	file := filepath.Join(testenv.Sources(t), "docs/lint.md")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const begin = "| name | at most | what is found | way out |\n|---|---|---|---|\n"
	before, after, ok := strings.Cut(string(text), begin)
	if !ok {
		t.Fatalf("docs/lint.md has no table that begins with %s", begin)
	}
	_, after, _ = strings.Cut(after, "\n\n")
	var b strings.Builder
	for _, r := range Rules {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", r.Name, r.Severity, r.About, r.Out)
	}
	want := before + begin + b.String() + "\n" + after
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if want != string(text) {
		t.Error("docs/lint.md is not that of the rules: go test ./lint -run TestDocument -update")
	}
}

// TestRules holds the rules against the code: each has a place in it, and names are in order.
func TestRules(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	code := ""
	for _, f := range files {
		if !strings.HasSuffix(f, "_test.go") && f != "rules.go" {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			code += string(text)
		}
	}
	var names []string
	for _, r := range Rules {
		if slices.Contains(names, r.Name) || r.About == "" || r.Out == "" || !strings.HasSuffix(r.Out, ".") {
			t.Errorf("rule %+v", r)
		}
		names = append(names, r.Name)
		words := strings.Split(r.Name, "-")
		constant := words[0]
		for _, w := range words[1:] {
			constant += strings.ToUpper(w[:1]) + w[1:]
		}
		for short, long := range map[string]string{"Uuid": "UUID", "Partlabel": "PartLabel", "Partuuid": "PartUUID", "Id": "ID"} {
			constant = strings.ReplaceAll(constant, short, long)
		}
		if !strings.Contains(code, constant) {
			t.Errorf("no code finds %s (%s)", r.Name, constant)
		}
	}
}
