package recipes

import "debug/elf"

// defaultArch is the architecture where a recipe names none: not the host's, for the
// image is the same wherever it is built.
const defaultArch = "x86_64"

// An Arch is what others call an architecture that a recipe may name.
type Arch struct {
	Go, Debian string
	Machine    elf.Machine // of its programs
	Class      elf.Class
}

// Arches are the architectures that a recipe may name.
var Arches = map[string]Arch{
	"x86_64":  {"amd64", "amd64", elf.EM_X86_64, elf.ELFCLASS64},
	"i686":    {"386", "i386", elf.EM_386, elf.ELFCLASS32},
	"aarch64": {"arm64", "arm64", elf.EM_AARCH64, elf.ELFCLASS64},
	"armhf":   {"arm", "armhf", elf.EM_ARM, elf.ELFCLASS32},
	"riscv64": {"riscv64", "riscv64", elf.EM_RISCV, elf.ELFCLASS64},
}
