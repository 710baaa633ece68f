package kernel

import (
	"encoding/binary"
	"fmt"
	"io"

	"ingot/internal/grammar"
)

// Where images say what they are: Documentation/arch/{x86/boot,arm64/booting,
// riscv/boot-image-header}.rst of the kernel's source, and head.S of ARM's zImage.
const (
	// headerSize is how many bytes of an image are looked at.
	headerSize = 0x260

	x86Magic     = "HdrS"
	x86MagicAt   = 0x202
	x86VersionAt = 0x206
	x86FlagsAt   = 0x236 // xloadflags
	x86LineAt    = 0x238 // cmdline_size, without the NUL at the end
	x86Kernel64  = 1 << 0

	x86WithLine = 0x0206 // the first version of the protocol with cmdline_size
	x86OldLine  = 255    // of the versions before

	imageMagicAt = 0x38
	arm64Magic   = "ARM\x64"
	riscvMagic   = "RSC\x05"

	armMagic   = 0x016F2818
	armMagicAt = 0x24
)

// lines are the longest command lines by architecture, without the NUL at the end.
var lines = map[string]int{"aarch64": 2048 - 1, "armhf": 1024 - 1, "riscv64": 1024 - 1}

// unknownLine is the longest command line of an image that does not say for what it is.
const unknownLine = 2048 - 1

// Header is the beginning of a kernel's image.
type Header struct {
	// Arch is the architecture that the image is for, as Linux names it: x86_64, i686,
	// aarch64, armhf, riscv64. It is empty for an image that does not say.
	Arch string
	// CommandLine is how many bytes of a command line the kernel takes, without the NUL at
	// its end.
	CommandLine int
	// Stated reports whether that stands in the image; else it is the architecture's.
	Stated bool
}

// ReadHeader reads the header of an image. One that is shorter than a header is an image of
// which nothing is known.
func ReadHeader(image io.ReaderAt) (Header, error) {
	b := make([]byte, headerSize)
	if n, err := image.ReadAt(b, 0); err != nil && err != io.EOF {
		return Header{}, err
	} else if n < headerSize {
		return Header{CommandLine: unknownLine}, nil
	}
	return parseHeader(b), nil
}

// parseHeader is [ReadHeader] for an image that begins with b, which has [headerSize] bytes.
func parseHeader(b []byte) Header {
	le := binary.LittleEndian
	h := Header{Arch: archOf(b), CommandLine: unknownLine}
	if most, ok := lines[h.Arch]; ok {
		h.CommandLine = most
	}
	if h.Arch != "x86_64" && h.Arch != "i686" {
		return h
	}
	h.CommandLine, h.Stated = x86OldLine, true
	if le.Uint16(b[x86VersionAt:]) >= x86WithLine {
		h.CommandLine = int(min(le.Uint32(b[x86LineAt:]), 1<<20))
	}
	return h
}

// archOf returns [Header.Arch] of an image that begins so.
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

// A CommandLineError is a command line that is longer than its kernel takes.
type CommandLineError struct {
	Size   int // of the line, without what the loader adds
	Added  int // by the loader
	Loader string
	Most   int
	Stated bool
}

func (e *CommandLineError) Error() string {
	with, says := "", "kernels of its architecture take"
	if e.Loader != "" {
		with = fmt.Sprintf(" and %d more that %s adds", e.Added, e.Loader)
	}
	if e.Stated {
		says = "the kernel's own header allows"
	}
	return fmt.Sprintf("kernel command line has %s%s, and %s %d: the rest would be cut off; leave %s out",
		grammar.Count(e.Size, "byte"), with, says, e.Most, grammar.Count(e.Size+e.Added-e.Most, "byte"))
}

// CheckCommandLine refuses a line of so many bytes that the kernel would cut.
func (h Header) CheckCommandLine(size int) error { return h.CheckLoaded(size, "", 0) }

// CheckLoaded is [Header.CheckCommandLine] for a line to which a boot loader adds so many
// bytes.
func (h Header) CheckLoaded(size int, loader string, added int) error {
	if size+added <= h.CommandLine {
		return nil
	}
	return &CommandLineError{Size: size, Added: added, Loader: loader, Most: h.CommandLine, Stated: h.Stated}
}
