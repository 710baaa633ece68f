package initramfs

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"ingot/bootloader/kernel"
	"ingot/image"
)

// Paths in the archive, which the guest's init reads.
const (
	ReleaseFile   = "/etc/initrd-release" // its presence is how systemd, too, knows an initramfs
	ModulesFile   = "/etc/ingot/modules"
	ArgumentsFile = "/etc/ingot/cmdline"
	NetworkFile   = "/etc/ingot/network"   // not made here, but appended for one machine
	PreMountFile  = "/etc/ingot/pre-mount" // not made here, but among the Files
)

// Options describe an archive. Only Init is required.
type Options struct {
	// Init is the static binary that becomes /init.
	Init image.Blob
	// Kernel is where modules come from; without it there are none.
	Kernel *kernel.Kernel
	// Modules are included, with their dependencies, for init and the kernel to load when a
	// device or a mount needs them. Default: [StandardModules], as far as the kernel has them.
	Modules []string
	// Load are modules that init always loads.
	Load []string
	// Arguments are words such as root=UUID=…, which the kernel's command line may override.
	Arguments []string
	// Files are further files, at their paths in the archive.
	Files *image.Tree
	// Default: zstd.
	Compression Compression
	// Unsigned takes the signatures off the modules. Checking one takes an emulated
	// guest 20 ms; a kernel that insists on them refuses the modules.
	Unsigned bool
}

// StandardModules are the drivers for disks, file systems and keyboards of virtual machines and
// of usual computers. Modules that a kernel has built in, or does not have, are left out.
//
// They are included, not loaded: init loads the modules for the machine's devices, and the
// kernel requests a file system's module when one is mounted. To load all would take seconds,
// and fill the log with missing devices.
var StandardModules = []string{
	"virtio_pci", "virtio_mmio", "virtio_blk", "virtio_scsi", "virtio_rng", "virtio_net", "virtio_console", "virtio_balloon",
	"e1000", "e1000e", "igb", "igc", "r8169", "vmxnet3", "hv_netvsc", "af_packet", // for a root that comes over the network
	"sd_mod", "sr_mod", "ahci", "ata_piix", "ata_generic", "nvme", "mmc_block", "sdhci_pci", "sdhci_acpi", "vmd",
	"xhci_pci", "ehci_pci", "uhci_hcd", "ohci_pci", "usb_storage", "uas", "usbhid", "hid_generic", "atkbd", "i8042",
	"megaraid_sas", "mpt3sas", "mptspi", "mptsas", "hpsa", "aacraid", "smartpqi",
	"hv_storvsc", "hyperv_keyboard", "vmw_pvscsi", "xen_blkfront",
	"ext4", "xfs", "btrfs", "vfat", "nls_cp437", "nls_ascii", "nls_utf8", "isofs", "squashfs", "erofs", "overlay", "efivarfs",
	"loop", "dm_mod", "dm_crypt", "nbd", "virtiofs", "9p", "9pnet_virtio",
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
	b := builder{tree: image.NewTree(), strip: o.Unsigned}
	for _, dir := range []string{"/dev", "/proc", "/sys", "/run", "/root", "/sysroot", "/tmp"} {
		b.put(dir, image.NewDir(0o755))
	}
	b.put("/dev/console", image.NewSpecial(fs.ModeDevice|fs.ModeCharDevice|0o600, image.Dev{Major: 5, Minor: 1}))
	b.put("/init", image.NewFile(0o755, o.Init))
	b.text(ReleaseFile, "NAME=ingot\nID=ingot\n")
	b.lines(ArgumentsFile, o.Arguments)
	b.modules(o)
	if o.Files != nil {
		b.merge(o.Files)
	}
	return b.tree, b.err
}

// builder adds files to a tree and keeps the first error.
type builder struct {
	tree    *image.Tree
	carried []kernel.Module
	strip   bool // signatures off modules
	err     error
}

func (b *builder) put(name string, n *image.Node) {
	if b.err == nil {
		b.err = b.tree.Put(name, n)
	}
}

func (b *builder) text(name, text string) { b.put(name, image.NewFile(0o644, image.Bytes(text))) }

func (b *builder) lines(name string, words []string) {
	b.text(name, strings.Join(append(slices.Clip(words), ""), "\n"))
}

// modules adds the modules and the list of their order.
func (b *builder) modules(o Options) {
	if o.Kernel == nil {
		if names := slices.Concat(o.Modules, o.Load); len(names) > 0 {
			b.err = fmt.Errorf("initramfs: modules %s are listed, but no kernel that has them", strings.Join(names, ", "))
		}
		return
	}
	carry := o.Modules
	if carry == nil {
		var err error
		if carry, err = o.Kernel.Having(StandardModules); err != nil {
			b.err = fmt.Errorf("initramfs: %w", err)
			return
		}
	}
	b.closure(o.Kernel, carry)
	if b.err != nil {
		return
	}
	if order := b.closure(o.Kernel, o.Load); len(order) > 0 {
		b.lines(ModulesFile, order)
	}
	// So that init need not read all modules to find the one for a device.
	aliases, err := o.Kernel.Aliases(b.carried)
	if err != nil {
		b.err = fmt.Errorf("initramfs: %w", err)
		return
	}
	b.text(path.Join("/lib/modules", o.Kernel.Release, "modules.alias"), string(aliases))
	// The kernel calls this path for a module that it misses.
	b.put("/sbin/modprobe", image.NewSymlink("../init"))
}

// closure adds modules and their dependencies, and returns their paths in the order in which
// they can be loaded.
func (b *builder) closure(k *kernel.Kernel, names []string) (order []string) {
	modules, err := k.Closure(names...)
	if err != nil {
		b.err = fmt.Errorf("initramfs: %w", err)
		return nil
	}
	for _, m := range modules {
		name := path.Join("/lib/modules", k.Release, uncompressed(m.Rel))
		order = append(order, name)
		if b.err != nil || b.tree.Lookup(name) != nil {
			continue
		}
		object, err := m.Read()
		if err != nil {
			b.err = fmt.Errorf("initramfs: %w", err)
			return nil
		}
		if b.strip {
			object = unsigned(object)
		}
		b.carried = append(b.carried, m)
		b.put(name, image.NewFile(0o644, image.Bytes(object)))
	}
	return order
}

// uncompressed cuts the suffix after ".ko" off a path.
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
