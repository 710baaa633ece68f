package kernel

import (
	"fmt"
	"os"

	"ingot/internal/grammar"
)

// Arch returns the architecture that the image is for, as Linux names it: x86_64, i686,
// aarch64, armhf, riscv64. It is empty for an image that does not say.
func (k *Kernel) Arch() (string, error) {
	f, err := os.Open(k.Image)
	if err != nil {
		return "", err
	}
	defer f.Close()
	header := make([]byte, headerSize)
	if n, err := f.ReadAt(header, 0); n < len(header) {
		return "", fmt.Errorf("%s: too short for a kernel, %s: %w", k.Image, grammar.Count(n, "byte"), err)
	}
	return parseHeader(header).Arch, nil
}
