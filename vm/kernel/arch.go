package kernel

import (
	"encoding/binary"
	"fmt"
	"os"

	"ingot/internal/grammar"
)

// Where images say what they are: Documentation/arch/{x86/boot,arm64/booting,
// riscv/boot-image-header}.rst of the kernel's source, and head.S of ARM's zImage.
const (
	headerSize = 0x260

	x86Magic    = "HdrS"
	x86MagicAt  = 0x202
	x86FlagsAt  = 0x236 // xloadflags
	x86Kernel64 = 1 << 0

	imageMagicAt = 0x38
	arm64Magic   = "ARM\x64"
	riscvMagic   = "RSC\x05"

	armMagic   = 0x016F2818
	armMagicAt = 0x24
)

// Arch returns the architecture that the image is for, as Linux names it: x86_64, i686,
// aarch64, armhf, riscv64. It is empty for an image that does not say.
func (k *Kernel) Arch() (string, error) {
	f, err := os.Open(k.Image)
	if err != nil {
		return "", err
	}
	defer f.Close()
	header := make([]byte, headerSize)
	if n, err := f.ReadAt(header, 0); n < headerSize {
		return "", fmt.Errorf("%s: too short for a kernel, %s: %w", k.Image, grammar.Count(n, "byte"), err)
	}
	return archOf(header), nil
}

// archOf is [Kernel.Arch] of a kernel that begins so.
func archOf(header []byte) string {
	le := binary.LittleEndian
	at := func(i int) string { return string(header[i : i+4]) }
	switch {
	case at(x86MagicAt) == x86Magic && le.Uint16(header[x86FlagsAt:])&x86Kernel64 != 0:
		return "x86_64"
	case at(x86MagicAt) == x86Magic:
		return "i686"
	case at(imageMagicAt) == arm64Magic:
		return "aarch64"
	case at(imageMagicAt) == riscvMagic:
		return "riscv64"
	case le.Uint32(header[armMagicAt:]) == armMagic:
		return "armhf"
	}
	return ""
}
