package helper

import (
	"ingot/bootloader/kernel"
	"ingot/vm"
)

// ShareKind returns how a guest with this kernel can have a folder of the host's, and
// whether it can at all.
func ShareKind(k *kernel.Kernel) (vm.ShareKind, bool) {
	kinds := []vm.ShareKind{vm.NineP}
	if vm.DefaultShare() == vm.VirtioFS {
		kinds = []vm.ShareKind{vm.VirtioFS, vm.NineP}
	}
	for _, kind := range kinds {
		if Has(k, kind) {
			return kind, true
		}
	}
	return "", false
}
