package tools

import (
	"bytes"
	"debug/elf"
	"fmt"

	"ingot/internal/elffile"
)

// What is read of a program at most.
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
func readDynamic(f *elffile.File) (d dynamic, err error) {
	s := f.ByType(elf.SHT_DYNAMIC)
	if s == nil {
		return d, nil
	}
	entries, err := s.Contents(maxDynamic)
	if err != nil {
		return d, fmt.Errorf("dynamic section: %w", err)
	}
	names, err := namesOf(s)
	if err != nil {
		return d, fmt.Errorf("dynamic section: %w", err)
	}
	word := 8
	if f.Class == elf.ELFCLASS32 {
		word = 4
	}
	number := func(b []byte) uint64 {
		if word == 4 {
			return uint64(f.Order.Uint32(b))
		}
		return f.Order.Uint64(b)
	}
	found := map[elf.DynTag][]string{}
	for ; len(entries) >= 2*word; entries = entries[2*word:] {
		tag := elf.DynTag(number(entries))
		if tag != elf.DT_NEEDED && tag != elf.DT_RUNPATH && tag != elf.DT_RPATH {
			continue
		}
		if at := number(entries[word:]); at < uint64(len(names)) {
			name, _, ok := bytes.Cut(names[at:], []byte{0})
			if len(name) > maxName {
				return d, fmt.Errorf("dynamic section: a name has %d bytes; at most %d are read", len(name), maxName)
			}
			if ok {
				found[tag] = append(found[tag], string(name))
			}
		}
	}
	d.needed = found[elf.DT_NEEDED]
	d.paths = append(found[elf.DT_RUNPATH], found[elf.DT_RPATH]...)
	d.lookup = calls(f, "__nss_configure_lookup")
	return d, nil
}

// calls reports whether a program takes a symbol from elsewhere. It does not if its symbols
// cannot be read.
func calls(f *elffile.File, name string) bool {
	s := f.ByType(elf.SHT_DYNSYM)
	if s == nil {
		return false
	}
	symbols, err := s.Contents(maxSymbols)
	if err != nil {
		return false
	}
	names, err := namesOf(s)
	if err != nil {
		return false
	}
	size, infoAt, sectionAt := elf.Sym64Size, 4, 6
	if f.Class == elf.ELFCLASS32 {
		size, infoAt, sectionAt = elf.Sym32Size, 12, 14
	}
	for ; len(symbols) >= size; symbols = symbols[size:] {
		if elf.ST_BIND(symbols[infoAt]) == elf.STB_GLOBAL && elf.SectionIndex(f.Order.Uint16(symbols[sectionAt:])) == elf.SHN_UNDEF &&
			elffile.NameAt(names, uint64(f.Order.Uint32(symbols)), name) {
			return true
		}
	}
	return false
}

// namesOf returns the string table of a section.
func namesOf(s *elffile.Section) ([]byte, error) {
	names, err := s.Linked()
	if err != nil {
		return nil, err
	}
	return names.Contents(maxSymbols)
}
