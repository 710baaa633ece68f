package tools

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
)

// What is read of a program at most. debug/elf copies a name for every entry that has it,
// so that a file of a few MB could have terabytes of names, and unpacks sections that are
// compressed, as none of these is in a program that runs.
const (
	maxDynamic = 64 << 10 // bytes of the dynamic section, which has 16 to an entry
	maxSymbols = 64 << 20 // bytes of its symbols, and of all names; those of Chromium are 5 MB
	maxName    = 4096     // bytes of one, PATH_MAX
)

// dynamic is what ld.so(8) goes by: elf(5), section .dynamic.
type dynamic struct {
	needed []string // DT_NEEDED
	paths  []string // DT_RUNPATH, then DT_RPATH, each with colons in it
	lookup bool     // __nss_configure_lookup is called
}

// readDynamic reads that section; a program without one needs nothing.
func readDynamic(f *elf.File) (d dynamic, err error) {
	s := f.SectionByType(elf.SHT_DYNAMIC)
	if s == nil {
		return d, nil
	}
	entries, err := contents(s, maxDynamic)
	if err != nil {
		return d, err
	}
	names, err := namesOf(f, s)
	if err != nil {
		return d, err
	}
	word := 8
	if f.Class == elf.ELFCLASS32 {
		word = 4
	}
	number := func(b []byte) uint64 {
		if word == 4 {
			return uint64(f.ByteOrder.Uint32(b))
		}
		return f.ByteOrder.Uint64(b)
	}
	found := map[elf.DynTag][]string{}
	for ; len(entries) >= 2*word; entries = entries[2*word:] {
		tag := elf.DynTag(number(entries))
		if tag != elf.DT_NEEDED && tag != elf.DT_RUNPATH && tag != elf.DT_RPATH {
			continue
		}
		if name, ok := nameAt(names, number(entries[word:])); ok {
			if len(name) > maxName {
				return d, fmt.Errorf("dynamic section: a name has more than %d bytes", maxName)
			}
			found[tag] = append(found[tag], string(name))
		}
	}
	d.needed = found[elf.DT_NEEDED]
	d.paths = append(found[elf.DT_RUNPATH], found[elf.DT_RPATH]...)
	d.lookup = calls(f, "__nss_configure_lookup")
	return d, nil
}

// calls says whether a program takes a symbol from elsewhere. It does not if its symbols
// cannot be read.
func calls(f *elf.File, name string) bool {
	s := f.SectionByType(elf.SHT_DYNSYM)
	if s == nil {
		return false
	}
	symbols, err := contents(s, maxSymbols)
	if err != nil {
		return false
	}
	names, err := namesOf(f, s)
	if err != nil {
		return false
	}
	size, infoAt, sectionAt := elf.Sym64Size, 4, 6
	if f.Class == elf.ELFCLASS32 {
		size, infoAt, sectionAt = elf.Sym32Size, 12, 14
	}
	for ; len(symbols) >= size; symbols = symbols[size:] {
		if elf.ST_BIND(symbols[infoAt]) != elf.STB_GLOBAL || elf.SectionIndex(f.ByteOrder.Uint16(symbols[sectionAt:])) != elf.SHN_UNDEF {
			continue
		}
		at := uint64(f.ByteOrder.Uint32(symbols))
		if at < uint64(len(names)) && bytes.HasPrefix(names[at:], append([]byte(name), 0)) {
			return true
		}
	}
	return false
}

// namesOf returns the string table of a section.
func namesOf(f *elf.File, s *elf.Section) ([]byte, error) {
	if s.Link == 0 || s.Link >= uint32(len(f.Sections)) {
		return nil, errors.New("dynamic section: has no string table")
	}
	return contents(f.Sections[s.Link], maxSymbols)
}

// nameAt returns the name that begins at a place, and a byte more of one that is too long.
func nameAt(names []byte, at uint64) ([]byte, bool) {
	if at >= uint64(len(names)) {
		return nil, false
	}
	name, _, ok := bytes.Cut(names[at:], []byte{0})
	return name[:min(len(name), maxName+1)], ok
}

func contents(s *elf.Section, most uint64) ([]byte, error) {
	switch {
	case s.Flags&elf.SHF_COMPRESSED != 0:
		return nil, fmt.Errorf("section %q is compressed", s.Name)
	case s.Size > most:
		return nil, fmt.Errorf("section %q has %d bytes; at most %d are read", s.Name, s.Size, most)
	}
	return s.Data()
}
