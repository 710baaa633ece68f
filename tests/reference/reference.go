// Package reference makes docs/recipes.md of the JSON Schema of recipes.
package reference

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/invopop/jsonschema"

	"ingot/recipes"
)

// spelled names the values of the schema's own types.
var spelled = map[string]string{
	"Size": "size", "Offset": "size", "PartSize": "size or percentage", "Path": "path", "Paths": "path or list of paths", "Mode": "octal",
}

// Text returns all keys of the recipe language with their meaning, as Markdown.
func Text(t testing.TB) string {
	t.Helper()
	schema, err := recipes.Schema()
	if err != nil {
		t.Fatal(err)
	}
	var root jsonschema.Schema
	if err := json.Unmarshal(schema, &root); err != nil {
		t.Fatal(err)
	}
	r := reference{definitions: root.Definitions}
	r.text.WriteString("# Reference: recipe keys\n\nAn asterisk marks required keys. Paths are relative to the recipe's file. A size is a number\n" +
		"of bytes, or has a unit: 512MiB, 8GiB (powers of 1024), 1GB (powers of 1000).\n")
	for queue := []mapping{{"", &root}}; len(queue) > 0; {
		m := queue[0]
		queue = append(queue[1:], r.section(m)...)
	}
	return r.text.String()
}

type reference struct {
	definitions jsonschema.Definitions
	text        strings.Builder
}

// mapping is one that is still to be described.
type mapping struct {
	key string
	*jsonschema.Schema
}

// section describes one mapping and returns those that it contains.
func (r *reference) section(m mapping) (inner []mapping) {
	title := m.key
	if title == "" {
		title = "The recipe"
	}
	fmt.Fprintf(&r.text, "\n## %s\n\n| key | value | meaning |\n|---|---|---|\n", title)
	for at := m.Properties.Oldest(); at != nil; at = at.Next() {
		name, key := at.Key, strings.TrimPrefix(m.key+"."+at.Key, ".")
		value, sub := r.value(at.Value)
		if sub != nil {
			if strings.HasPrefix(value, "list") {
				key += "[]"
			}
			inner = append(inner, mapping{key, sub})
		}
		if slices.Contains(m.Required, name) {
			name += "*"
		}
		fmt.Fprintf(&r.text, "| `%s` | %s | %s |\n", name, value, at.Value.Description)
	}
	return inner
}

// value names what a key takes, and returns the schema of a mapping.
func (r *reference) value(s *jsonschema.Schema) (string, *jsonschema.Schema) {
	if name := strings.TrimPrefix(s.Ref, "#/$defs/"); name != "" {
		if value := spelled[name]; value != "" {
			return value, nil
		}
		return r.value(r.definitions[name])
	}
	if len(s.OneOf) > 0 {
		value, sub := r.value(s.OneOf[len(s.OneOf)-1])
		return value + ", or a short form", sub
	}
	if len(s.Enum) > 0 {
		var words []string
		for _, w := range s.Enum {
			words = append(words, fmt.Sprint(w))
		}
		return strings.Join(words, ", "), nil
	}
	switch s.Type {
	case "object":
		if s.Properties.Len() > 0 {
			return "mapping", s
		}
		value, sub := r.value(s.AdditionalProperties)
		return "mapping of " + value + "s", sub
	case "array":
		value, sub := r.value(s.Items)
		if mapping, ok := strings.CutSuffix(value, ", or a short form"); ok {
			return "list of " + mapping + "s, or of short forms", sub
		}
		return "list of " + value + "s", sub
	case "boolean":
		return "true or false", nil
	case "string":
		return "text", nil
	}
	return "number", nil
}
