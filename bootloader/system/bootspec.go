package system

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"ingot/bootloader"
	"ingot/internal/printable"
)

// The names of RFC 125 (rfcs/0125-bootspec.md; nixos/modules/system/activation/bootspec.nix).
const (
	bootspecFile      = "boot.json"
	bootspecPrefix    = "org.nixos.bootspec."
	bootspecKey       = bootspecPrefix + "v1"
	specialisationKey = "org.nixos.specialisation.v1"
	systemdBootKey    = "org.nixos.systemd-boot"
)

// bootspec is a document of version 1.
type bootspec struct {
	known bool // there is such a document

	System        string   `json:"system"`
	Kernel        string   `json:"kernel"`
	KernelParams  []string `json:"kernelParams"`
	Label         string   `json:"label"`
	Toplevel      string   `json:"toplevel"`
	Init          string   `json:"init"`
	Initrd        string   `json:"initrd"`
	InitrdSecrets string   `json:"initrdSecrets"`

	specialisations map[string]*bootspec
	extensions      map[string]json.RawMessage
}

// readBootspec reads the document of a system; nil if it has none.
func readBootspec(look bootloader.Lookup, toplevel string) (*bootspec, error) {
	text, err := look.Text(path.Join(toplevel, bootspecFile))
	if errors.Is(err, fs.ErrNotExist) && look(path.Join(toplevel, bootspecFile)) == nil {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", bootspecFile, err)
	}
	doc, err := parseBootspec([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", bootspecFile, err)
	}
	return doc, nil
}

// parseBootspec reads a document. One of the preview of 2022, which has v1 in place of
// org.nixos.bootspec.v1, is none: no installer has ever read it.
func parseBootspec(text []byte) (*bootspec, error) {
	var keys map[string]json.RawMessage
	if err := decode(text, &keys); err != nil {
		return nil, err
	}
	if keys[bootspecKey] == nil {
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			if v, ok := strings.CutPrefix(key, "v"); ok && strings.Trim(v, "0123456789") == "" && v != "1" && v != "" {
				return nil, unknownVersion(key)
			}
		}
		if keys["v1"] != nil {
			return nil, nil
		}
	}
	doc, err := bootspecOf(keys)
	if err != nil {
		return nil, err
	}
	var nested map[string]map[string]json.RawMessage
	if raw := keys[specialisationKey]; raw != nil {
		if err := decode(raw, &nested); err != nil {
			return nil, fmt.Errorf("%s: %w", specialisationKey, err)
		}
	}
	doc.specialisations = map[string]*bootspec{}
	for name, keys := range nested {
		if doc.specialisations[name], err = bootspecOf(keys); err != nil {
			return nil, fmt.Errorf("specialisation %s: %w", printable.Name(name), err)
		}
	}
	return doc, nil
}

func unknownVersion(version string) error {
	return fmt.Errorf("bootspec version %s is not known: ingot reads v1; a newer NixOS has written it, and needs a newer ingot", printable.Quote(version))
}

// bootspecOf reads the keys of a document, but for its specialisations.
func bootspecOf(keys map[string]json.RawMessage) (*bootspec, error) {
	raw := keys[bootspecKey]
	if raw == nil {
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			if version, ok := strings.CutPrefix(key, bootspecPrefix); ok {
				return nil, unknownVersion(version)
			}
		}
		return nil, fmt.Errorf("there is no %s in it", bootspecKey)
	}
	doc := &bootspec{known: true, extensions: map[string]json.RawMessage{}}
	if err := decode(raw, doc); err != nil {
		return nil, fmt.Errorf("%s: %w", bootspecKey, err)
	}
	for _, f := range []struct{ name, value string }{
		{"kernel", doc.Kernel}, {"toplevel", doc.Toplevel}, {"init", doc.Init}, {"label", doc.Label}, {"system", doc.System},
	} {
		if f.value == "" {
			return nil, fmt.Errorf("%s: %s is missing", bootspecKey, f.name)
		}
	}
	for _, f := range []struct{ name, value string }{
		{"kernel", doc.Kernel}, {"toplevel", doc.Toplevel}, {"init", doc.Init}, {"initrd", doc.Initrd}, {"initrdSecrets", doc.InitrdSecrets},
	} {
		if f.value != "" && !path.IsAbs(f.value) {
			return nil, fmt.Errorf("%s: %s: %s is not an absolute path", bootspecKey, f.name, printable.Quote(f.value))
		}
	}
	for key, value := range keys {
		if key != bootspecKey && key != specialisationKey {
			doc.extensions[key] = value
		}
	}
	return doc, nil
}

// readExtensions reads the extensions that ingot knows.
func (s *System) readExtensions(look bootloader.Lookup) error {
	raw := s.Extensions[systemdBootKey]
	if raw == nil {
		return nil
	}
	var x struct {
		SortKey    string  `json:"sortKey"`
		DeviceTree *string `json:"devicetree"`
	}
	if err := decode(raw, &x); err != nil {
		return fmt.Errorf("%s: %s: %w", bootspecFile, systemdBootKey, err)
	}
	s.SortKey = x.SortKey
	if x.DeviceTree == nil || *x.DeviceTree == "" {
		return nil
	}
	at, _, err := look.RegularFile(*x.DeviceTree)
	if err != nil {
		return fmt.Errorf("%s: devicetree: %w", bootspecFile, err)
	}
	s.DeviceTree = at
	return nil
}

// decode reads JSON, and says in which line and in plain words what is wrong with it.
func decode(text []byte, to any) error {
	err := json.Unmarshal(text, to)
	if syntax := new(json.SyntaxError); errors.As(err, &syntax) {
		return fmt.Errorf("line %d: %w", lineAt(text, syntax.Offset), err)
	}
	if kind := new(json.UnmarshalTypeError); errors.As(err, &kind) {
		what := kind.Field
		if what == "" {
			what = "the document"
		}
		return fmt.Errorf("%s is of the type %s, which does not fit", printable.Name(what), kind.Value)
	}
	return err
}

func lineAt(text []byte, offset int64) int {
	return 1 + strings.Count(string(text[:min(max(offset, 0), int64(len(text)))]), "\n")
}
