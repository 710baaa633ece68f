package helper

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ingot/bootloader/initramfs"
	"ingot/bootloader/kernel"
	"ingot/guest/wire"
	"ingot/image"
	"ingot/vm"
)

// Drivers by what needs them. A kernel may have them built in.
var (
	busDrivers   = []string{"virtio_pci", "virtio_console"}
	shareDrivers = map[vm.ShareKind][]string{vm.VirtioFS: {"virtiofs"}, vm.NineP: {"9p", "9pnet_virtio"}}
	diskDrivers  = map[vm.Bus][]string{
		vm.Virtio: {"virtio_blk"}, vm.SATA: {"ahci", "sd_mod"}, vm.NVMe: {"nvme"},
		vm.CDROM: {"virtio_scsi", "sr_mod"}, vm.USB: {"xhci_pci", "usb_storage", "sd_mod"},
	}
	storeDrivers = []string{"virtio_blk", "ext4", "overlay"}
)

// drivers returns what the machine needs, in the order in which it is loaded.
func (o *Options) drivers() []string {
	list := slices.Clone(busDrivers)
	for _, d := range o.Machine.Disks {
		list = append(list, diskDrivers[d.Bus]...)
	}
	if o.Store != nil {
		list = append(list, storeDrivers...)
	}
	if len(o.Machine.NICs) > 0 {
		list = append(list, "virtio_net")
	}
	for _, s := range o.Machine.Shares {
		list = append(list, shareDrivers[s.Reached()]...)
	}
	seen := map[string]bool{}
	return slices.DeleteFunc(append(list, o.Load...), func(name string) bool {
		again := seen[name]
		seen[name] = true
		return again
	})
}

// checkDrivers refuses a kernel that the machine cannot do with. A kernel without a
// folder of modules has all built in, and does not say what.
func checkDrivers(k *kernel.Kernel, names []string) error {
	if k.ModulesDir == "" {
		return nil
	}
	missing := &MissingDriversError{Release: k.Release}
	for _, name := range names {
		has, err := k.Has(name)
		if err != nil {
			return err
		}
		if !has {
			missing.Drivers = append(missing.Drivers, name)
		}
	}
	if len(missing.Drivers) > 0 {
		return missing
	}
	return nil
}

// Has reports whether a kernel can use what a share of this kind takes.
func Has(k *kernel.Kernel, kind vm.ShareKind) bool {
	return checkDrivers(k, shareDrivers[kind]) == nil
}

// ShareKind returns how a guest with this kernel can have a folder of the host's, and
// whether it can at all.
func ShareKind(k *kernel.Kernel) (vm.ShareKind, bool) {
	for _, kind := range []vm.ShareKind{vm.DefaultShare(), vm.NineP} {
		if Has(k, kind) {
			return kind, true
		}
	}
	return "", false
}

// words are those of the kernel's command line: [tuning] says what some of them
// save.
func (o *Options) words() []string {
	list := []string{"console=" + o.Machine.Arch.Console(), "panic=-1"}
	if !o.Verbose {
		list = append(list, "quiet")
	}
	list = append(list, tuning...)
	list = append(list, string(wire.AgentWord))
	if o.Store != nil {
		list = append(append(list, o.Store.Words()...), string(wire.StoreLayerWord))
	}
	return append(list, o.Words...)
}

// configure completes the machine's description, but for a store.
func (o *Options) configure() (vm.Config, error) {
	c := o.Machine
	if err := o.findKernel(); err != nil {
		return c, err
	}
	initrd, err := o.initramfs()
	if err != nil {
		return c, err
	}
	c.Kernel, c.Initrd = o.Kernel.Image, initrd
	c.Append = strings.Join(o.words(), " ")
	c.Channels = append(slices.Clone(c.Channels), wire.AgentPort)
	if c.Display == (vm.Display{}) {
		c.Display.None = true // nobody looks, and its BIOS takes time
	}
	if c.Memory == 0 {
		c.Memory = defaultMemory
	}
	return c, nil
}

// findKernel takes the host's newest kernel if none is given.
func (o *Options) findKernel() error {
	if o.Kernel != nil {
		return nil
	}
	k, err := kernel.Find("/")
	if err != nil {
		return err
	}
	o.Kernel = k
	return nil
}

// initramfs makes the guest's files.
func (o *Options) initramfs() (image.Blob, error) {
	init, err := o.init()
	if err != nil {
		return nil, err
	}
	names := o.drivers()
	if err := checkDrivers(o.Kernel, names); err != nil {
		return nil, err
	}
	files, err := o.files()
	if err != nil {
		return nil, err
	}
	// Uncompressed: QEMU copies it into the guest at the host's speed, while unpacking is
	// emulated code. Measured under TCG: 0.1 s instead of 0.6 s.
	options := initramfs.Options{Init: init, Files: files, Compression: initramfs.None, Unsigned: !insists(o.Kernel)}
	if o.Kernel.ModulesDir != "" {
		options.Kernel, options.Load = o.Kernel, names
		options.Modules = append([]string{}, o.Modules...)
	}
	return initramfs.Build(options)
}

