package recipes

import (
	"strings"
	"testing"
)

// TestSyntaxErrors has the YAML parser fail, and looks for the line and for what to do.
func TestSyntaxErrors(t *testing.T) {
	const tab, token = "the line is indented with a tab; write spaces", "needs quotation marks"
	for text, want := range map[string]string{
		"name: a\ndisk:\n\tpartitions: []\n":                        "f.yaml:3:1: not YAML: " + tab,
		"name: a\n\tdisk: x\n":                                      "f.yaml:2:1: not YAML: " + tab,
		"name: a\ndisk:\n  partitions:\n  - name: x\n\t  size: 1\n": "f.yaml:5:1: not YAML: " + tab,
		"name: a\ndisk:\n  \tpartitions: []\n":                      "f.yaml:3:1: not YAML: " + tab,
		"name: a\nx:\n  - a: b\n  \t- c: d\n":                       "f.yaml:4:1: not YAML: " + tab,
		"name: a\nx:\n-\t- c: d\n\ty: z\n":                          "f.yaml:3:1: not YAML: " + tab,
		"name: a\nx:\n  -\t{c: d}\n":                                "f.yaml:3:1: not YAML: " + tab,
		"a: |\n  one\n  two\n\tthree\nb: c\n":                       "f.yaml:4:1: not YAML: " + tab,
		"a: |\n\tx\n":                                               "f.yaml:2:1: not YAML: " + tab,
		"name: a: b\n":                                              "quote a value that has a colon",
		"name: @x\n":                                                token,
		"name: `x\n":                                                token,
		"name: *hunter2\n":                                          "not YAML: unknown anchor referenced; a value that begins with * needs quotation marks",
		"name: [a\n":                                                "a bracket is not closed",
		"name: \"a\n":                                               "a quotation mark is not closed",
		"a: \"\\q\"\n":                                              "quote the text with '",
		"name:\n  - a\n b: c\n":                                     "begin at one column",
	} {
		_, err := parseYAML("f.yaml", "recipe", []byte(text))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %q", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
