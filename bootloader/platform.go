package bootloader

import (
	"fmt"
	"strings"

	"ingot/internal/printable"
)

// Platform is a firmware that GRUB is installed for.
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

// platformInfo is what differs from platform to platform.
type platformInfo struct {
	arch    string // of the processor, as Linux names it
	word    string // as recipes spell it
	name    string // GRUB's own, and that of its folder
	pkg     string // Debian's package with the modules
	program string // in EFI/BOOT, where firmware looks on removable media
	modules []string
}

var platforms = [...]platformInfo{
	BIOS:  {"x86_64", "bios", "i386-pc", "grub-pc-bin", "", []string{"biosdisk", "linux16", "vbe", "vga", "ntldr"}},
	EFI:   {"x86_64", "efi", "x86_64-efi", "grub-efi-amd64-bin", "BOOTX64.EFI", []string{"efi_gop", "efi_uga", "efifwsetup", "lsefi"}},
	EFI32: {"x86_64", "efi32", "i386-efi", "grub-efi-ia32-bin", "BOOTIA32.EFI", []string{"efi_gop", "efi_uga", "efifwsetup", "lsefi"}},

	EFIAArch64: {"aarch64", "efi", "arm64-efi", "grub-efi-arm64-bin", "BOOTAA64.EFI", []string{"efi_gop", "efifwsetup", "lsefi", "fdt"}},
	EFIARM:     {"armhf", "efi", "arm-efi", "grub-efi-arm-bin", "BOOTARM.EFI", []string{"efi_gop", "efifwsetup", "lsefi", "fdt"}},
	EFIRISCV64: {"riscv64", "efi", "riscv64-efi", "grub-efi-riscv64-bin", "BOOTRISCV64.EFI", []string{"efi_gop", "efifwsetup", "lsefi", "fdt"}},
}

// String returns the word that [ParsePlatform] reads.
func (p Platform) String() string { return platforms[p].word }

// Name returns GRUB's name of the platform, such as "x86_64-efi".
func (p Platform) Name() string { return platforms[p].name }

// ParsePlatform reads the word for a firmware of an architecture, as Linux names it:
// x86_64, i686, aarch64, armhf or riscv64. A PC has "bios", "efi" and "efi32", all others
// have "efi" alone; GRUB's own names serve, too.
func ParsePlatform(arch, s string) (Platform, error) {
	if arch == "i686" { // a PC, whose firmware may be of 64 bits all the same
		arch = "x86_64"
	}
	var words []string
	for p, info := range platforms {
		if s == info.name || info.arch == arch && strings.EqualFold(s, info.word) {
			return Platform(p), nil
		}
		if info.arch == arch {
			words = append(words, info.word)
		}
	}
	if words == nil {
		return 0, fmt.Errorf("platform %s: GRUB is not installed for the architecture %s", printable.Quote(s), arch)
	}
	return 0, fmt.Errorf("unknown platform %s: known are %s (for %s)", printable.Quote(s), strings.Join(words, ", "), arch)
}
