package bootloader

import (
	"strings"
	"testing"

	"ingot/image"
)

func TestPlatforms(t *testing.T) {
	for s, want := range map[string]Platform{"bios": BIOS, "efi": EFI, "efi32": EFI32} {
		if got, err := ParsePlatform("x86_64", s); err != nil || got != want || got.String() != s || got.IsUEFI() != (s != "bios") {
			t.Errorf("ParsePlatform(%q) = %v, %v; want %v", s, got, err, want)
		}
	}
	if _, err := ParsePlatform("x86_64", "uefi64"); err == nil || !strings.Contains(err.Error(), "known are bios, efi, efi32") {
		t.Errorf("ParsePlatform(uefi64) = %v; want an error that names the known ones", err)
	}
	for arch, want := range map[string]Platform{"x86_64": EFI, "i686": EFI, "aarch64": EFIAArch64, "armhf": EFIARM, "riscv64": EFIRISCV64} {
		if got, err := ParsePlatform(arch, "efi"); err != nil || got != want {
			t.Errorf("ParsePlatform(%s, efi) = %v, %v; want %v", arch, got, err, want)
		}
	}
	for arch, want := range map[string]string{"aarch64": "known are efi (for aarch64)", "ppc64le": "no firmware of the architecture ppc64le"} {
		if got, err := ParsePlatform(arch, "bios"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParsePlatform(%s, bios) = %v, %v; want an error with %q", arch, got, err, want)
		}
	}
	if err := AddEFI(image.NewTree(), BIOS, image.Bytes("x")); err == nil {
		t.Error("AddEFI(BIOS) succeeds")
	}
}
