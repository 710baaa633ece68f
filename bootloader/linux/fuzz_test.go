package linux

import (
	"bytes"
	"slices"
	"testing"
)

// FuzzHeader reads the first bytes of kernels.
func FuzzHeader(f *testing.F) {
	for at, text := range map[int]string{x86MagicAt: x86Magic, imageMagicAt: arm64Magic, imageMagicAt + 1: riscvMagic, armMagicAt: "\x18\x28\x6f\x01"} {
		header := make([]byte, HeaderSize)
		copy(header[at:], text)
		f.Add(header)
		header = bytes.Clone(header)
		header[x86FlagsAt], header[x86VersionAt+1], header[x86LineAt+3] = x86Kernel64, 2, 0xff
		f.Add(header)
	}
	f.Fuzz(func(t *testing.T, header []byte) {
		known := []string{"", "x86_64", "i686", "aarch64", "riscv64", "armhf"}
		if len(header) < HeaderSize {
			return
		}
		h := Parse(header)
		if !slices.Contains(known, h.Arch) || h.CommandLine < 0 || h.CommandLine > 1<<20 {
			t.Errorf("Parse = %+v", h)
		}
		if err := h.CheckCommandLine(h.CommandLine + 1); err == nil {
			t.Errorf("CheckCommandLine(%d) of %+v is content", h.CommandLine+1, h)
		}
	})
}
