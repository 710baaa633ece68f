package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
)

// imageOf returns an image of which only the header says something.
func imageOf(put func(h []byte)) []byte {
	b := make([]byte, 0x1000)
	put(b)
	return b
}

func x86(version uint16, line uint32, flags byte) func([]byte) {
	return func(h []byte) {
		copy(h[0x202:], "HdrS")
		binary.LittleEndian.PutUint16(h[0x206:], version)
		h[0x236] = flags
		binary.LittleEndian.PutUint32(h[0x238:], line)
	}
}

func TestReadHeader(t *testing.T) {
	for _, test := range []struct {
		name string
		put  func(h []byte)
		want Header
	}{
		{"x86-64", x86(0x20f, 2047, 0x7f), Header{"x86_64", 2047, true}},
		{"another limit", x86(0x20f, 4095, 1), Header{"x86_64", 4095, true}},
		{"32 bits", x86(0x206, 2047, 0), Header{"i686", 2047, true}},
		{"old protocol", x86(0x205, 2047, 0), Header{"i686", 255, true}},
		{"no limit", x86(0x20f, 1<<32-1, 1), Header{"x86_64", 1 << 20, true}},
		{"arm64", func(h []byte) { copy(h[0x38:], "ARMd") }, Header{"aarch64", 2047, false}},
		{"riscv", func(h []byte) { copy(h[0x38:], "RSC\x05") }, Header{"riscv64", 1023, false}},
		{"arm", func(h []byte) { binary.LittleEndian.PutUint32(h[0x24:], 0x016F2818) }, Header{"armhf", 1023, false}},
		{"unknown", func([]byte) {}, Header{"", 2047, false}},
	} {
		got, err := ReadHeader(bytes.NewReader(imageOf(test.put)))
		if got != test.want || err != nil {
			t.Errorf("%s: ReadHeader = %+v, %v; want %+v", test.name, got, err, test.want)
		}
	}
	if got, err := ReadHeader(bytes.NewReader([]byte("short"))); got != (Header{CommandLine: 2047}) || err != nil {
		t.Errorf("ReadHeader of 5 bytes = %+v, %v", got, err)
	}
}

func TestCheckCommandLine(t *testing.T) {
	h := parseHeader(imageOf(x86(0x20f, 2047, 1)))
	for size, want := range map[int]string{
		0: "", 2047: "",
		2048: "kernel command line has 2048 bytes, and the kernel's own header allows 2047: the rest would be cut off; leave 1 byte out",
		5000: "kernel command line has 5000 bytes, and the kernel's own header allows 2047: the rest would be cut off; leave 2953 bytes out",
	} {
		got := ""
		if err := h.CheckCommandLine(size); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("CheckCommandLine(%d) = %q; want %q", size, got, want)
		}
	}
	if err := h.CheckLoaded(2000, "GRUB", 47); err != nil {
		t.Errorf("CheckLoaded = %v", err)
	}
	err := h.CheckLoaded(2000, "GRUB", 48)
	var long *CommandLineError
	if !errors.As(err, &long) || long.Size != 2000 || long.Most != 2047 || long.Added != 48 {
		t.Errorf("CheckLoaded = %v", err)
	}
}
