package recipes

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"ingot/bootloader"
	"ingot/internal/grammar"
	"ingot/internal/near"
	"ingot/internal/printable"
	"ingot/internal/secret"
)

// textual is a type that one scalar of the recipe language spells.
type textual interface {
	parse(text string, d *decoder) error
}

// asTextual returns a value as one that a scalar spells, or nil. Packages below have paths,
// too.
func asTextual(v any) textual {
	if p, ok := v.(*bootloader.Path); ok {
		return (*Path)(p)
	}
	t, _ := v.(textual)
	return t
}

// alternatives is a field of a struct in whose place a mapping has one of several keys.
type alternatives interface {
	alternatives() []key
	// choose returns what the value of one of the keys is decoded into.
	choose(name string) reflect.Value
}

// key is a key of a mapping.
type key struct {
	name, about string
	schema      string // the tag jsonschema
	of          reflect.Type
}

// shorthand is a struct that may also be given as something else than a mapping.
type shorthand interface {
	// short decodes n, which is not a mapping, and says whether it knows how.
	short(n *yaml.Node, key string, d *decoder) bool
}

// decoder turns YAML nodes into the structs of this package, strictly, and keeps
// all that it finds wrong.
type decoder struct {
	*source
	errs []error // the first ones
	more int     // how many more there are
}

// mostErrors is how many mistakes are named, one by one. The others are counted: a file of
// 16 MiB has room for millions, whose messages would take minutes and gigabytes.
const mostErrors = 20

func (d *decoder) fail(key, format string, args ...any) {
	if d.counts() {
		d.more++
		return
	}
	d.errs = append(d.errs, d.errorf(key, format, args...))
}

// counts says whether a further mistake is counted and not named.
func (d *decoder) counts() bool { return len(d.errs) >= mostErrors }

// add keeps mistakes that have been found elsewhere.
func (d *decoder) add(errs ...error) {
	named := min(len(errs), max(mostErrors-len(d.errs), 0))
	d.errs, d.more = append(d.errs, errs[:named]...), d.more+len(errs)-named
}

func (d *decoder) err() error {
	if d.more > 0 {
		return errors.Join(append(slices.Clone(d.errs), &Error{File: d.file, What: "and " + grammar.Count(d.more, "more mistake")})...)
	}
	return errors.Join(d.errs...)
}

// secretType is that of keys whose values are not shown, whatever is wrong with them.
var secretType = reflect.TypeFor[Secret]()

// decode fills v from n; key is n's path in the recipe.
func (d *decoder) decode(n *yaml.Node, v reflect.Value, key string) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	d.at[key] = n
	if t := asTextual(v.Addr().Interface()); t != nil {
		if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
			d.fail(key, "%s where a single value belongs", kindOf(n))
		} else if err := t.parse(n.Value, d); err != nil {
			// Which quotes the whole of it.
			value := strings.TrimSpace(n.Value)
			d.fail(key, "%s", strings.NewReplacer(strconv.Quote(n.Value), secret.Quote(n.Value), strconv.Quote(value), secret.Quote(value)).Replace(err.Error()))
		}
		if p, ok := t.(placed); ok {
			p.place(n)
		}
		return
	}
	if v.Type() == secretType && n.Kind == yaml.ScalarNode {
		d.fail(key, "a single value where a mapping belongs: a secret itself has no place in a recipe; write {file: PATH} or {environment: NAME}")
		return
	}
	if _, ok := v.Addr().Interface().(bootloader.Loader); ok && n.Kind != yaml.MappingNode {
		if platforms, ok := fieldOf(v, platformsKey); ok && n.Kind == yaml.SequenceNode {
			d.list(n, platforms, key)
		} else {
			d.fail(key, "%s does not fit here", kindOf(n))
		}
		return
	}
	if s, ok := v.Addr().Interface().(shorthand); ok && n.Kind != yaml.MappingNode {
		if !s.short(n, key, d) {
			d.fail(key, "%s does not fit here", kindOf(n))
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.decode(n, v.Elem(), key)
	case reflect.Struct:
		d.mapping(n, v, key)
	case reflect.Slice:
		d.list(n, v, key)
	case reflect.Map:
		d.named(n, v, key)
	default:
		d.scalar(n, v, key)
	}
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value, key string) {
	if n.Kind != yaml.MappingNode {
		d.fail(key, "%s where a mapping of keys belongs: %s", kindOf(n), strings.Join(keysOf(v.Type()), ", "))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		field, ok := fieldOf(v, name.Value)
		if !ok {
			d.unknownKey(name, v.Type(), key)
			continue
		}
		sub := strings.TrimPrefix(key+"."+name.Value, ".")
		d.at[sub] = name
		switch {
		case seen[name.Value]:
			d.fail(sub, "stands twice")
		default:
			d.decode(value, field, sub)
		}
		seen[name.Value] = true
	}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name := keyOf(f)
		if name == "" || f.Tag.Get("jsonschema") != "required" {
			continue
		}
		sub := strings.TrimPrefix(key+"."+name, ".")
		at := d.at[sub] // the value, once it was decoded
		switch {
		case !seen[name]:
			d.fail(sub, "is missing")
		case f.Type.Kind() == reflect.String && isEmptyText(at):
			d.fail(sub, "is empty: give it a value")
		}
	}
}

// isEmptyText says whether a node is a text that is given and has nothing in it.
func isEmptyText(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Tag != "!!null" && n.Value == ""
}

var wordsType = reflect.TypeFor[Words]()

