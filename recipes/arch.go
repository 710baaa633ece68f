package recipes

import (
	"debug/elf"
	"fmt"

	"ingot/bootloader"
	"ingot/bootloader/kernel"
)

// defaultArch is the architecture where a recipe names none: not the host's, for the
// image is the same wherever it is built.
const defaultArch = "x86_64"

// arches are those that a recipe may name, what their programs say of themselves, and
// Go's names for them, which containers have.
var arches = map[string]struct {
	machine elf.Machine
	class   elf.Class
	goarch  string
}{
	"x86_64":  {elf.EM_X86_64, elf.ELFCLASS64, "amd64"},
	"i686":    {elf.EM_386, elf.ELFCLASS32, "386"},
	"aarch64": {elf.EM_AARCH64, elf.ELFCLASS64, "arm64"},
	"armhf":   {elf.EM_ARM, elf.ELFCLASS32, "arm"},
	"riscv64": {elf.EM_RISCV, elf.ELFCLASS64, "riscv64"},
}

// GoArch returns the recipe's architecture by Go's name.
func (r *Recipe) GoArch() string { return arches[r.Arch].goarch }

func (r *Recipe) checkArch(d *decoder) {
	choose(&r.Arch, defaultArch)
	d.check("arch", oneOf(r.Arch, "x86_64", "i686", "aarch64", "armhf", "riscv64"))
}

// checkPlatform refuses the firmwares that the architecture does not have.
func (r *Recipe) checkPlatform(word string) error {
	if err := oneOf(word, "bios", "efi", "efi32"); err != nil {
		return err
	}
	if _, known := arches[r.Arch]; !known {
		return nil // said of arch already
	}
	_, err := bootloader.ParsePlatform(r.Arch, word)
	return err
}

// checkProgram refuses a file that is no program of the recipe's architecture: a system
// with it would not start.
func (r *Recipe) checkProgram(path string) error {
	f, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("%s: not a program of Linux: %w", path, err)
	}
	defer f.Close()
	if want := arches[r.Arch]; f.Machine != want.machine || f.Class != want.class {
		return fmt.Errorf("%s is a program for %s, and the recipe's arch is %s: name an ingot for that with system.program, "+
			"as --set system.program=FILE does (make build-arm64 builds one for aarch64)", path, archOf(f), r.Arch)
	}
	return nil
}

func archOf(f *elf.File) string {
	for name, a := range arches {
		if f.Machine == a.machine && f.Class == a.class {
			return name
		}
	}
	return f.Machine.String()
}

// checkKernel does so with a kernel, as far as its image says what it is for.
func (r *Recipe) checkKernel(k *kernel.Kernel) error {
	arch, err := k.Arch()
	if err != nil || arch == "" || arch == r.Arch {
		return err
	}
	return fmt.Errorf("kernel: %s is for %s, and the recipe's arch is %s: name another folder with system.kernel, "+
		"as --set system.kernel=DIR does", k.Image, arch, r.Arch)
}
