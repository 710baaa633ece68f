package initramfs

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"ingot/image"
	"ingot/vm/kernel"
)

// Paths in the archive, for those who read them: the guest's init.
const (
	ReleaseFile   = "/etc/initrd-release" // its presence is how systemd, too, knows an initramfs
	ModulesFile   = "/etc/ingot/modules"
	ArgumentsFile = "/etc/ingot/cmdline"
)

// Options say what an archive holds. Init is needed; the rest may be left out.
type Options struct {
	// Init is the static binary that becomes /init.
	Init image.Blob
	// Kernel is where modules come from; without it there are none.
	Kernel *kernel.Kernel
	// Modules are the names of the modules to load, besides what they depend on.
	// Nil stands for those of [StandardModules] that the kernel has.
	Modules []string
	// Arguments are words such as root=UUID=…, in effect wherever the kernel's
	// command line does not say otherwise.
	Arguments []string
	// Files are further files, at their paths in the archive.
	Files *image.Tree
	// Compression is zstd if left out.
	Compression Compression
}

// StandardModules are what reaches the disks and the root file systems of virtual
// machines and of usual computers. Those that a kernel has built in, or was made
// without, are left out.
var StandardModules = []string{
	"virtio_pci", "virtio_mmio", "virtio_blk", "virtio_scsi", "virtio_rng", "virtio_net", "virtio_console",
	"sd_mod", "sr_mod", "ahci", "ata_piix", "nvme",
	"xhci_pci", "ehci_pci", "uhci_hcd", "usb_storage", "uas", "usbhid", "hid_generic", "atkbd", "i8042",
	"mmc_block", "sdhci_pci", "sdhci_acpi",
	"hv_storvsc", "vmw_pvscsi", "mptspi", "xen_blkfront",
	"ext4", "xfs", "btrfs", "vfat", "nls_cp437", "nls_ascii", "nls_utf8", "isofs", "squashfs", "overlay", "erofs",
	"loop", "dm_mod", "virtiofs", "9p", "9pnet_virtio", "nbd", "efivarfs",
}

// Build returns the archive.
func Build(o Options) (image.Blob, error) {
	tree, err := Tree(o)
	if err != nil {
		return nil, err
	}
	return Pack(tree, o.Compression)
}

// Tree returns the files of the archive.
func Tree(o Options) (*image.Tree, error) {
	if o.Init == nil || o.Init.Size() == 0 {
		return nil, errors.New("initramfs: no init")
	}
	b := builder{tree: image.NewTree()}
	for _, dir := range []string{"/dev", "/proc", "/sys", "/run", "/root", "/sysroot", "/tmp"} {
		b.put(dir, image.NewDir(0o755))
	}
	b.put("/dev/console", image.NewSpecial(fs.ModeDevice|fs.ModeCharDevice|0o600, image.Dev{Major: 5, Minor: 1}))
	b.put("/init", image.NewFile(0o755, o.Init))
	b.text(ReleaseFile, "NAME=ingot\nID=ingot\n")
	b.text(ArgumentsFile, lines(o.Arguments))
	b.modules(o)
	if o.Files != nil {
		b.merge(o.Files)
	}
	return b.tree, b.err
}

// builder adds files to a tree and keeps the first error.
type builder struct {
	tree *image.Tree
	err  error
}

func (b *builder) put(name string, n *image.Node) {
	if b.err == nil {
		b.err = b.tree.Put(name, n)
	}
}

func (b *builder) text(name, text string) { b.put(name, image.NewFile(0o644, image.Bytes(text))) }

func lines(words []string) string {
	var s strings.Builder
	for _, w := range words {
		s.WriteString(w + "\n")
	}
	return s.String()
}

// modules adds the modules and the list of their order.
func (b *builder) modules(o Options) {
	if o.Kernel == nil {
		if len(o.Modules) > 0 {
			b.err = fmt.Errorf("initramfs: modules %s are asked for, but no kernel that has them", strings.Join(o.Modules, ", "))
		}
		return
	}
	names, err := wanted(o)
	if err != nil {
		b.err = err
		return
	}
	modules, err := o.Kernel.Closure(names...)
	if err != nil {
		b.err = fmt.Errorf("initramfs: %w", err)
		return
	}
	var order strings.Builder
	for _, m := range modules {
		object, err := m.Read()
		if err != nil {
			b.err = fmt.Errorf("initramfs: %w", err)
			return
		}
		name := path.Join("/lib/modules", o.Kernel.Release, uncompressed(m.Rel))
		b.put(name, image.NewFile(0o644, image.Bytes(object)))
		order.WriteString(name + "\n")
	}
	b.text(ModulesFile, order.String())
}

// wanted returns the modules that the options ask for.
func wanted(o Options) ([]string, error) {
	if o.Modules != nil {
		return o.Modules, nil
	}
	var names []string
	for _, name := range StandardModules {
		has, err := o.Kernel.Has(name)
		if err != nil {
			return nil, fmt.Errorf("initramfs: %w", err)
		}
		if has {
			names = append(names, name)
		}
	}
	return names, nil
}

// uncompressed cuts what stands after ".ko" in a path.
func uncompressed(rel string) string {
	return strings.TrimSuffix(rel, path.Ext(strings.TrimSuffix(rel, ".ko")))
}

// merge adds the files of another tree; its directories may be there already.
func (b *builder) merge(files *image.Tree) {
	if b.err != nil {
		return
	}
	b.err = files.Walk(func(name string, n *image.Node) error {
		if n.IsDir() {
			if old := b.tree.Lookup(name); old != nil && old.IsDir() {
				return nil
			}
			n = emptyCopy(n)
		}
		return b.tree.Put(name, n)
	})
}

// emptyCopy returns a directory like n without entries, for those follow by
// themselves and n belongs to the caller's tree.
func emptyCopy(n *image.Node) *image.Node {
	dir := image.NewDir(n.Mode)
	dir.UID, dir.GID, dir.Mtime = n.UID, n.GID, n.Mtime
	return dir
}
