package initramfs

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
)

// CheckProgram refuses a program that cannot be a guest's /init: what is none, and what
// would look for its libraries in the guest.
func CheckProgram(path string) error {
	f, err := elf.Open(path)
	var format *elf.FormatError
	if errors.As(err, &format) || errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: the program that the guest runs is no ELF file", path)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return fmt.Errorf("%s: the program that the guest runs needs libraries, which the guest does not have: take an ingot that make build has made", path)
		}
	}
	return nil
}
