package recipes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"ingot/internal/grammar"
	"ingot/internal/input"
	"ingot/internal/near"
	"ingot/internal/printable"
	"ingot/internal/secret"
	"ingot/partition"
	"ingot/storedb"
)

// Load reads the recipe in a file, or the recipe of that name that ships with ingot
// where name has neither a slash nor a file of that name. Each of set is
// "key=value" and overrides the key, whose path has dots between keys and the name
// or number of an element in brackets or as a part of its own:
// "disk.partitions.root.size=8GiB". absent are such values for keys that neither the recipe nor
// set has.
func Load(name string, set []string, absent ...string) (*Recipe, error) {
	if name == "" {
		return nil, errors.New("the name of the recipe is empty")
	}
	text, err := ReadText(name)
	if errors.Is(err, os.ErrNotExist) && !strings.ContainsRune(name, '/') {
		if shipped, ok := Shipped(name); ok {
			return Parse(name, ".", shipped, set, absent...)
		}
		if to, err := os.Readlink(name); err == nil {
			return nil, fmt.Errorf("%s is a link to %s, which is not there", name, printable.Name(to))
		}
		names := ShippedNames()
		if meant := near.Word(name, names); meant != "" {
			return nil, fmt.Errorf("%s: neither a file nor a recipe that ships with ingot; did you mean %q?", name, meant)
		}
		return nil, fmt.Errorf("%s: neither a file nor a recipe that ships with ingot (%s)", name, strings.Join(names, ", "))
	}
	if _, isLink := os.Readlink(name); errors.Is(err, os.ErrNotExist) && isLink != nil {
		return nil, fmt.Errorf("%s: there is no such file, folder or store path", name)
	}
	if err != nil {
		return nil, err
	}
	return Parse(name, filepath.Dir(name), text, set, absent...)
}

// MaxText is the most bytes that a recipe, or another text of a person's, may have. A disk
// image in place of a recipe is not read to its end.
const MaxText = 16 << 20

// ReadText reads a text file of the user's: a recipe, a script.
func ReadText(name string) ([]byte, error) {
	if err := input.Check(name); err != nil {
		return nil, err
	}
	return ReadStream(context.Background(), name)
}

// ReadStream is [ReadText] for what may be a pipe, too, which can be read but once.
func ReadStream(ctx context.Context, name string) ([]byte, error) {
	text, err := input.ReadFile(ctx, name, MaxText)
	return text, ofRecipe(err)
}

// ReadFrom is [ReadText] for an open file, which errors call name.
func ReadFrom(name string, r io.Reader) ([]byte, error) {
	text, err := input.ReadAll(name, r, MaxText)
	return text, ofRecipe(err)
}

// ofRecipe makes an [Error] of one that says that a text is too long.
func ofRecipe(err error) error {
	if long := (*input.LongError)(nil); errors.As(err, &long) {
		return &Error{File: long.Name, What: long.What()}
	}
	return err
}

// Parse reads a recipe from its text. file is the name that errors give, dir what
// relative paths are relative to, and set and absent as for [Load]. The error joins one [Error]
// for each thing that is wrong.
func Parse(file, dir string, text []byte, set []string, absent ...string) (*Recipe, error) {
	r := &Recipe{}
	d, err := decode(file, dir, "recipe", text, set, absent, r)
	if err != nil {
		return nil, err
	}
	r.src = d.source
	if len(d.errs)+d.more == d.words {
		r.check(d)
	}
	if err := d.err(); err != nil {
		return nil, err
	}
	return r, nil
}

// Decode reads another language of ingot's with the strictness of recipes. what names
// it in errors, and v points to a struct with tags like those of [Recipe]. The function
// that it returns gives an error that is found later its place in the file: that of a
// key, whose path is written "machines.web.vlans[1]".
func Decode(file, what string, text []byte, v any) (at func(key string, err error) error, err error) {
	d, err := decode(file, filepath.Dir(file), what, text, nil, nil, v)
	if err != nil {
		return nil, err
	}
	return func(key string, err error) error { return d.wrap(key, err) }, d.err()
}

