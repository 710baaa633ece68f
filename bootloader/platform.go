package bootloader

import (
	"fmt"
	"strings"
)

// Platform is a firmware that GRUB is installed for.
type Platform uint8

// The platforms.
const (
	BIOS  Platform = iota // the PC's classic firmware
	EFI                   // UEFI of 64 bits
	EFI32                 // UEFI of 32 bits, as some tablets and old Macs have it
)

// platformInfo is what differs from platform to platform.
type platformInfo struct {
	word    string // as recipes spell it
	name    string // GRUB's own, and that of its folder
	pkg     string // Debian's package with the modules
	program string // in EFI/BOOT, where firmware looks on removable media
	modules []string
}

var platforms = [...]platformInfo{
	BIOS:  {"bios", "i386-pc", "grub-pc-bin", "", []string{"biosdisk", "linux16", "vbe", "vga", "ntldr"}},
	EFI:   {"efi", "x86_64-efi", "grub-efi-amd64-bin", "BOOTX64.EFI", []string{"efi_gop", "efi_uga", "efifwsetup", "lsefi"}},
	EFI32: {"efi32", "i386-efi", "grub-efi-ia32-bin", "BOOTIA32.EFI", []string{"efi_gop", "efi_uga", "efifwsetup", "lsefi"}},
}

// String returns the word that [ParsePlatform] reads.
func (p Platform) String() string { return platforms[p].word }

// Name returns GRUB's name of the platform, such as "x86_64-efi".
func (p Platform) Name() string { return platforms[p].name }

// ParsePlatform reads "bios", "efi" and "efi32", or GRUB's own names.
func ParsePlatform(s string) (Platform, error) {
	var words []string
	for p, info := range platforms {
		if strings.EqualFold(s, info.word) || s == info.name {
			return Platform(p), nil
		}
		words = append(words, info.word)
	}
	return 0, fmt.Errorf("unknown platform %q: known are %s", s, strings.Join(words, ", "))
}
