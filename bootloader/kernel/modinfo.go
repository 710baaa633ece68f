package kernel

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"ingot/internal/elffile"
)

// The .modinfo section of a module is a list of "tag=value" strings, each ended by
// a zero byte (MODULE_INFO in the kernel's include/linux/moduleparam.h). The file
// modules.builtin.modinfo is the same list for what is built in, each tag led by
// the module's name and a dot (Documentation/kbuild/kbuild.rst).
const (
	modinfoSection = ".modinfo"
	maxModinfo     = 16 << 20 // bytes of it; amdgpu's has 30 KB
	tagAlias       = "alias"
	tagDepends     = "depends" // names, separated by commas
	tagSoftdep     = "softdep" // "pre: names post: names"
)

// Info is a module's description in its file.
type Info struct {
	Depends []string // modules that must be loaded before
	Pre     []string // modules or aliases that should be loaded before, where they exist
	Post    []string // modules or aliases that should be loaded after, where they exist
	Aliases []string // patterns of names under which the kernel asks for the module
}

// parseModinfo reads the .modinfo section of a module's object file.
func parseModinfo(object []byte) (Info, error) {
	f, err := elffile.Open(bytes.NewReader(object))
	if err != nil {
		return Info{}, fmt.Errorf("not a kernel module: %w", err)
	}
	section, err := f.ByName(modinfoSection)
	if err != nil {
		return Info{}, fmt.Errorf("not a kernel module: %w", err)
	}
	if section == nil {
		return Info{}, errors.New("not a kernel module: no " + modinfoSection + " section")
	}
	data, err := section.Contents(maxModinfo)
	if err != nil {
		return Info{}, fmt.Errorf("%s: %w", modinfoSection, err)
	}
	var info Info
	for entry := range strings.SplitSeq(string(data), "\x00") {
		if tag, value, ok := strings.Cut(entry, "="); ok {
			info.add(tag, value)
		}
	}
	return info, nil
}

func (i *Info) add(tag, value string) {
	switch tag {
	case tagAlias:
		i.Aliases = append(i.Aliases, value)
	case tagDepends:
		for name := range strings.SplitSeq(value, ",") {
			if name != "" {
				i.Depends = append(i.Depends, name)
			}
		}
	case tagSoftdep:
		list := &i.Pre
		for word := range strings.FieldsSeq(value) {
			switch word {
			case "pre:":
				list = &i.Pre
			case "post:":
				list = &i.Post
			default:
				*list = append(*list, word)
			}
		}
	}
}

// canonical spells a module's name as the kernel does: files are named with
// hyphens or underscores, the kernel knows underscores alone.
func canonical(name string) string { return strings.ReplaceAll(name, "-", "_") }

// canonicalPattern does so with an alias, but for the hyphens of ranges in brackets.
func canonicalPattern(pattern string) string {
	if !strings.Contains(pattern, "[") {
		return canonical(pattern)
	}
	out := []byte(pattern)
	inside := false
	for i, c := range out {
		switch {
		case c == '[':
			inside = true
		case c == ']':
			inside = false
		case c == '-' && !inside:
			out[i] = '_'
		}
	}
	return string(out)
}
