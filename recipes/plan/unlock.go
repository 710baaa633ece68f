package plan

import (
	"fmt"

	"ingot/bootloader/kernel"
	"ingot/image"
	"ingot/partition/foreign"
	"ingot/recipes"
	"ingot/recipes/tools"
)

// encryptedRoot returns the number of the partition that holds a system of ingot's own
// and is encrypted, or -1.
func encryptedRoot(r *recipes.Recipe) int {
	at := r.StorePartition()
	if at < 0 || r.Disk.Partitions[at].Encrypt == "" || r.System == nil || r.System.Path != "" {
		return -1
	}
	return at
}

// unlocks returns the modules and files that the system's initial RAM disk needs to unlock a
// root; the tree is empty if it needs none.
func unlocks(r *recipes.Recipe, h Host, k *kernel.Kernel) (modules []string, files *image.Tree, err error) {
	if encryptedRoot(r) < 0 {
		return nil, image.NewTree(), nil
	}
	set, err := tools.Programs("", recipes.Arches[r.Arch].Debian, h.Path, "cryptsetup")
	if err != nil {
		return nil, nil, fmt.Errorf("unlocking the root: %w", err)
	}
	modules, err = k.Having(foreign.LUKSCiphers)
	return append([]string{"dm_crypt"}, modules...), set.Tree, err
}
