package elffile

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
)

// TestAgainstDebugELF reads programs and libraries of this machine as debug/elf does.
func TestAgainstDebugELF(t *testing.T) {
	files, err := filepath.Glob("/usr/lib/x86_64-linux-gnu/lib[cm].so.6")
	if err != nil {
		t.Fatal(err)
	}
	own, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(files, own, "/bin/sh") {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Logf("%v", err)
			continue
		}
		want, err := elf.NewFile(bytes.NewReader(b))
		if err != nil {
			t.Logf("%s: %v", name, err)
			continue
		}
		got, err := Open(bytes.NewReader(b))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got.Class != want.Class || got.Machine != want.Machine || len(got.sections) != len(want.Sections) || len(got.segments) != len(want.Progs) {
			t.Errorf("%s: %v, %v, %d sections, %d segments; debug/elf has %v, %v, %d, %d", name, got.Class, got.Machine, len(got.sections), len(got.segments),
				want.Class, want.Machine, len(want.Sections), len(want.Progs))
		}
		for _, p := range want.Progs {
			if p.Type == elf.PT_INTERP {
				in := make([]byte, p.Filesz)
				if _, err := p.ReadAt(in, 0); err != nil || got.Interpreter()+"\x00" != string(in) {
					t.Errorf("%s: Interpreter = %q; debug/elf has %q, %v", name, got.Interpreter(), in, err)
				}
			}
		}
		for _, s := range want.Sections {
			if s.Name == "" || s.Type == elf.SHT_NOBITS || s.Flags&elf.SHF_COMPRESSED != 0 {
				continue
			}
			data, err := s.Data()
			if err != nil {
				t.Fatal(err)
			}
			section, err := got.ByName(s.Name)
			if err != nil || section == nil {
				t.Errorf("%s: ByName(%s) = %v, %v", name, s.Name, section, err)
				continue
			}
			if text, err := section.Contents(int64(len(data))); err != nil || !bytes.Equal(text, data) {
				t.Errorf("%s: %s has other contents: %v", name, s.Name, err)
			}
			if _, err := section.Contents(int64(len(data)) - 1); err == nil && len(data) > 0 {
				t.Errorf("%s: %s is read beyond its limit", name, s.Name)
			}
		}
	}
}

// FuzzOpen reads files of both classes and byte orders, as far as ingot does.
func FuzzOpen(f *testing.F) {
	for _, class := range []elf.Class{elf.ELFCLASS32, elf.ELFCLASS64} {
		for _, order := range []elf.Data{elf.ELFDATA2LSB, elf.ELFDATA2MSB} {
			f.Add(small(class, order))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1<<14 {
			return
		}
		file, err := Open(bytes.NewReader(b))
		if err != nil {
			return
		}
		if in := file.Interpreter(); len(in) > 4096 {
			t.Errorf("an interpreter of %d bytes", len(in))
		}
		s, _ := file.ByName("abc")
		for _, s := range []*Section{s, file.ByType(elf.SHT_DYNAMIC)} {
			if s == nil {
				continue
			}
			if text, err := s.Contents(1 << 20); err == nil && len(text) > len(b) {
				t.Errorf("%d bytes in a file of %d", len(text), len(b))
			}
			if linked, err := s.Linked(); err == nil {
				linked.Contents(1 << 20)
			}
		}
	})
}

// small returns a file with a segment that names an interpreter and two sections, one of
// which has the names of both.
func small(class elf.Class, data elf.Data) []byte {
	var order binary.AppendByteOrder = binary.LittleEndian
	if data == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	const text = "/ld.so\x00\x00abc\x00"
	ident := [16]byte{0x7f, 'E', 'L', 'F', byte(class), byte(data), 1}
	var parts []any
	if class == elf.ELFCLASS64 {
		const at = 64 + 56 + 2*64
		parts = []any{
			elf.Header64{Ident: ident, Type: 2, Machine: 62, Version: 1, Phoff: 64, Shoff: 64 + 56, Ehsize: 64, Phentsize: 56, Phnum: 1, Shentsize: 64, Shnum: 2},
			elf.Prog64{Type: uint32(elf.PT_INTERP), Off: at, Filesz: 7},
			elf.Section64{Type: uint32(elf.SHT_STRTAB), Off: at, Size: uint64(len(text))},
			elf.Section64{Name: 8, Type: uint32(elf.SHT_DYNAMIC), Off: at, Size: uint64(len(text)), Link: 0},
		}
	} else {
		const at = 52 + 32 + 2*40
		parts = []any{
			elf.Header32{Ident: ident, Type: 2, Machine: 3, Version: 1, Phoff: 52, Shoff: 52 + 32, Ehsize: 52, Phentsize: 32, Phnum: 1, Shentsize: 40, Shnum: 2},
			elf.Prog32{Type: uint32(elf.PT_INTERP), Off: at, Filesz: 7},
			elf.Section32{Type: uint32(elf.SHT_STRTAB), Off: at, Size: uint32(len(text))},
			elf.Section32{Name: 8, Type: uint32(elf.SHT_DYNAMIC), Off: at, Size: uint32(len(text)), Link: 1},
		}
	}
	var b []byte
	for _, p := range parts {
		b, _ = binary.Append(b, order.(binary.ByteOrder), p)
	}
	return append(b, text...)
}

func TestSmall(t *testing.T) {
	for _, class := range []elf.Class{elf.ELFCLASS32, elf.ELFCLASS64} {
		for _, order := range []elf.Data{elf.ELFDATA2LSB, elf.ELFDATA2MSB} {
			f, err := Open(bytes.NewReader(small(class, order)))
			if err != nil {
				t.Errorf("%v, %v: %v", class, order, err)
				continue
			}
			if got := f.Interpreter(); got != "/ld.so" {
				t.Errorf("%v, %v: Interpreter = %q", class, order, got)
			}
			if s, err := f.ByName("abc"); err != nil || s == nil || s.header.Name != 8 {
				t.Errorf("%v, %v: ByName = %+v, %v", class, order, s, err)
			}
		}
	}
}
