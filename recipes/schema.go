package recipes

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"

	"github.com/invopop/jsonschema"

	"ingot/bootloader"
	"ingot/image/fileformat"
)

// Schema returns the JSON Schema (draft 2020-12) of the recipe language, made from
// the types of this package, for editors that complete and check YAML.
func Schema() ([]byte, error) {
	r := jsonschema.Reflector{RequiredFromJSONSchemaTags: true, ExpandedStruct: true, Mapper: func(t reflect.Type) *jsonschema.Schema {
		if t == reflect.TypeFor[bootloader.Path]() {
			return &jsonschema.Schema{Ref: "#/$defs/Path"}
		}
		return nil
	}}
	s := r.Reflect(&Recipe{})
	s.ID, s.Title = "", "ingot recipe"
	addLoaders(&r, s)
	return json.MarshalIndent(s, "", "  ")
}

// addLoaders adds the boot loaders, in front of the other keys of bootloader.
func addLoaders(r *jsonschema.Reflector, s *jsonschema.Schema) {
	properties := s.Definitions["Bootloader"].Properties
	for _, k := range slices.Backward((*Loader)(nil).alternatives()) {
		loader := r.ReflectFromType(k.of)
		loader.Version, loader.ID = "", ""
		orElse(loader, &jsonschema.Schema{Type: "array", Items: &jsonschema.Schema{Type: "string", Enum: []any{"bios", "efi", "efi32"}}})
		name := strings.ToUpper(k.name[:1]) + k.name[1:]
		s.Definitions[name] = loader
		properties.Set(k.name, &jsonschema.Schema{Ref: "#/$defs/" + name, Description: k.about})
		properties.MoveToFront(k.name)
	}
}

// JSONSchema describes the spelling of a size.
func (Size) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{OneOf: []*jsonschema.Schema{
		{Type: "string", Pattern: `^(fit(\+[0-9.]+ *[KMGTPE]?i?B?)?|[0-9.]+ *[KMGTPE]?i?B?)$`},
		{Type: "integer"},
	}}
}

// JSONSchema describes the spelling of an offset.
func (Offset) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{OneOf: []*jsonschema.Schema{
		{Type: "string", Pattern: `^[0-9.]+ *[KMGTPE]?i?B?$`}, {Type: "integer"},
	}}
}

// JSONSchema describes the spelling of a partition's size.
func (PartSize) JSONSchema() *jsonschema.Schema {
	s := Size{}.JSONSchema()
	s.OneOf = append(s.OneOf, &jsonschema.Schema{Type: "string", Pattern: `^[0-9.]+ *%$`})
	return s
}

// JSONSchema describes the spelling of a path.
func (Path) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", MinLength: ptr(uint64(1))}
}

// JSONSchema describes one path or a list of them.
func (Paths) JSONSchema() *jsonschema.Schema {
	path := Path{}.JSONSchema()
	return &jsonschema.Schema{OneOf: []*jsonschema.Schema{path, {Type: "array", Items: path}}}
}

// JSONSchema describes the text of a test.
func (Script) JSONSchema() *jsonschema.Schema { return &jsonschema.Schema{Type: "string"} }

// JSONSchema describes the spelling of a mode.
func (Mode) JSONSchema() *jsonschema.Schema {
	return &jsonschema.Schema{OneOf: []*jsonschema.Schema{
		{Type: "string", Pattern: "^(0o)?[0-7]{1,4}$"}, {Type: "integer"},
	}}
}

// JSONSchemaExtend lets a store path stand for the whole mapping.
func (System) JSONSchemaExtend(s *jsonschema.Schema) { orElse(s, &jsonschema.Schema{Type: "string"}) }

// A vocabulary is the words that a key takes, and what they mean, of a table that another
// package has.
type vocabulary struct {
	words   []string
	meaning string // the key's description; Default: that of its tag
}

// speaking is a mapping of the language with keys that take words of other packages' tables.
type speaking interface {
	vocabularies() map[string]vocabulary // by the key's name
}

// speak puts the words of a mapping's keys into its schema.
func speak(s *jsonschema.Schema, of speaking) {
	for key, v := range of.vocabularies() {
		property, _ := s.Properties.Get(key)
		property.Enum = anyOf(v.words)
		if v.meaning != "" {
			property.Description = v.meaning
		}
	}
}

func anyOf(words []string) (list []any) {
	for _, w := range words {
		list = append(list, w)
	}
	return list
}

// JSONSchemaExtend lets a format stand for the whole mapping.
func (o Output) JSONSchemaExtend(s *jsonschema.Schema) {
	speak(s, o)
	orElse(s, &jsonschema.Schema{Type: "string", Enum: anyOf(o.vocabularies()["format"].words)})
}

var _ speaking = Output{}

func (Output) vocabularies() map[string]vocabulary {
	built := fileformat.That(fileformat.Format.Built)
	var format []string
	for i, f := range built {
		format = append(format, f.Name+": "+f.Meaning())
		if i == 0 {
			format[0] += " (the default)"
		}
	}
	compression := []string{"zstd", "xz", "gzip"} // of squashfs
	for _, c := range fileformat.Codecs() {
		if !slices.Contains(compression, c.Name) {
			compression = append(compression, c.Name)
		}
	}
	return map[string]vocabulary{
		"format":      {fileformat.Names(fileformat.Format.Built), strings.Join(format, "; ") + "."},
		"compression": {append(compression, "none"), ""},
	}
}

// JSONSchemaExtend lets a file's path stand for the whole mapping.
func (Source) JSONSchemaExtend(s *jsonschema.Schema) { orElse(s, Path{}.JSONSchema()) }

func orElse(s, short *jsonschema.Schema) {
	long := *s
	*s = jsonschema.Schema{OneOf: []*jsonschema.Schema{short, &long}}
}

func ptr[T any](v T) *T { return &v }
