// Package elffile reads as much of ELF files as ingot needs: what a program or a library
// loads with it, and what a kernel's module says of itself.
//
// The files are others'. debug/elf, by its own words not meant for such, unpacks sections
// that are compressed and copies a name for all that has it: 16 KB took it 300 MB. Here a
// section is read when it is asked for, up to a length that is given, and a name is
// compared where it stands.
//
// The structures are those of elf(5) and https://gabi.xinuos.com; their names and numbers
// are debug/elf's.
package elffile

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"ingot/internal/grammar"
)

// maxNames is how many bytes the names of sections take at most. Those of a kernel with
// debugging have 100 KB.
const maxNames = 16 << 20

// A File is an ELF file.
type File struct {
	Class   elf.Class
	Machine elf.Machine
	Order   binary.ByteOrder

	r        io.ReaderAt
	segments []elf.Prog64
	sections []elf.Section64
	names    uint16 // the section with the names of sections
}

// A Section is one of the parts that a file is linked of.
type Section struct {
	file   *File
	header elf.Section64
}

// Open reads the headers of a file.
func Open(r io.ReaderAt) (*File, error) {
	ident := make([]byte, elf.EI_NIDENT)
	if n, err := r.ReadAt(ident, 0); n < len(ident) {
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("is no ELF file: has %s", grammar.Count(n, "byte"))
		}
		return nil, err
	}
	f := &File{r: r, Class: elf.Class(ident[elf.EI_CLASS])}
	switch {
	case string(ident[:4]) != elf.ELFMAG:
		return nil, errors.New("is no ELF file")
	case f.Class != elf.ELFCLASS32 && f.Class != elf.ELFCLASS64:
		return nil, fmt.Errorf("ELF file of the class %d", ident[elf.EI_CLASS])
	case ident[elf.EI_DATA] == byte(elf.ELFDATA2LSB):
		f.Order = binary.LittleEndian
	case ident[elf.EI_DATA] == byte(elf.ELFDATA2MSB):
		f.Order = binary.BigEndian
	default:
		return nil, fmt.Errorf("ELF file with the byte order %d", ident[elf.EI_DATA])
	}
	h, err := f.header()
	if err != nil {
		return nil, fmt.Errorf("ELF header: %w", err)
	}
	f.Machine, f.names = elf.Machine(h.Machine), h.Shstrndx
	if f.segments, err = table(f, h.Phoff, h.Phnum, h.Phentsize, widenSegment); err != nil {
		return nil, fmt.Errorf("ELF program headers: %w", err)
	}
	if f.sections, err = table(f, h.Shoff, h.Shnum, h.Shentsize, widenSection); err != nil {
		return nil, fmt.Errorf("ELF section headers: %w", err)
	}
	return f, nil
}

func (f *File) header() (h elf.Header64, err error) {
	if f.Class == elf.ELFCLASS64 {
		return h, f.decode(&h, 0)
	}
	var s elf.Header32
	err = f.decode(&s, 0)
	return elf.Header64{
		Machine: s.Machine, Phoff: uint64(s.Phoff), Phentsize: s.Phentsize, Phnum: s.Phnum,
		Shoff: uint64(s.Shoff), Shentsize: s.Shentsize, Shnum: s.Shnum, Shstrndx: s.Shstrndx,
	}, err
}

func widenSegment(s elf.Prog32) elf.Prog64 {
	return elf.Prog64{Type: s.Type, Off: uint64(s.Off), Filesz: uint64(s.Filesz)}
}

func widenSection(s elf.Section32) elf.Section64 {
	return elf.Section64{Name: s.Name, Type: s.Type, Flags: uint64(s.Flags), Off: uint64(s.Off), Size: uint64(s.Size), Link: s.Link}
}

// decode reads a structure at a place of the file.
func (f *File) decode(v any, off uint64) error {
	b, err := f.read(off, uint64(binary.Size(v)))
	if err == nil {
		_, err = binary.Decode(b, f.Order, v)
	}
	return err
}

