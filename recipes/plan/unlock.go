package plan

import (
	"fmt"
	"slices"

	"ingot/bootloader/kernel"
	"ingot/image"
	"ingot/partition/foreign"
	"ingot/recipes"
	"ingot/recipes/tools"
)

// encryptedRoot returns the numbers of the partitions that hold a system of ingot's own, or what
// its initial RAM disk mounts for it, and are encrypted.
func encryptedRoot(r *recipes.Recipe) (encrypted []int) {
	if r.System == nil || r.System.Path != "" {
		return nil
	}
	add := func(i int) {
		if i >= 0 && r.Disk.Partitions[i].Encrypt != "" && !slices.Contains(encrypted, i) {
			encrypted = append(encrypted, i)
		}
	}
	if !r.Spreads() {
		add(r.StorePartition())
		return encrypted
	}
	add(r.PartitionAt("/"))
	for _, m := range mountedEarly(r) {
		add(m.Partition)
	}
	return encrypted
}

// unlocks returns the modules and files that the system's initial RAM disk needs to unlock a
// root; the tree is empty if it needs none.
func unlocks(r *recipes.Recipe, h Host, k *kernel.Kernel) (modules []string, files *image.Tree, err error) {
	if len(encryptedRoot(r)) == 0 {
		return nil, image.NewTree(), nil
	}
	set, err := tools.Programs("", recipes.Arches[r.Arch].Debian, h.Path, "cryptsetup")
	if err != nil {
		return nil, nil, fmt.Errorf("unlocking the root: %w", err)
	}
	modules, err = k.Having(foreign.LUKSCiphers)
	return append([]string{"dm_crypt"}, modules...), set.Tree, err
}
