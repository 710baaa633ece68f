package plan

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/recipes"
	"ingot/tests/testenv"
)

// archRecipe is a rescue disk for UEFI.
const archRecipe = `
name: rescue
arch: %s
system: {kernel: %s}
disk:
  partitions:
    - {name: esp, type: esp, filesystem: fat}
    - {name: root, filesystem: ext4, contents: {store: true}}
bootloader:
  grub: {platforms: [%s], from: %s}
`

// TestArchRefused mixes what is of several architectures.
func TestArchRefused(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	grub := filepath.Join(testenv.Root(t), "bin", "grub-arm64")
	for _, test := range []struct{ arch, kernel, platform, program, want string }{
		{"mips", "host", "efi", self, `arch: "mips" is not known`},
		{"aarch64", "host", "bios", self, `unknown platform "bios": known are efi (for aarch64)`},
		{"aarch64", "host", "efi32", self, `unknown platform "efi32"`},
		{"aarch64", testenv.Kernel(t), "efi", self, "is for x86_64, and the recipe's arch is aarch64: name another folder with system.kernel"},
		{"aarch64", testenv.KernelARM64(t), "efi", self, "is a program for x86_64, and the recipe's arch is aarch64: name an ingot for that with system.program"},
		{"aarch64", testenv.KernelARM64(t), "efi", text, "not a program of Linux"},
		{"x86_64", testenv.KernelARM64(t), "efi", self, "is for aarch64, and the recipe's arch is x86_64"},
	} {
		r, err := recipes.Parse("rescue.yaml", t.TempDir(), fmt.Appendf(nil, archRecipe, test.arch, test.kernel, test.platform, grub), nil)
		if err == nil {
			_, err = New(t.Context(), r, Host{Program: test.program, Path: filepath.SplitList(os.Getenv("PATH"))})
		}
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s, %s, %s: %v; want an error with %q", test.arch, test.kernel, test.platform, err, test.want)
		}
	}
}
