package arch

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ingot/tests/testenv"
)

// featureRows are the handles of docs/features.md: a letter for each model system, and
// how many features of it are told.
var featureRows = []struct {
	letter string
	count  int
}{{"T", 18}, {"Q", 26}, {"V", 18}, {"N", 15}, {"G", 25}}

// notDone begins the tests of a feature that ingot does not have; the reason follows.
const notDone = "not done: "

var (
	featureRow  = regexp.MustCompile(`^\| ([A-Z][0-9]+) \|(.*)\|(.*)\|(.*)\|$`)
	featureTest = regexp.MustCompile("`([a-z0-9/]+)\\.((?:Test|Fuzz)[A-Za-z0-9_]*)((?:/[a-z0-9-]+)?)`")
	testFunc    = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Za-z0-9_]*)\(`)
)

// TestFeatures reads docs/features.md: each feature stands there once, with tests that
// exist, or with the reason why there is none.
func TestFeatures(t *testing.T) {
	root := testenv.Root(t)
	text, err := os.ReadFile(filepath.Join(root, "docs", "features.md"))
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, m := range featureRows {
		for i := range m.count {
			want = append(want, fmt.Sprintf("%s%d", m.letter, i+1))
		}
	}
	var got []string
	for line := range strings.Lines(string(text)) {
		row := featureRow.FindStringSubmatch(strings.TrimSpace(line))
		if row == nil {
			continue
		}
		got = append(got, row[1])
		for _, flaw := range flawsOf(root, row[4]) {
			t.Errorf("docs/features.md: %s: %s", row[1], flaw)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("docs/features.md has the rows\n%v\nwant\n%v", got, want)
	}
}

// flawsOf says what is wrong with the tests that a row names.
func flawsOf(root, tests string) []string {
	if reason, ok := strings.CutPrefix(strings.TrimSpace(tests), notDone); ok && len(reason) > 10 {
		return nil
	}
	names := featureTest.FindAllStringSubmatch(tests, -1)
	if len(names) == 0 {
		return []string{"it names no test, and does not say why it is " + strings.TrimSuffix(notDone, ": ")}
	}
	var flaws []string
	if rest := strings.Trim(featureTest.ReplaceAllString(tests, ""), " "); rest != "" {
		flaws = append(flaws, fmt.Sprintf("%q is no test", rest))
	}
	for _, n := range names {
		if folder, test, script := n[1], n[2], strings.TrimPrefix(n[3], "/"); !hasTest(root, folder, test) {
			flaws = append(flaws, folder+" has no "+test)
		} else if script != "" {
			if _, err := os.Stat(filepath.Join(root, folder, "testdata", "script", script+".txt")); err != nil {
				flaws = append(flaws, err.Error())
			}
		}
	}
	return flaws
}

// hasTest says whether a folder's tests have that function.
func hasTest(root, folder, test string) bool {
	files, _ := filepath.Glob(filepath.Join(root, folder, "*_test.go"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return false
		}
		for _, m := range testFunc.FindAllStringSubmatch(string(text), -1) {
			if m[1] == test {
				return true
			}
		}
	}
	return false
}

func TestFlawsOf(t *testing.T) {
	root := testenv.Root(t)
	for tests, want := range map[string][]string{
		"`tests/arch.TestFlawsOf`":              nil,
		"`cmd/ingot.TestScript/run`":            nil,
		"not done: for a reason that is told":   nil,
		"not done: ":                            {"it names no test, and does not say why it is not done"},
		"":                                      {"it names no test, and does not say why it is not done"},
		"`tests/arch.TestNonesuch`":             {"tests/arch has no TestNonesuch"},
		"`nonesuch.TestFlawsOf`":                {"nonesuch has no TestFlawsOf"},
		"`tests/arch.TestFlawsOf` and a prayer": {`"and a prayer" is no test`},
	} {
		if got := flawsOf(root, tests); !slices.Equal(got, want) {
			t.Errorf("flawsOf(%q) = %q; want %q", tests, got, want)
		}
	}
	if got := flawsOf(root, "`cmd/ingot.TestScript/nonesuch`"); len(got) != 1 || !strings.Contains(got[0], "nonesuch.txt: no such file") {
		t.Errorf("flawsOf of a script that is not there = %q", got)
	}
}

// TestSecurity reads the table of docs/security.md: each guarantee names tests that exist.
func TestSecurity(t *testing.T) {
	root := testenv.Root(t)
	text, err := os.ReadFile(filepath.Join(root, "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "| against | guarantee | tests |\n|---|---|---|\n")
	if !found {
		t.Fatal("docs/security.md has no table of guarantees")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	for row := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(row), "|"), "|")
		if len(cells) != 3 {
			t.Errorf("docs/security.md: %s: %d cells; want 3", row, len(cells))
			continue
		}
		if strings.HasPrefix(strings.TrimSpace(cells[2]), notDone) {
			t.Errorf("docs/security.md:%s: it names no test", cells[1])
		}
		for _, flaw := range flawsOf(root, cells[2]) {
			t.Errorf("docs/security.md:%s: %s", cells[1], flaw)
		}
	}
}
