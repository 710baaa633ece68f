package plan

import (
	"fmt"
	"strings"

	"ingot/bootloader"
	"ingot/bootloader/kernel"
	"ingot/guest/wire"
	"ingot/image"
	"ingot/partition/foreign"
	"ingot/recipes"
	"ingot/recipes/tools"
)

// rootPartition returns the partition that a system boots into: the one with the store,
// or that of the menu.
func (p *planner) rootPartition(at int) int {
	if i := p.storePartition(); i >= 0 {
		return i
	}
	return at
}

// bringToBoot puts the kernel and the initial RAM disks of an entry, which lie with the
// store, where the boot loader finds them, under names that tell the store items: as NixOS and Guix
// themselves do it with a /boot of its own.
func (p *planner) bringToBoot(at, root int, e *bootloader.Entry) error {
	bring := func(name string) (string, error) {
		data, err := bootloader.Lookup(p.trees[root].Lookup).Data(name)
		if err != nil {
			return "", err
		}
		short := strings.TrimPrefix(strings.TrimPrefix(name, p.store.flavour.StoreDir()), "/")
		to := "/kernels/" + strings.ReplaceAll(short, "/", "-")
		if p.trees[at].Lookup(to) != nil {
			return to, nil
		}
		return to, p.trees[at].Put(to, image.NewFile(0o444, data))
	}
	var err error
	if e.Kernel, err = bring(e.Kernel); err != nil {
		return fmt.Errorf("kernel: %w", err)
	}
	for i := range e.Initrd {
		if e.Initrd[i], err = bring(e.Initrd[i]); err != nil {
			return fmt.Errorf("initrd: %w", err)
		}
	}
	return nil
}

// encryptedRoot returns the number of the partition that holds a system of ingot's own
// and is encrypted, or -1.
func encryptedRoot(r *recipes.Recipe) int {
	if r.System == nil || r.System.Path != "" {
		return -1
	}
	for i, p := range r.Disk.Partitions {
		if p.Contents.Store && p.Encrypt != "" {
			return i
		}
	}
	return -1
}

// unlockWords are those of the kernel's command line by which ingot's init finds the
// container that its root is in.
func (p *planner) unlockWords() []string {
	i := encryptedRoot(p.Recipe)
	if i < 0 {
		return nil
	}
	return []string{wire.LUKSWord.With("UUID=" + p.luksUUID(i))}
}

// unlocking is what an initial RAM disk needs beside ingot to unlock a root.
type unlocking struct {
	modules []string
	files   *image.Tree
}

// unlocks returns what the system's initial RAM disk needs.
func unlocks(r *recipes.Recipe, h Host, k *kernel.Kernel) (unlocking, error) {
	if encryptedRoot(r) < 0 {
		return unlocking{}, nil
	}
	set, err := tools.Programs("", debianArches[r.Arch], h.Path, "cryptsetup")
	if err != nil {
		return unlocking{}, fmt.Errorf("unlocking the root: %w", err)
	}
	modules, err := k.Having(foreign.LUKSCiphers)
	return unlocking{append([]string{"dm_crypt"}, modules...), set.Tree}, err
}