// insists reports whether a kernel takes signed modules alone, by the configuration that
// distributions put beside it.
func insists(k *kernel.Kernel) bool {
	file, ok := k.Image.(*image.File)
	if !ok {
		return false
	}
	config, err := os.ReadFile(filepath.Join(filepath.Dir(file.Path()), "config-"+k.Release))
	return err == nil && strings.Contains(string(config), "\nCONFIG_MODULE_SIG_FORCE=y\n")
}

// init returns the binary that the guest runs.
func (o *Options) init() (image.Blob, error) {
	path := o.Init
	if path == "" {
		var err error
		if path, err = os.Executable(); err != nil {
			return nil, fmt.Errorf("ingot's own program, which the guest runs: %w", err)
		}
	}
	if err := initramfs.CheckProgram(path); err != nil {
		return nil, fmt.Errorf("%w; INGOT_GUEST names another program", err)
	}
	return image.NewHostFile(path)
}

// files are those of the guest's root beside the initramfs's own.
func (o *Options) files() (*image.Tree, error) {
	t := image.NewTree()
	texts := map[string]string{
		"/etc/passwd":        passwd,
		"/etc/group":         group,
		"/etc/hosts":         hosts(o.Hostname()),
		"/etc/hostname":      o.Hostname() + "\n",
		"/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
		"/etc/os-release":    "NAME=ingot\nID=ingot\n",
	}
	if len(o.Machine.NICs) > 0 {
		texts["/etc/resolv.conf"] = "nameserver " + userNameServer + "\n"
		texts["/etc/hosts"] += o.hostNames()
	}
	for name, text := range texts {
		if err := t.Put(name, image.NewFile(0o644, image.Bytes(text))); err != nil {
			return nil, err
		}
	}
	for name, target := range map[string]string{"/bin/sh": "../init", "/usr/bin/env": "../../init"} {
		if err := t.Put(name, image.NewSymlink(target)); err != nil {
			return nil, err
		}
	}
	if o.Files == nil {
		return t, nil
	}
	return t, o.Files.Walk(func(name string, n *image.Node) error {
		if old := t.Lookup(name); n.IsDir() && old != nil && old.IsDir() {
			return nil
		}
		if n.IsDir() {
			dir := image.NewDir(n.Mode)
			dir.UID, dir.GID, dir.Mtime = n.UID, n.GID, n.Mtime
			n = dir
		}
		return t.Put(name, n)
	})
}

// hostNames are the host's own names, which the guest reaches where the NAT has it.
func (o *Options) hostNames() string {
	name, err := os.Hostname()
	if err != nil || name == "" || name == o.Hostname() || name == "localhost" {
		return ""
	}
	names := name
	if short, _, dotted := strings.Cut(name, "."); dotted {
		names += " " + short
	}
	return userGateway + " " + names + "\n"
}

// Hostname is the guest's.
func (o *Options) Hostname() string { return cmp.Or(o.Machine.Name, "ingot-vm") }

// The addresses of QEMU's user network: https://www.qemu.org/docs/master/system/devices/net.html
const (
	userAddress    = "10.0.2.15"
	userGateway    = "10.0.2.2"
	userNameServer = "10.0.2.3"
	userNetmask    = "255.255.255.0"
)

// NetworkWord is what gives a guest on QEMU's user network its address, without a word
// from a DHCP server: the kernel's ip=.
const NetworkWord = string(wire.IPWord) + "=" + userAddress + "::" + userGateway + ":" + userNetmask + ":::off"

func hosts(name string) string {
	return "127.0.0.1 localhost\n::1 localhost\n127.0.1.1 " + name + "\n"
}

// The users that builds expect: Nix's and Guix's builders beside root.
const (
	passwd = "root:x:0:0:root:/root:/bin/sh\n" +
		"nixbld1:x:30001:30000:Nix build user:/var/empty:/bin/sh\n" +
		"guixbuilder01:x:30101:30100:Guix build user:/var/empty:/bin/sh\n" +
		"nobody:x:65534:65534:nobody:/:/bin/sh\n"
	group = "root:x:0:\ntty:x:5:\ndisk:x:6:\nkvm:x:30:\nusers:x:100:\n" +
		"nixbld:x:30000:nixbld1\nguixbuild:x:30100:guixbuilder01\nnogroup:x:65534:\n"
)

// MissingDriversError says that a kernel cannot run the machine.
type MissingDriversError struct {
	Release string
	Drivers []string
}

func (e *MissingDriversError) Error() string {
	return fmt.Sprintf("kernel %s lacks drivers that this machine needs, built in or as modules: %s",
		e.Release, strings.Join(e.Drivers, ", "))
}
