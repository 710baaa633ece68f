package initramfs

import (
	"fmt"
	"os"

	"ingot/internal/elffile"
)

// CheckProgram refuses a program that cannot be a guest's /init: one that is not an ELF file,
// and one that would look for its libraries in the guest.
func CheckProgram(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	program, err := elffile.Open(f)
	if err != nil {
		return fmt.Errorf("%s cannot be the program that the guest runs: %w", path, err)
	}
	if program.Interpreter() != "" {
		return fmt.Errorf("%s: the program that the guest runs needs libraries, which the guest does not have: take an ingot that make build has made", path)
	}
	return nil
}
