package plan

import (
	"debug/elf"
	"fmt"

	"ingot/bootloader/kernel"
	"ingot/recipes"
)

// A PartError says why a part of a system that ingot makes cannot be taken. Key is the key of
// the recipe by which another is named.
type PartError struct {
	Key string
	Err error
}

func (e *PartError) Error() string { return e.Err.Error() }

func (e *PartError) Unwrap() error { return e.Err }

// checkProgram refuses a file that is no program of the recipe's architecture: a system
// with it would not start.
func checkProgram(r *recipes.Recipe, path string) error {
	f, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("%s: not a program of Linux: %w", path, err)
	}
	defer f.Close()
	if want := recipes.Arches[r.Arch]; f.Machine != want.Machine || f.Class != want.Class {
		return &PartError{"system.program", fmt.Errorf("%s is a program for %s, and the recipe's arch is %s: name an ingot for that with system.program", path, archOf(f), r.Arch)}
	}
	return nil
}

func archOf(f *elf.File) string {
	for name, a := range recipes.Arches {
		if f.Machine == a.Machine && f.Class == a.Class {
			return name
		}
	}
	return f.Machine.String()
}

// checkKernel does so with a kernel, as far as its image says what it is for.
func checkKernel(r *recipes.Recipe, k *kernel.Kernel) error {
	arch, err := k.Arch()
	if err != nil || arch == "" || arch == r.Arch {
		return err
	}
	return &PartError{"system.kernel", fmt.Errorf("kernel: %s is for %s, and the recipe's arch is %s: name another folder with system.kernel", k.Path, arch, r.Arch)}
}