// decode fills what v points to from a text with overrides. The decoder that it returns has the
// mistakes in single keys.
func decode(file, dir, what string, text []byte, set, absent []string, v any) (*decoder, error) {
	root, err := parseYAML(file, what, text)
	if err != nil {
		return nil, err
	}
	for i, s := range set {
		if err := override(root, s, i+1); err != nil {
			return nil, err
		}
	}
	for i, s := range absent {
		if key, _, _ := strings.Cut(s, "="); has(root, strings.Split(key, ".")) {
			continue
		}
		if err := override(root, s, len(set)+i+1); err != nil {
			return nil, err
		}
	}
	if err := checkAliases(file, root); err != nil {
		return nil, err
	}
	into := reflect.ValueOf(v).Elem()
	if err := otherLanguage(file, what, root, into.Type()); err != nil {
		return nil, err
	}
	return decodeRoot(file, dir, root, into), nil
}

func decodeRoot(file, dir string, root *yaml.Node, v reflect.Value) *decoder {
	d := &decoder{source: &source{file: file, dir: dir, at: map[string]*yaml.Node{}}}
	d.decode(root, v, "")
	return d
}

// override sets one key of a recipe before it is decoded, so that values are
// checked alike wherever they come from. number is that of the override, from 1.
func override(root *yaml.Node, set string, number int) error {
	key, value, ok := strings.Cut(set, "=")
	if !ok || key == "" {
		return &Error{File: "override " + secret.Quote(set), What: "not of the form key=value", Set: number}
	}
	var v yaml.Node
	// Lists and mappings are written as [a, b] and {a: b}. What only looks like one, as a
	// title "Generation 2: web" does, is a text.
	if err := yaml.Unmarshal([]byte(value), &v); err != nil || len(v.Content) == 0 ||
		v.Content[0].Kind != yaml.ScalarNode && v.Content[0].Style&yaml.FlowStyle == 0 {
		v = yaml.Node{Content: []*yaml.Node{{Kind: yaml.ScalarNode, Tag: "!!str", Value: value}}}
	}
	parts := strings.FieldsFunc(key, func(r rune) bool { return strings.ContainsRune(".[]", r) })
	at := root
	for i, part := range parts {
		if i == 1 && at.Kind == yaml.ScalarNode {
			switch {
			case parts[0] == "output":
				keepAs("format", at)
			case parts[0] == "system" && part == secretsKey: // others make another system
				keepAs("path", at)
			}
		}
		next, err := step(at, part, number)
		if err != nil {
			return &Error{File: "override " + key, What: err.Error(), Set: number} // the value may be secret
		}
		if i == len(parts)-1 {
			*next = *v.Content[0]
			placeOf(next, number)
		}
		at = next
	}
	return nil
}

// has reports whether a mapping has a key, or a value that is short for a mapping with keys.
func has(n *yaml.Node, key []string) bool {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if len(key) == 0 {
		return true
	}
	if n.Kind != yaml.MappingNode {
		return n.Tag != "!!null"
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key[0] {
			return has(n.Content[i+1], key[1:])
		}
	}
	return false
}

// keepAs turns a short form, the value of one key alone, into the long one, so that other keys can
// be set beside it.
func keepAs(key string, n *yaml.Node) {
	value := *n
	*n = yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: n.Line, Column: n.Column, Content: []*yaml.Node{
		{Kind: yaml.ScalarNode, Tag: "!!str", Value: key, Line: n.Line, Column: n.Column}, &value,
	}}
}

// placeOf says of a node and of those in it that they do not stand in the file, but in the
// override of a number: lines and columns are above 0.
func placeOf(n *yaml.Node, number int) {
	n.Line, n.Column = -number, 0
	for _, c := range n.Content {
		placeOf(c, number)
	}
}

