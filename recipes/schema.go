package recipes

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/invopop/jsonschema"

	"ingot/bootloader/loaders"
	"ingot/image/fileformat"
	"ingot/internal/grammar"
	"ingot/partition/filesystems"
)

// How single values are spelled, and the types that spell them.
var (
	anyText = &jsonschema.Schema{Type: "string"}
	anyInt  = &jsonschema.Schema{Type: "integer"}
	anyPath = &jsonschema.Schema{Type: "string", MinLength: new(uint64(1))}
	anySize = matching(`^(fit(\+[0-9.]+ *[KMGTPE]?i?B?)?|[0-9.]+ *[KMGTPE]?i?B?)$`)

	spellings = map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[Size]():     either(anySize, anyInt),
		reflect.TypeFor[PartSize](): either(anySize, anyInt, matching(`^[0-9.]+ *%$`)),
		reflect.TypeFor[Offset]():   either(matching(`^[0-9.]+ *[KMGTPE]?i?B?$`), anyInt),
		reflect.TypeFor[Path]():     anyPath,
		reflect.TypeFor[Paths]():    either(anyPath, listOf(anyPath)),
		reflect.TypeFor[Script]():   anyText,
		reflect.TypeFor[Mode]():     either(matching("^(0o)?[0-7]{1,4}$"), anyInt),
	}
)

func matching(pattern string) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Pattern: pattern}
}

func either(all ...*jsonschema.Schema) *jsonschema.Schema { return &jsonschema.Schema{OneOf: all} }

func listOf(item *jsonschema.Schema) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "array", Items: item}
}

func oneWordOf(words ...string) *jsonschema.Schema {
	s := &jsonschema.Schema{Type: "string"}
	for _, w := range words {
		s.Enum = append(s.Enum, w)
	}
	return s
}

func referTo(definition string) *jsonschema.Schema {
	return &jsonschema.Schema{Ref: "#/$defs/" + definition}
}

// Schema returns the JSON Schema (draft 2020-12) of the recipe language, made from
// the types of this package, for editors that complete and check YAML.
func Schema() ([]byte, error) {
	r := jsonschema.Reflector{RequiredFromJSONSchemaTags: true, ExpandedStruct: true, Mapper: func(t reflect.Type) *jsonschema.Schema {
		if spellings[t] == nil {
			return nil
		}
		return referTo(t.Name())
	}}
	s := r.Reflect(&Recipe{})
	s.ID, s.Title = "", "ingot recipe"
	for t, spelling := range spellings {
		s.Definitions[t.Name()] = spelling
	}
	addLoaders(&r, s.Definitions)
	addFileSystems(s.Definitions["Partition"])
	addFormats(s.Definitions["Output"])
	for name, short := range map[string]*jsonschema.Schema{"System": anyText, "Generation": anyText, "Source": anyPath, "Output": oneWordOf(fileformat.Names(fileformat.Format.Built)...)} {
		s.Definitions[name] = either(short, s.Definitions[name])
	}
	return json.MarshalIndent(s, "", "  ")
}

// addLoaders adds the boot loaders, in front of the other keys of bootloader.
func addLoaders(r *jsonschema.Reflector, definitions jsonschema.Definitions) {
	properties := definitions["Bootloader"].Properties
	for _, k := range slices.Backward(loaders.All()) {
		loader := r.Reflect(k.New())
		loader.Version, loader.ID = "", ""
		name := strings.ToUpper(k.Name[:1]) + k.Name[1:]
		definitions[name] = either(listOf(oneWordOf("bios", "efi", "efi32")), loader)
		key := referTo(name)
		key.Description = k.About
		properties.Set(k.Name, key)
		properties.MoveToFront(k.Name)
	}
}

// describe says which words a key takes, and what they mean, by a table of another package.
func describe(mapping *jsonschema.Schema, key, meaning string, words ...string) {
	property, _ := mapping.Properties.Get(key)
	property.Enum = oneWordOf(words...).Enum
	property.Description = cmp.Or(meaning, property.Description)
}

// addFileSystems names the file systems, and adds the keys of each in front of contents.
func addFileSystems(partition *jsonschema.Schema) {
	contents, _ := partition.Properties.Delete("contents")
	r := jsonschema.Reflector{RequiredFromJSONSchemaTags: true, ExpandedStruct: true, DoNotReference: true}
	var own, foreign, readOnly []string
	for _, k := range filesystems.Makeable() {
		if k.ReadOnly {
			readOnly = append(readOnly, k.Name)
		}
		if k.Foreign {
			foreign = append(foreign, k.Name)
		} else {
			own = append(own, k.Name)
		}
		if k.Options == nil {
			continue
		}
		for at := r.Reflect(k.Options()).Properties.Oldest(); at != nil; at = at.Next() {
			partition.Properties.Set(at.Key, at.Value)
		}
	}
	partition.Properties.Set("contents", contents)
	describe(partition, "filesystem", fmt.Sprintf("ingot makes %s; the host's mkfs makes %s, in a virtual machine. %s is read-only. Default: no file system.",
		grammar.Or(own...), grammar.Or(foreign...), grammar.Or(readOnly...)), filesystemNames()...)
}

// addFormats names the output formats and their compressions.
func addFormats(output *jsonschema.Schema) {
	var meanings []string
	for _, f := range fileformat.That(fileformat.Format.Built) {
		meanings = append(meanings, f.Name+": "+f.Meaning())
	}
	meanings[0] += " (the default)"
	describe(output, "format", strings.Join(meanings, "; ")+".", fileformat.Names(fileformat.Format.Built)...)
	compressions := []string{"zstd", "xz", "gzip"} // of squashfs
	for _, c := range fileformat.Codecs() {
		if !slices.Contains(compressions, c.Name) {
			compressions = append(compressions, c.Name)
		}
	}
	describe(output, "compression", "", append(compressions, "none")...)
}
