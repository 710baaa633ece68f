package bootloader

import (
	"fmt"
	"strings"

	"ingot/image"
	"ingot/internal/printable"
)

// Platform is the firmware of an architecture, which starts a boot loader.
type Platform uint8

// The platforms.
const (
	BIOS       Platform = iota // the PC's classic firmware
	EFI                        // UEFI of 64 bits
	EFI32                      // UEFI of 32 bits, as some tablets and old Macs have it
	EFIAArch64                 // UEFI of other processors
	EFIARM
	EFIRISCV64
)

var platforms = [...]struct {
	arch    string // of the processor, as Linux names it
	word    string // as recipes spell it
	program string // in EFI/BOOT, where firmware looks on removable media
}{
	BIOS:       {"x86_64", "bios", ""},
	EFI:        {"x86_64", "efi", "BOOTX64.EFI"},
	EFI32:      {"x86_64", "efi32", "BOOTIA32.EFI"},
	EFIAArch64: {"aarch64", "efi", "BOOTAA64.EFI"},
	EFIARM:     {"armhf", "efi", "BOOTARM.EFI"},
	EFIRISCV64: {"riscv64", "efi", "BOOTRISCV64.EFI"},
}

// String returns the word that [ParsePlatform] reads.
func (p Platform) String() string { return platforms[p].word }

// IsUEFI reports whether the firmware starts programs of an ESP.
func (p Platform) IsUEFI() bool { return platforms[p].program != "" }

// Program is the name of the program in EFI/BOOT that a UEFI starts; empty for a BIOS.
func (p Platform) Program() string { return platforms[p].program }

// PlatformWords are the words for firmwares, of whatever architecture.
func PlatformWords() []string { return []string{"bios", "efi", "efi32"} }

// ParsePlatform reads the word for a firmware of an architecture, as Linux names it:
// x86_64, i686, aarch64, armhf or riscv64. A PC has "bios", "efi" and "efi32", all others
// have "efi" alone.
func ParsePlatform(arch, s string) (Platform, error) {
	if arch == "i686" { // a PC, whose firmware may be of 64 bits all the same
		arch = "x86_64"
	}
	var words []string
	for p, info := range platforms {
		if info.arch != arch {
			continue
		}
		if s == info.word {
			return Platform(p), nil
		}
		words = append(words, info.word)
	}
	if words == nil {
		return 0, fmt.Errorf("platform %s: no firmware of the architecture %s is known", printable.Quote(s), arch)
	}
	return 0, fmt.Errorf("unknown platform %s: known are %s (for %s)", printable.Quote(s), strings.Join(words, ", "), arch)
}

// AddEFI puts a program into the Tree of an ESP, under the name that firmware starts from a
// disk without a boot entry.
func AddEFI(esp *image.Tree, p Platform, program image.Blob) error {
	if !p.IsUEFI() {
		return fmt.Errorf("platform %s is not a UEFI", p)
	}
	return esp.Put("/EFI/BOOT/"+platforms[p].program, image.NewFile(0o755, program))
}