// namesIn says which names the elements of a list have.
func namesIn(list *yaml.Node) string {
	var names []string
	for _, e := range list.Content {
		if name := scalarUnder(e, "name"); name != "" {
			names = append(names, printable.Name(name))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return printable.Cut("; there are "+grammar.And(names...), 200)
}

// step returns the node under one part of a key's path, made if it is missing.
func step(at *yaml.Node, part string, number int) (*yaml.Node, error) {
	if at.Kind == yaml.AliasNode {
		at = at.Alias
	}
	_, notNumber := strconv.Atoi(part)
	switch at.Kind {
	case yaml.SequenceNode:
		for i, e := range at.Content {
			if strconv.Itoa(i) == part || scalarUnder(e, "name") == part || scalarUnder(e, "path") == part {
				return e, nil
			}
		}
		return nil, fmt.Errorf("no element has the number or the name %s%s", printable.Quote(part), namesIn(at))
	case yaml.MappingNode:
		for i := 0; i+1 < len(at.Content); i += 2 {
			if at.Content[i].Value == part {
				return at.Content[i+1], nil
			}
		}
	case 0: // just made
		if notNumber == nil {
			return nil, fmt.Errorf("there is no list yet that could have an element %s: give all of it, as [{...}]", part)
		}
		at.Kind, at.Tag = yaml.MappingNode, "!!map"
	default:
		// A value that has a short form gives way to the long one.
		*at = yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	}
	value := &yaml.Node{Line: -number}
	at.Content = append(at.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: part, Line: -number}, value)
	return value, nil
}

func scalarUnder(n *yaml.Node, key string) string {
	if n.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				return n.Content[i+1].Value
			}
		}
	}
	return ""
}

func (s *Size) parse(n *yaml.Node) error {
	size, err := partition.ParseSize(n.Value)
	*s = Size{size, n.Value}
	return err
}

func (o *Offset) parse(n *yaml.Node) error {
	at, err := partition.ParseBytes(n.Value)
	*o = Offset(at)
	return err
}

func (s *PartSize) parse(n *yaml.Node) (err error) {
	if s.Text = n.Value; strings.HasSuffix(s.Text, "%") {
		s.Share, err = partition.ParseShare(s.Text)
	} else {
		s.Size, err = partition.ParseSize(s.Text)
	}
	return err
}

func (m *Mode) parse(n *yaml.Node) error {
	v, err := strconv.ParseUint(strings.TrimPrefix(n.Value, "0o"), 8, 32)
	if err != nil || v > 0o7777 {
		return fmt.Errorf("%s is not a mode: up to four octal digits, such as 0644", printable.Quote(n.Value))
	}
	*m = Mode(v)
	return nil
}

func (d *decoder) path(p *Path, text string) error {
	if text == "" {
		return errors.New("the path is empty")
	}
	if kind := secret.Private(text); kind != "" {
		return fmt.Errorf("%s itself, where the path of a file belongs", kind)
	}
	*p = Path{Text: text, Host: text}
	if !filepath.IsAbs(text) {
		p.Host = filepath.Join(d.dir, text)
	}
	d.reads = append(d.reads, p.Host)
	return nil
}

// storePath makes a store path of a link to one, such as ./result, which is relative to the
// recipe's own folder. It refuses a relative path that leads to none.
func (d *decoder) storePath(p *StorePath, text string) error {
	*p = StorePath(text)
	if text == "" {
		return nil
	}
	at := text
	if !filepath.IsAbs(at) {
		at = filepath.Join(d.dir, at)
	}
	item := storedb.Follow(at)
	switch {
	case storedb.ItemOf(item) == item:
		if item != at {
			*p = StorePath(item)
		}
		return nil
	case filepath.IsAbs(text):
		return nil // it may lie in a store of another root
	}
	why := "nothing is there"
	if _, err := os.Stat(at); err == nil {
		why = "it is there, and leads to no store"
	} else if target, err := os.Readlink(at); err == nil {
		why = fmt.Sprintf("it leads to %s, and nothing is there", printable.Quote(target))
	}
	return fmt.Errorf("%s is neither a store path nor a link to one, such as nix-build makes of ./result: %s", printable.Quote(text), why)
}
