package nixlib

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ingot/tests/testenv"
)

// An option is one of the NixOS module's, as its declaration has it.
type option struct {
	Type        string          `json:"type"`
	Default     json.RawMessage `json:"default"`
	DefaultText *struct{ Text string }
	Example     json.RawMessage `json:"example"`
	Description string          `json:"description"`
}

// TestOptionsDocument compares the list of options in docs/nix.md with the declarations.
func TestOptionsDocument(t *testing.T) {
	got, err := evaluate(t, "(import ROOT/nix/options.nix { lib = import ROOT/tests/nixlib/testdata/nixpkgs/lib.nix; }).options.image.ingot")
	if err != nil {
		t.Fatal(err)
	}
	var options map[string]option
	must(t, json.Unmarshal([]byte(got), &options))
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(options)) {
		o := options[name]
		if o.Type == "" || o.Description == "" {
			t.Errorf("image.ingot.%s has the type %q and the description %q; want both", name, o.Type, o.Description)
		}
		fmt.Fprintf(&b, "### `image.ingot.%s`\n\n%s\n\n", name, strings.TrimSpace(o.Description))
		fmt.Fprintf(&b, "Type: %s.", o.Type)
		if o.DefaultText == nil {
			fmt.Fprintf(&b, " Default: `%s`.", nixText(o.Default))
		}
		b.WriteString("\n")
		switch example := nixText(o.Example); {
		case strings.Contains(example, "\n"):
			fmt.Fprintf(&b, "\n```nix\nimage.ingot.%s = %s;\n```\n", name, strings.TrimSpace(example))
		case example != "":
			fmt.Fprintf(&b, "Example: `%s`.\n", example)
		}
		b.WriteString("\n")
	}

	const begin, end = "<!-- options: go test ./tests/nixlib -run TestOptionsDocument -update -->\n\n", "<!-- end of options -->\n"
	file := filepath.Join(testenv.Root(t), "docs/nix.md")
	text, err := os.ReadFile(file)
	must(t, err)
	before, rest, found := bytes.Cut(text, []byte(begin))
	_, after, also := bytes.Cut(rest, []byte(end))
	if !found || !also {
		t.Fatalf("docs/nix.md has no place for the options, between %q and %q", begin, end)
	}
	want := string(before) + begin + b.String() + end + string(after)
	if string(text) == want {
		return
	}
	if *update {
		must(t, os.WriteFile(file, []byte(want), 0o644))
		return
	}
	t.Error("docs/nix.md has other options than nix/options.nix: go test ./tests/nixlib -run TestOptionsDocument -update")
}

// nixText writes a value as Nix does: what was given as the text of an expression is that text.
func nixText(value json.RawMessage) string {
	var expression struct{ Text string }
	switch text := string(value); {
	case text == "{}":
		return "{ }"
	case json.Unmarshal(value, &expression) == nil && expression.Text != "":
		return expression.Text
	default:
		return text
	}
}
