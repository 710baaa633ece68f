package recipes

import (
	"cmp"
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
	"ingot/internal/secret"
)

// textual is a type that one scalar of the recipe language spells.
type textual interface {
	parse(n *yaml.Node) error
}

// alternatives is a field of a struct in whose place a mapping has one of several keys.
type alternatives interface {
	alternatives() []string
	// choose returns what the value of one of the keys is decoded into.
	choose(name string) reflect.Value
}

// decoder turns YAML nodes into the structs of this package, strictly, and collects the
// mistakes that it finds.
type decoder struct {
	*source
	errs  []error // the first ones
	more  int     // how many more there are
	words int     // how many of all are unknown words, which do not end the check
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

// counts reports whether a further mistake is counted and not named.
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

// Types that the decoder treats in their own way.
var (
	secretType = reflect.TypeFor[Secret]() // its values are not shown, whatever is wrong with them
	pathsType  = reflect.TypeFor[Paths]()
	wordsType  = reflect.TypeFor[Words]()
)

// decode fills v from n; key is n's path in the recipe.
func (d *decoder) decode(n *yaml.Node, v reflect.Value, key string) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	d.at[key] = n
	switch at := v.Addr().Interface().(type) {
	case *Path:
		d.spelled(n, key, func(n *yaml.Node) error { return d.path(at, n.Value) })
		return
	case *StorePath:
		d.spelled(n, key, func(n *yaml.Node) error { return d.storePath(at, n.Value) })
		return
	case textual:
		d.spelled(n, key, at.parse)
		return
	}
	if v.Type() == secretType && n.Kind == yaml.ScalarNode {
		d.fail(key, "a single value where a mapping belongs: a secret itself has no place in a recipe; write {file: PATH} or {environment: NAME}")
		return
	}
	if field, kind := shortForm(v.Addr().Interface()); kind != 0 && n.Kind != yaml.MappingNode {
		if n.Kind != kind || !field.IsValid() {
			d.fail(key, "%s does not fit here", kindOf(n))
			return
		}
		d.decode(n, field, key)
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

// spelled has parse read a single value.
func (d *decoder) spelled(n *yaml.Node, key string, parse func(*yaml.Node) error) {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		d.fail(key, "%s where a single value belongs", kindOf(n))
	} else if err := parse(n); err != nil { // which quotes all of the value
		value := strings.TrimSpace(n.Value)
		d.fail(key, "%s", strings.NewReplacer(strconv.Quote(n.Value), secret.Quote(n.Value), strconv.Quote(value), secret.Quote(value)).Replace(err.Error()))
	}
}

// shortForm returns the field that a node of some kind stands for in place of the mapping v,
// and 0 if v has no short form.
func shortForm(v any) (field reflect.Value, kind yaml.Kind) {
	switch v := v.(type) {
	case *System:
		return reflect.ValueOf(&v.Path).Elem(), yaml.ScalarNode
	case *Generation:
		return reflect.ValueOf(&v.Path).Elem(), yaml.ScalarNode
	case *Source:
		return reflect.ValueOf(&v.From).Elem(), yaml.ScalarNode
	case *Output:
		return reflect.ValueOf(&v.Format).Elem(), yaml.ScalarNode
	case bootloader.Loader:
		fields, _ := fieldsOf(reflect.ValueOf(v).Elem())
		if platforms, ok := fields[platformsKey]; ok {
			return platforms.value(), yaml.SequenceNode
		}
		return field, yaml.SequenceNode
	}
	return field, 0
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value, key string) {
	fields, names := fieldsOf(v)
	if n.Kind != yaml.MappingNode {
		d.fail(key, "%s where a mapping of keys belongs: %s", kindOf(n), strings.Join(names, ", "))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		field, ok := fields[name.Value]
		if !ok {
			d.unknownKey(name, v.Type(), names, key)
			continue
		}
		sub := strings.TrimPrefix(key+"."+name.Value, ".")
		d.at[sub] = name
		if seen[name.Value] {
			d.fail(sub, "stands twice")
			continue
		}
		seen[name.Value] = true
		into := field.value()
		d.decode(value, into, sub)
		if words := enum(field.tag); into.Kind() == reflect.String && into.String() != "" && len(words) > 0 {
			if err := oneOf(into.String(), words...); err != nil {
				d.words++
				d.check(sub, err)
			}
		}
	}
	for _, name := range names {
		if fields[name].tag.Get("jsonschema") != "required" {
			continue
		}
		sub := strings.TrimPrefix(key+"."+name, ".")
		at := d.at[sub] // the value, once it was decoded
		switch {
		case !seen[name]:
			d.fail(sub, "is missing")
		case fields[name].value().Kind() == reflect.String && isEmptyText(at):
			d.fail(sub, "is empty: give it a value")
		}
	}
}

// enum returns the words that a key takes by its tag, none if it takes any.
func enum(tag reflect.StructTag) (words []string) {
	for part := range strings.SplitSeq(tag.Get("jsonschema"), ",") {
		if word, ok := strings.CutPrefix(part, "enum="); ok {
			words = append(words, word)
		}
	}
	return words
}

// isEmptyText reports whether a node is a text that is given and has nothing in it.
func isEmptyText(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Tag != "!!null" && n.Value == ""
}

// unknownKey refuses a key of the mapping at key: a value of type t has only the known ones.
func (d *decoder) unknownKey(name *yaml.Node, t reflect.Type, known []string, key string) {
	if d.counts() {
		d.more++
		return
	}
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
	e.Hint = cmp.Or(strings.TrimPrefix(near.Hint(name.Value, known), "; "), "known here: "+strings.Join(known, ", "))
	d.add(e)
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, key string) {
	if v.Type() == pathsType && n.Kind == yaml.ScalarNode {
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		d.decode(n, v.Index(0), key)
		return
	}
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

// field is a key of a mapping.
type field struct {
	tag   reflect.StructTag
	value func() reflect.Value // what it is decoded into
}

// fieldsOf returns the keys of the mapping that a struct describes, and their names in the
// order of its fields.
func fieldsOf(v reflect.Value) (fields map[string]field, names []string) {
	fields = map[string]field{}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if name := keyOf(f); name != "" {
			fields[name], names = field{f.Tag, func() reflect.Value { return v.Field(i) }}, append(names, name)
			continue
		}
		if !f.IsExported() {
			continue
		}
		if a, ok := v.Field(i).Addr().Interface().(alternatives); ok {
			for _, name := range a.alternatives() {
				fields[name], names = field{value: func() reflect.Value { return a.choose(name) }}, append(names, name)
			}
		}
	}
	return fields, names
}

// refuse refuses those of the named keys of a mapping that are set. v points to what the
// mapping was decoded into.
func (d *decoder) refuse(v any, mapping string, keys []string, format string, args ...any) {
	fields, _ := fieldsOf(reflect.ValueOf(v).Elem())
	for _, key := range keys {
		if isSet(fields[key].value()) {
			d.fail(mapping+"."+key, format, args...)
		}
	}
}

// isSet reports whether a value says more than a key that is left out. Empty lists do not.
func isSet(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() > 0
	case reflect.Struct:
		for _, field := range v.Fields() {
			if isSet(field) {
				return true
			}
		}
		return false
	}
	return !v.IsZero()
}

// keysOf returns the names of the keys of the mapping that a struct describes.
func keysOf(t reflect.Type) []string {
	_, names := fieldsOf(reflect.New(t).Elem())
	return names
}

// oneOf refuses a word that is not a known one.
func oneOf(word string, known ...string) error {
	if slices.Contains(known, word) {
		return nil
	}
	return fmt.Errorf("%s is not known%s", secret.Quote(word), cmp.Or(near.Hint(word, known), "; known are "+strings.Join(known, ", ")))
}

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

// platformsKey is the key of a boot loader that a list in its place means.
const platformsKey = "platforms"
