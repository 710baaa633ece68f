package grub

import "ingot/bootloader"

// platforms are the differences of GRUB between platforms.
var platforms = map[bootloader.Platform]struct {
	name    string // GRUB's own, and that of its folder
	pkg     string // Debian's package with the modules
	nixpkgs string // the attribute of nixpkgs with them (pkgs/tools/misc/grub)
	guix    string // Guix's package with them (gnu/packages/bootloaders.scm)
	modules []string
}{
	bootloader.BIOS:  {"i386-pc", "grub-pc-bin", "grub2", "grub", []string{"biosdisk", "linux16", "vbe", "vga", "ntldr"}},
	bootloader.EFI:   {"x86_64-efi", "grub-efi-amd64-bin", "grub2_efi", "grub-efi", []string{"efi_gop", "efi_uga", "efifwsetup", "lsefi"}},
	bootloader.EFI32: {"i386-efi", "grub-efi-ia32-bin", "pkgsi686Linux.grub2_efi", "grub-efi32", []string{"efi_gop", "efi_uga", "efifwsetup", "lsefi"}},

	bootloader.EFIAArch64: {"arm64-efi", "grub-efi-arm64-bin", "grub2_efi of aarch64-linux", "grub-efi for aarch64-linux", []string{"efi_gop", "efifwsetup", "lsefi", "fdt"}},
	bootloader.EFIARM:     {"arm-efi", "grub-efi-arm-bin", "grub2_efi of armv7l-linux", "grub-efi for armhf-linux", []string{"efi_gop", "efifwsetup", "lsefi", "fdt"}},
	bootloader.EFIRISCV64: {"riscv64-efi", "grub-efi-riscv64-bin", "grub2_efi of riscv64-linux", "grub-efi for riscv64-linux", []string{"efi_gop", "efifwsetup", "lsefi", "fdt"}},
}

// nameOf is GRUB's name of the platform, such as "x86_64-efi".
func nameOf(p bootloader.Platform) string { return platforms[p].name }
