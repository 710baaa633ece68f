package kernel

import (
	"fmt"

	"ingot/internal/grammar"
)

// Arch returns the architecture that the image is for, as Linux names it: x86_64, i686,
// aarch64, armhf, riscv64. It is empty for an image that does not say.
func (k *Kernel) Arch() (string, error) {
	if n := k.Image.Size(); n < headerSize {
		return "", fmt.Errorf("%s: too short for a kernel, %s", k.Path, grammar.Count(n, "byte"))
	}
	h, err := ReadHeader(k.Image)
	return h.Arch, err
}
