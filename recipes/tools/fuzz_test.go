package tools

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/image"
	"ingot/internal/elffile"
)

// FuzzStatus reads the packages of dpkg's status file.
func FuzzStatus(f *testing.F) {
	f.Add([]byte("Package: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5.2\nConffiles:\n /etc/bash.bashrc 3f60\n /etc/x y obsolete\nDescription: shell\n more\n"))
	f.Add([]byte("Package: x\nStatus: deinstall ok config-files\n"))
	f.Add([]byte(" a\nPackage:\n\tStatus: installed"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, installed := parseStanza(text)
		if installed && r.Name == "" {
			t.Error("a package without a name is installed")
		}
		for file, sum := range r.conffiles {
			if strings.ContainsAny(file+sum, " \n") || file == "" {
				t.Errorf("configuration file %q with the digest %q", file, sum)
			}
		}
	})
}

// smallProgram returns a small ELF file that names an interpreter, libraries, a folder for
// them and a symbol.
func smallProgram() []byte {
	const base, header, phdr, shdr = 0x400000, 64, 56, 64
	interp := "/lib64/ld-linux-x86-64.so.2\x00"
	names := "\x00libc.so.6\x00$ORIGIN/../lib\x00__nss_configure_lookup\x00"
	interpAt := header + 2*phdr
	namesAt := interpAt + len(interp)
	symbolsAt := (namesAt + len(names) + 7) &^ 7
	dynamicAt := symbolsAt + 2*24
	dynamic := []uint64{
		uint64(elf.DT_NEEDED), 1, uint64(elf.DT_RUNPATH), 11, uint64(elf.DT_STRTAB), uint64(base + namesAt),
		uint64(elf.DT_STRSZ), uint64(len(names)), uint64(elf.DT_SYMTAB), uint64(base + symbolsAt), 0, 0,
	}
	sectionsAt := dynamicAt + 8*len(dynamic)
	size := sectionsAt + 4*shdr
	var b bytes.Buffer
	put := func(values ...any) {
		for _, v := range values {
			binary.Write(&b, binary.LittleEndian, v)
		}
	}
	put(elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), 1}, Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: 1,
		Phoff: header, Shoff: uint64(sectionsAt), Ehsize: header, Phentsize: phdr, Phnum: 2, Shentsize: shdr, Shnum: 4, Shstrndx: 1,
	})
	put(elf.Prog64{Type: uint32(elf.PT_INTERP), Off: uint64(interpAt), Vaddr: uint64(base + interpAt), Filesz: uint64(len(interp)), Memsz: uint64(len(interp))})
	put(elf.Prog64{Type: uint32(elf.PT_LOAD), Vaddr: base, Filesz: uint64(size), Memsz: uint64(size)})
	b.WriteString(interp + names)
	b.Write(make([]byte, symbolsAt-b.Len()+24))
	put(elf.Sym64{Name: 26, Info: elf.ST_INFO(elf.STB_GLOBAL, elf.STT_FUNC)})
	put(dynamic)
	put(elf.Section64{})
	put(elf.Section64{Type: uint32(elf.SHT_STRTAB), Addr: uint64(base + namesAt), Off: uint64(namesAt), Size: uint64(len(names))})
	put(elf.Section64{Type: uint32(elf.SHT_DYNSYM), Off: uint64(symbolsAt), Size: 48, Link: 1, Entsize: 24})
	put(elf.Section64{Type: uint32(elf.SHT_DYNAMIC), Off: uint64(dynamicAt), Size: uint64(8 * len(dynamic)), Link: 1, Entsize: 16})
	return b.Bytes()
}

