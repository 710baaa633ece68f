package recipes

import (
	"cmp"
	"fmt"
	"reflect"
	"strings"

	"ingot/bootloader"
)

// Reference returns all keys of the recipe language with what they mean, as
// Markdown, made from the types of this package.
func Reference() string {
	var b strings.Builder
	b.WriteString("# Reference: recipe keys\n\nAn asterisk marks required keys. Paths are relative to the recipe's file. A size is a number\n" +
		"of bytes, or has a unit: 512MiB, 8GiB (powers of 1024), 1GB (powers of 1000).\n")
	queue := []queued{{"", reflect.TypeFor[Recipe]()}}
	for len(queue) > 0 {
		s := queue[0]
		queue = append(queue[1:], section(&b, s)...)
	}
	return b.String()
}

// queued is a mapping of the language that is still to be described.
type queued struct {
	key string
	t   reflect.Type
}

// section describes one mapping and returns those that it contains.
func section(b *strings.Builder, s queued) []queued {
	title := s.key
	if title == "" {
		title = "The recipe"
	}
	fmt.Fprintf(b, "\n## %s\n\n| key | value | meaning |\n|---|---|---|\n", title)
	var inner []queued
	spoken := map[string]vocabulary{}
	if of, ok := reflect.Zero(s.t).Interface().(speaking); ok {
		spoken = of.vocabularies()
	}
	for _, k := range fieldsOf(s.t) {
		name, key := k.name, strings.TrimPrefix(s.key+"."+k.name, ".")
		value, sub := valueOf(k.of, k.schema)
		if sub != nil {
			if strings.HasPrefix(value, "list") {
				key += "[]"
			}
			inner = append(inner, queued{key, sub})
		}
		if k.schema == "required" {
			name += "*"
		}
		meaning := k.about
		if v, ok := spoken[name]; ok {
			value, meaning = strings.Join(v.words, ", "), cmp.Or(v.meaning, meaning)
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", name, value, meaning)
	}
	return inner
}

// valueOf names what a key takes, and returns the struct that describes a mapping.
func valueOf(t reflect.Type, schema string) (string, reflect.Type) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	var words []string
	for part := range strings.SplitSeq(schema, ",") {
		if word, ok := strings.CutPrefix(part, "enum="); ok {
			words = append(words, word)
		}
	}
	switch {
	case len(words) > 0:
		return strings.Join(words, ", "), nil
	case t == reflect.TypeFor[Size](), t == reflect.TypeFor[Offset]():
		return "size", nil
	case t == reflect.TypeFor[PartSize]():
		return "size or percentage", nil
	case t == reflect.TypeFor[Path](), t == reflect.TypeFor[bootloader.Path]():
		return "path", nil
	case t == reflect.TypeFor[Paths]():
		return "path or list of paths", nil
	case t == reflect.TypeFor[Mode]():
		return "octal", nil
	case t == reflect.TypeFor[Script]():
		return "text", nil
	}
	switch t.Kind() {
	case reflect.Struct:
		p := reflect.PointerTo(t)
		if p.Implements(reflect.TypeFor[shorthand]()) || p.Implements(reflect.TypeFor[bootloader.Loader]()) {
			return "mapping, or a short form", t
		}
		return "mapping", t
	case reflect.Slice:
		value, sub := valueOf(t.Elem(), "")
		return "list of " + value + "s", sub
	case reflect.Map:
		if t.Elem().Kind() == reflect.Struct {
			return "mapping of mappings", t.Elem()
		}
		return "mapping of texts", nil
	case reflect.Bool:
		return "true or false", nil
	case reflect.String:
		return "text", nil
	}
	return "number", nil
}
