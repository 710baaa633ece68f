package grub

import "ingot/bootloader"

// platforms are the differences of GRUB between platforms.
var platforms = map[bootloader.Platform]struct {
	name    string // GRUB's own, and that of its folder
	pkg     string // Debian's package with the modules
	modules []string
}{
	bootloader.BIOS:  {"i386-pc", "grub-pc-bin", []string{"biosdisk", "linux16", "vbe", "vga", "ntldr"}},
	bootloader.EFI:   {"x86_64-efi", "grub-efi-amd64-bin", []string{"efi_gop", "efi_uga", "efifwsetup", "lsefi"}},
	bootloader.EFI32: {"i386-efi", "grub-efi-ia32-bin", []string{"efi_gop", "efi_uga", "efifwsetup", "lsefi"}},

	bootloader.EFIAArch64: {"arm64-efi", "grub-efi-arm64-bin", []string{"efi_gop", "efifwsetup", "lsefi", "fdt"}},
	bootloader.EFIARM:     {"arm-efi", "grub-efi-arm-bin", []string{"efi_gop", "efifwsetup", "lsefi", "fdt"}},
	bootloader.EFIRISCV64: {"riscv64-efi", "grub-efi-riscv64-bin", []string{"efi_gop", "efifwsetup", "lsefi", "fdt"}},
}

// nameOf is GRUB's name of the platform, such as "x86_64-efi".
func nameOf(p bootloader.Platform) string { return platforms[p].name }