// FuzzProgram asks programs for what they need, on a machine without libraries.
func FuzzProgram(f *testing.F) {
	whole := smallProgram()
	c := &collector{root: f.TempDir(), dpkg: &dpkg{}}
	c.Tree = image.NewTree()
	if err := c.meet(program{"usr/bin/x", image.Bytes(whole), "x"}); err == nil || !strings.Contains(err.Error(), "ld-linux-x86-64.so.2, which /usr/bin/x of package x needs") {
		f.Fatalf("meet = %v; want its interpreter to be missing", err)
	}
	p, err := elffile.Open(bytes.NewReader(whole))
	if err != nil {
		f.Fatal(err)
	}
	d, err := readDynamic(p)
	if err != nil || len(d.needed) != 1 || len(d.opened()) != 2 || d.searched(p.Machine, "usr/bin/x")[0] != "usr/lib" {
		f.Fatalf("the seed needs %+v, %q from %q, %v", d, d.opened(), d.searched(p.Machine, "usr/bin/x"), err)
	}
	f.Add(whole)
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<14 {
			return
		}
		p, err := elffile.Open(bytes.NewReader(data))
		if err != nil {
			return
		}
		if in := p.Interpreter(); len(in) > 4096 {
			t.Errorf("an interpreter of %d bytes", len(in))
		}
		d, err := readDynamic(p)
		if err != nil {
			return
		}
		for _, dir := range d.searched(p.Machine, "usr/bin/x") {
			for _, at := range append(d.needed, "") {
				if at = inside(dir, at); at != "" && !filepath.IsLocal(at) {
					t.Errorf("a library is looked for at %q", at)
				}
			}
		}
	})
}

// TestManyNames has each entry of a program name the whole of its table of names.
func TestManyNames(t *testing.T) {
	whole := smallProgram()
	p, err := elf.NewFile(bytes.NewReader(whole))
	if err != nil {
		t.Fatal(err)
	}
	if p.Sections[1].Type != elf.SHT_STRTAB || p.Sections[3].Type != elf.SHT_DYNAMIC {
		t.Fatal("the seed has other sections")
	}
	headers := len(whole) - 4*64
	for name, x := range map[string]struct {
		entries, names int
		flags          elf.SectionFlag
		want           string
	}{
		"long name":    {10, 5000, 0, "a name has 5000 bytes; at most 4096 are read"},
		"many entries": {100_000, 100, 0, "has 1600000 bytes; at most 65536 are read"},
		"compressed":   {1, 1, elf.SHF_COMPRESSED, "is compressed"},
	} {
		b := bytes.Clone(whole)
		put := func(section int, at, size int) {
			h := b[headers+64*section:]
			binary.LittleEndian.PutUint64(h[24:], uint64(at))
			binary.LittleEndian.PutUint64(h[32:], uint64(size))
		}
		put(1, len(b), x.names+1)
		b = append(append(b, strings.Repeat("x", x.names)...), 0)
		at := len(b)
		if x.flags&elf.SHF_COMPRESSED != 0 {
			var header bytes.Buffer
			binary.Write(&header, binary.LittleEndian, elf.Chdr64{Type: uint32(elf.COMPRESS_ZLIB), Size: 1 << 40, Addralign: 8})
			b = append(b, header.Bytes()...)
		}
		put(3, at, len(b)-at+16*x.entries)
		binary.LittleEndian.PutUint64(b[headers+64*3+8:], uint64(x.flags))
		for range x.entries {
			b = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(b, uint64(elf.DT_NEEDED)), 0)
		}
		f, err := elffile.Open(bytes.NewReader(b))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, err := readDynamic(f); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: readDynamic = %v; want %s", name, err, x.want)
		}
	}
}

// FuzzKind tells scripts from programs.
func FuzzKind(f *testing.F) {
	for _, s := range []string{"\x7fELF", "#!/bin/sh\n", "#! /usr/bin/env python3 -u\n", "#!\n", ""} {
		f.Add([]byte(s))
	}
	c := &collector{}
	f.Fuzz(func(t *testing.T, data []byte) {
		if kind, err := c.kind(image.NewFile(os.FileMode(0o755), image.Bytes(data))); err != nil || strings.ContainsAny(kind, " \t\n") {
			t.Errorf("kind = %q, %v", kind, err)
		}
	})
}