// read returns bytes that the file has: no more memory is taken for them than it has.
func (f *File) read(off, n uint64) ([]byte, error) {
	if off > math.MaxInt64 || n > math.MaxInt64-off {
		return nil, fmt.Errorf("%d bytes at %d are beyond any file", n, off)
	}
	var b bytes.Buffer
	got, err := io.Copy(&b, io.NewSectionReader(f.r, int64(off), int64(n)))
	if err == nil && uint64(got) < n {
		err = fmt.Errorf("%d bytes at %d are beyond the file's end: %w", n, off, io.ErrUnexpectedEOF)
	}
	return b.Bytes(), err
}

// table reads headers, each of size bytes, of which the small form is widened.
func table[Large, Small any](f *File, off uint64, count, size uint16, widen func(Small) Large) ([]Large, error) {
	if count == 0 {
		return nil, nil
	}
	var small Small
	list := make([]Large, 1)
	least := binary.Size(small)
	if f.Class == elf.ELFCLASS64 {
		least = binary.Size(list[0])
	}
	if int(size) < least {
		return nil, fmt.Errorf("have %s each; %d are needed", grammar.Count(size, "byte"), least)
	}
	b, err := f.read(off, uint64(count)*uint64(size))
	if err != nil {
		return nil, err
	}
	list = make([]Large, count)
	for i := range list {
		entry := b[i*int(size):]
		if f.Class == elf.ELFCLASS64 {
			_, err = binary.Decode(entry, f.Order, &list[i])
		} else {
			_, err = binary.Decode(entry, f.Order, &small)
			list[i] = widen(small)
		}
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Interpreter returns the program that an executable names to load it, the dynamic linker,
// or "".
func (f *File) Interpreter() string {
	for _, s := range f.segments {
		if elf.ProgType(s.Type) == elf.PT_INTERP {
			if b, err := f.read(s.Off, min(s.Filesz, 4096)); err == nil {
				return string(bytes.TrimRight(b, "\x00"))
			}
		}
	}
	return ""
}

// ByType returns the first section of a type, or nil.
func (f *File) ByType(t elf.SectionType) *Section {
	for _, h := range f.sections {
		if elf.SectionType(h.Type) == t {
			return &Section{f, h}
		}
	}
	return nil
}

// ByName returns the first section of a name, or nil.
func (f *File) ByName(name string) (*Section, error) {
	if int(f.names) >= len(f.sections) {
		return nil, nil
	}
	names, err := (&Section{f, f.sections[f.names]}).Contents(maxNames)
	if err != nil {
		return nil, fmt.Errorf("names of sections: %w", err)
	}
	for _, h := range f.sections {
		if NameAt(names, uint64(h.Name), name) {
			return &Section{f, h}, nil
		}
	}
	return nil, nil
}

// NameAt reports whether a name stands at a place of a table of names, in which each ends
// with a zero byte.
func NameAt(names []byte, at uint64, name string) bool {
	return at < uint64(len(names)) && bytes.HasPrefix(names[at:], append([]byte(name), 0))
}

// Linked returns the section that another one names, such as that of its names.
func (s *Section) Linked() (*Section, error) {
	if s.header.Link == 0 || int64(s.header.Link) >= int64(len(s.file.sections)) {
		return nil, fmt.Errorf("section %d, which another one names, is none of %d", s.header.Link, len(s.file.sections))
	}
	return &Section{s.file, s.file.sections[s.header.Link]}, nil
}

// Contents reads a section of most bytes at most.
func (s *Section) Contents(most int64) ([]byte, error) {
	switch {
	case elf.SectionFlag(s.header.Flags)&elf.SHF_COMPRESSED != 0:
		return nil, errors.New("the section is compressed")
	case elf.SectionType(s.header.Type) == elf.SHT_NOBITS:
		return nil, errors.New("the section is not in the file")
	case s.header.Size > uint64(most):
		return nil, fmt.Errorf("the section has %d bytes; at most %d are read", s.header.Size, most)
	}
	return s.file.read(s.header.Off, s.header.Size)
}
