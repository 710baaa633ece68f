package recipes

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"ingot/internal/filekind"
	"ingot/internal/grammar"
	"ingot/internal/secret"
)

// parseYAML returns the root of the one document in a text.
func parseYAML(file, what string, text []byte) (*yaml.Node, error) {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, &Error{File: file, What: "the " + what + " is empty"}
		}
		return nil, notYAML(file, what, text, err)
	}
	root := doc.Content[0]
	if n := root; n.Kind != yaml.MappingNode && n.Kind != yaml.AliasNode {
		return nil, &Error{File: file, What: fmt.Sprintf("not a %s: %s", what, instead(text, n))}
	}
	switch err := dec.Decode(new(yaml.Node)); {
	case err == io.EOF:
		return root, nil
	case err != nil:
		return nil, notYAML(file, what, text, err)
	}
	return nil, &Error{File: file, What: "a " + what + " is one YAML document, and here is a second"}
}

// looksLike guesses the kind of a text that is no recipe.
func looksLike(text []byte) string {
	s := string(text[:min(len(text), filekind.Head)])
	return cmp.Or(secret.Private(s), secret.Public(s), filekind.Of(text))
}

// notYAML says why a text is no YAML: what it looks like instead, or what is wrong at which
// line.
func notYAML(file, what string, text []byte, err error) error {
	if kind := looksLike(text); kind != "" && kind != "JSON that is cut off" {
		return &Error{File: file, What: fmt.Sprintf("not a %s: it looks like %s", what, kind)}
	}
	return syntaxError(file, text, err)
}

// instead says what a text is whose root is not a mapping. It quotes nothing of it: it may
// be a key.
func instead(text []byte, n *yaml.Node) string {
	kind := looksLike(text)
	switch {
	case kind != "" && kind != "JSON": // which may be a recipe
		return "it looks like " + kind
	case n.Kind == yaml.SequenceNode:
		return "it is a list, where keys such as \"name: web\" belong"
	case n.Tag == "!!null":
		return "there is nothing in it"
	}
	return "it is a single text, where keys such as \"name: web\" belong"
}

// otherLanguage says that a mapping has none of the keys of v, but of some other language.
func otherLanguage(file, what string, root *yaml.Node, v reflect.Type) error {
	known := keysOf(v)
	var keys []string
	for i := 0; root.Kind == yaml.MappingNode && i+1 < len(root.Content); i += 2 {
		keys = append(keys, root.Content[i].Value)
	}
	has := func(key string) bool { return slices.Contains(keys, key) }
	e := &Error{File: file, Line: root.Line, Column: root.Column}
	switch {
	case what == "recipe" && has("machines") && !has("disk"):
		e.What = "not a recipe: it has machines, as a file of ingot network and ingot test"
		return e
	case what != "recipe" && has("disk") && !has("machines"):
		e.What = "not a " + what + ": it has a disk, as a recipe"
		return e
	case len(keys) < 2, slices.ContainsFunc(keys, func(key string) bool { return slices.Contains(known, key) }):
		return nil // a slip, or less than can be judged
	}
	for i, key := range keys {
		keys[i] = secret.Quote(key)
	}
	if most := 3; len(keys) > most {
		keys = append(keys[:most:most], grammar.Count(len(keys)-most, "other"))
	}
	e.What = fmt.Sprintf("not a %s: it has the keys %s", what, grammar.And(keys...))
	e.Hint = "known are " + strings.Join(known, ", ")
	return e
}
