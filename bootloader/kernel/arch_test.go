package kernel

import (
	"encoding/binary"
	"testing"

	"ingot/image"
	"ingot/tests/testenv"
)

func TestArch(t *testing.T) {
	for _, test := range []struct {
		want string
		put  func(header []byte)
	}{
		{"x86_64", func(h []byte) { copy(h[0x202:], "HdrS"); h[0x236] = 0x7F }},
		{"i686", func(h []byte) { copy(h[0x202:], "HdrS") }},
		{"aarch64", func(h []byte) { copy(h[0x38:], "ARMd") }},
		{"riscv64", func(h []byte) { copy(h[0x38:], "RSC\x05") }},
		{"armhf", func(h []byte) { binary.LittleEndian.PutUint32(h[0x24:], 0x016F2818) }},
		{"", func([]byte) {}},
	} {
		header := make([]byte, 0x1000)
		test.put(header)
		k := Kernel{Image: image.Bytes(header)}
		if got, err := k.Arch(); got != test.want || err != nil {
			t.Errorf("Arch() = %q, %v; want %q", got, err, test.want)
		}
		k.Image = image.Bytes(header[:100])
		if got, err := k.Arch(); err == nil {
			t.Errorf("Arch() of 100 bytes = %q; want an error", got)
		}
	}
	for dir, want := range map[string]string{testenv.Kernel(t): "x86_64", testenv.KernelARM64(t): "aarch64"} {
		k, err := Find(dir)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := k.Arch(); got != want || err != nil {
			t.Errorf("%s: Arch() = %q, %v; want %q", k.Path, got, err, want)
		}
	}
}
