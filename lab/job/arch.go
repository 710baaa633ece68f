package job

import (
	"cmp"
	"fmt"

	"ingot/bootloader/kernel"
	"ingot/vm"
)

// An ArchError says that a kernel is for another architecture than the machine.
type ArchError struct {
	Image    string
	Is, Want vm.Arch
}

func (e *ArchError) Error() string {
	return fmt.Sprintf("the kernel %s is for %s, and the machine is %s", e.Image, e.Is, e.Want)
}

// CheckArch refuses a kernel that is not for a machine, as far as its image has its
// architecture. Default: the host's architecture.
func CheckArch(k *kernel.Kernel, arch vm.Arch) error {
	is, err := k.Arch()
	want := cmp.Or(arch, vm.HostArch())
	if err != nil || is == "" || vm.Arch(is) == want || vm.Arch(is) == vm.I686 && want == vm.X86_64 {
		return err
	}
	return &ArchError{Image: k.Path, Is: vm.Arch(is), Want: want}
}