// unknownKey refuses a key of the mapping at key that a value of type t does not have.
func (d *decoder) unknownKey(name *yaml.Node, t reflect.Type, key string) {
	if d.counts() {
		d.more++
		return
	}
	known := keysOf(t)
	if t == secretType { // the name may be the secret
		d.fail(key, "unknown key; known here: %s", strings.Join(known, ", "))
		return
	}
	if quoted := secret.Quote(name.Value); quoted[0] != '"' {
		d.fail(key, "unknown key, %s; known here: %s", quoted, strings.Join(known, ", "))
		return
	}
	sub := strings.TrimPrefix(key+"."+name.Value, ".")
	d.at[sub] = name
	e := d.errorf(sub, "unknown key")
	if meant := near.Word(name.Value, known); meant != "" {
		e.Hint = fmt.Sprintf("did you mean %q?", meant)
	} else {
		e.Hint = "known here: " + strings.Join(known, ", ")
	}
	d.add(e)
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, key string) {
	if n.Kind != yaml.SequenceNode {
		what := kindOf(n) + " where a list belongs"
		if n.Kind == yaml.ScalarNode && n.Tag != "!!null" && what[0] == '"' {
			what += ": write [" + n.Value + "] for a list of one"
		}
		d.fail(key, "%s", what)
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, e := range n.Content {
		sub := fmt.Sprintf("%s[%d]", key, i)
		d.decode(e, v.Index(i), sub)
		if v.Type() != wordsType && isEmptyText(d.at[sub]) && v.Index(i).Kind() == reflect.String {
			d.fail(sub, "is empty: give it a value, or leave it out")
		}
	}
}

// named decodes a mapping whose keys are names that the file gives.
func (d *decoder) named(n *yaml.Node, v reflect.Value, key string) {
	if n.Kind != yaml.MappingNode {
		if v.Type().Elem() == secretType && n.Kind == yaml.ScalarNode {
			d.fail(key, "a single value where a mapping of names to secrets belongs: {NAME: {file: PATH}} or {NAME: {environment: NAME}}")
			return
		}
		d.fail(key, "%s where a mapping belongs", kindOf(n))
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for i := 0; i+1 < len(n.Content); i += 2 {
		name := n.Content[i]
		sub := key + "." + name.Value
		d.at[sub] = name
		if v.MapIndex(reflect.ValueOf(name.Value)).IsValid() {
			d.fail(sub, "stands twice")
			continue
		}
		value := reflect.New(v.Type().Elem()).Elem()
		d.decode(n.Content[i+1], value, sub)
		v.SetMapIndex(reflect.ValueOf(name.Value), value)
	}
}

func (d *decoder) scalar(n *yaml.Node, v reflect.Value, key string) {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		d.fail(key, "%s where a single value belongs", kindOf(n))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(n.Value)
	case reflect.Bool:
		b, err := strconv.ParseBool(n.Value)
		if err != nil || n.Tag != "!!bool" {
			d.fail(key, "%s where true or false belongs", kindOf(n))
		}
		v.SetBool(b)
	case reflect.Int, reflect.Int64:
		i, err := strconv.ParseInt(n.Value, 0, v.Type().Bits())
		if err != nil {
			d.fail(key, "%s where a whole number belongs", kindOf(n))
		}
		v.SetInt(i)
	case reflect.Uint32, reflect.Uint64:
		i, err := strconv.ParseUint(n.Value, 0, v.Type().Bits())
		if err != nil {
			d.fail(key, "%s where a whole number from 0 to %d belongs", kindOf(n), ^uint64(0)>>(64-v.Type().Bits()))
		}
		v.SetUint(i)
	default:
		panic("recipes: a key of type " + v.Type().String())
	}
}

func kindOf(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case n.Tag == "!!null":
		return "nothing"
	}
	return secret.Quote(n.Value)
}

func keyOf(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return strings.TrimPrefix(name, "-")
}

// fieldsOf returns the keys of the mapping that a struct describes.
func fieldsOf(t reflect.Type) []key {
	var keys []key
	for i := range t.NumField() {
		f := t.Field(i)
		if name := keyOf(f); name != "" {
			keys = append(keys, key{name, f.Tag.Get("jsonschema_description"), f.Tag.Get("jsonschema"), f.Type})
		} else if a, ok := reflect.New(f.Type).Interface().(alternatives); ok {
			keys = append(keys, a.alternatives()...)
		}
	}
	return keys
}

func keysOf(t reflect.Type) []string {
	var names []string
	for _, k := range fieldsOf(t) {
		names = append(names, k.name)
	}
	return names
}

func fieldOf(v reflect.Value, name string) (reflect.Value, bool) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if name != "" && keyOf(f) == name {
			return v.Field(i), true
		}
		if !f.IsExported() {
			continue
		}
		if a, ok := v.Field(i).Addr().Interface().(alternatives); ok && slices.ContainsFunc(a.alternatives(), func(k key) bool { return k.name == name }) {
			return a.choose(name), true
		}
	}
	return reflect.Value{}, false
}

func oneOf(word string, known ...string) error {
	if slices.Contains(known, word) {
		return nil
	}
	if meant := near.Word(word, known); meant != "" {
		return fmt.Errorf("%s is not known; did you mean %q?", printable.Quote(word), meant)
	}
	return fmt.Errorf("%s is not known; known are %s", secret.Quote(word), strings.Join(known, ", "))
}

// placed is a value that knows where it stands.
type placed interface{ place(n *yaml.Node) }

// unjoin returns the errors that errors.Join has put together.
func unjoin(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok && err.Error() == errors.Join(joined.Unwrap()...).Error() {
		return joined.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// check records err at key, if there is one.
func (d *decoder) check(key string, err error) {
	for _, e := range unjoin(err) {
		d.fail(key, "%s", e.Error())
	}
}

func choose(field *string, otherwise string) {
	if *field == "" {
		*field = otherwise
	}
}

// platformsKey is the key of a boot loader that a list in its place means.
const platformsKey = "platforms"
