package lint

import (
	"fmt"
	"slices"
	"strings"

	"ingot/bootloader/system"
	"ingot/internal/grammar"
	"ingot/internal/printable"
)

// modules are the kernel modules of types of file systems that are not named as these.
var modules = map[string]string{
	"ext2": "ext4", "ext3": "ext4", "iso9660": "isofs", "msdos": "vfat", "fat": "vfat", "udf": "udf",
}

// checkLUKS looks for a container that stage 1 opens.
func (c *checker) checkLUKS(l system.LUKS) {
	if c.onMedium() {
		return
	}
	opens := fmt.Sprintf("stage 1 opens a LUKS container by %s as %s (%s)", c.by(l.Device), printable.Quote(l.Name), l.Where)
	found := c.find(l.Device)
	number, first := partitionNumber(l.Device.Value)
	s := Error
	if c.disk.Changes || c.Wants.Initrd == nil || l.Device.Kind == system.ByPath && !(number > 0 && first) {
		s = Warning
	}
	switch {
	case len(found) == 0:
		at := slices.IndexFunc(c.disk.Partitions, func(p Partition) bool { return p.LUKS != "" })
		if at < 0 {
			c.add(luksMissing, s, whole, "", "%s, and no partition of this disk is one", opens)
			return
		}
		f, has := field(l.Device, &c.disk.Partitions[at])
		want := l.Device.Value
		if f == UUID {
			f, has = LUKSUUID, c.disk.Partitions[at].LUKS
		}
		if l.Device.Kind == system.ByUUID && strings.EqualFold(has, want) {
			c.add(luksMissing, s, Place{at, f}, "", "%s, and the container of this disk has %s: the links below /dev/disk have the case of the disk", opens, printable.Quote(has))
			c.advise(smallLetters)
			return
		}
		if l.Device.Kind == system.ByPath || l.Device.Kind == system.ByLabel {
			c.add(luksMissing, s, whole, "", "%s, which this disk does not have", opens)
			return
		}
		c.add(luksMissing, s, Place{at, f}, want, "%s, and the container of this disk has %s", opens, printable.Quote(has))
	case c.partition(found[0].at).LUKS == "" && !c.partition(found[0].at).Opaque:
		c.add(luksMissing, s, Place{found[0].at, Encrypt}, "luks", "%s, and this partition is not encrypted", opens)
	}
}

// checkDrivers looks for the drivers and programs that stage 1 needs for what it mounts.
func (c *checker) checkDrivers() {
	if c.Wants.Initrd == nil {
		return
	}
	for _, m := range c.Wants.Mounts {
		if m.Early || m.Point == "/" {
			c.checkDriver(m)
		}
	}
	if root, ok := c.root(); ok && !slices.ContainsFunc(c.Wants.Mounts, func(m system.Mount) bool { return m.Point == "/" }) {
		c.checkDriver(root)
	}
	for _, l := range c.Wants.LUKS {
		if strings.HasPrefix(l.Where, "etc/crypttab") { // stage 2 opens it
			continue
		}
		c.needModule("dm_crypt", "the LUKS container "+printable.Quote(l.Name))
		program := "cryptsetup"
		if c.kind() == system.NixOSSystemd {
			program = "systemd-cryptsetup"
		}
		if k := c.kind(); k != system.UnknownInitrd && !c.Wants.Initrd.Programs[program] {
			c.add(fsTool, Error, Place{-1, System}, "", "the initial RAM disk has no %s, and stage 1 opens the LUKS container %s", program, printable.Quote(l.Name))
		}
	}
	c.checkDisks()
}

// fsType is the type of the file system that a mount finds; empty if that is unknown.
func (c *checker) fsType(m system.Mount) string {
	device := m.Device
	if device.Value == "/dev/root" || device.Kind == system.NoDevice {
		device = c.Wants.Root
	}
	if found := c.find(device); len(found) == 1 {
		if k := c.partition(found[0].at).FileSystem; k != nil {
			return k.MountType()
		}
	}
	if m.Type == "auto" {
		return ""
	}
	return m.Type
}

// checkDriver looks for the driver of a file system.
func (c *checker) checkDriver(m system.Mount) {
	t := c.fsType(m)
	switch t {
	case "", "none", "bind", "tmpfs", "ramfs", "proc", "sysfs", "devtmpfs", "devpts", "swap", "efivarfs":
		return
	}
	if m.Has("bind") || m.Has("rbind") || m.Device.Kind == system.Remote {
		return
	}
	module := t
	if as, ok := modules[t]; ok {
		module = as
	}
	what := printable.Name(m.Point)
	if m.Point == "/" {
		what = "the root"
	}
	c.needModule(module, fmt.Sprintf("%s (%s, %s)", what, printable.Name(t), m.Where))
	if m.Has("loop") {
		c.needModule("loop", what)
	}
	c.checkTool(t, m, what)
}

// needModule finds that a module is missing, or one that it needs.
func (c *checker) needModule(name, of string) {
	lacks, known := c.lacks[name]
	if !known {
		for _, module := range c.closure(name) {
			if !c.Wants.Initrd.Modules[module] && !c.Wants.BuiltIn[module] {
				lacks = append(lacks, module)
			}
		}
		if c.lacks == nil {
			c.lacks = map[string][]string{}
		}
		c.lacks[name] = lacks
	}
	if len(lacks) == 0 {
		return
	}
	s, unsure := Error, ""
	if c.Wants.BuiltIn == nil {
		s, unsure = Warning, "; ingot cannot tell what the kernel has built in"
	}
	if c.kind() == system.UnknownInitrd {
		s = Warning
	}
	c.add(fsDriver, s, Place{-1, System}, "", "the initial RAM disk lacks the kernel %s %s, which %s needs%s", plural("module", len(lacks)), grammar.And(lacks...), of, unsure)
}

func plural(noun string, n int) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}

// closure returns a module and those that it needs. What is built in needs nothing.
func (c *checker) closure(name string) []string {
	all, known := []string{name}, map[string]bool{name: true}
	for i := 0; i < len(all); i++ {
		if c.Wants.BuiltIn[all[i]] {
			continue
		}
		for _, needed := range c.Wants.Initrd.Needs[all[i]] {
			if !known[needed] {
				known[needed] = true
				all = append(all, needed)
			}
		}
	}
	return all
}

// checkTool looks for the program that NixOS's script checks a file system with: it stops where
// that is missing (checkFS in stage-1-init.sh). systemd goes on without.
func (c *checker) checkTool(t string, m system.Mount, what string) {
	if c.kind() != system.NixOSScripted || !c.needsDevice(m) || m.Type == "auto" && t == "" {
		return
	}
	switch t {
	case "ext2", "ext3", "ext4", "xfs", "f2fs", "jfs", "reiserfs":
		if c.Wants.Initrd.ChecksNone {
			return
		}
	case "vfat":
	default: // not checked
		return
	}
	for _, program := range []string{"fsck", "fsck." + t} {
		if !c.Wants.Initrd.Programs[program] {
			c.add(fsTool, Error, Place{-1, System}, "", "the initial RAM disk has no %s, and stage 1 checks %s (%s) before it mounts it", program, what, t)
			return
		}
	}
}

// buses are drivers that find disks, with the modules that they take together.
var buses = []struct {
	name    string
	modules []string
}{
	{"virtio", []string{"virtio_blk"}}, {"virtio", []string{"virtio_scsi", "sd_mod"}},
	{"SATA", []string{"ahci", "sd_mod"}}, {"NVMe", []string{"nvme"}}, {"IDE", []string{"ata_piix", "sd_mod"}},
	{"USB", []string{"usb_storage", "sd_mod"}}, {"USB", []string{"uas", "sd_mod"}}, {"SD cards", []string{"mmc_block"}},
	{"Xen", []string{"xen_blkfront"}}, {"Hyper-V", []string{"hv_storvsc", "sd_mod"}}, {"VMware", []string{"vmw_pvscsi", "sd_mod"}},
	{"SCSI", []string{"mptspi", "sd_mod"}}, {"SAS", []string{"mpt3sas", "sd_mod"}}, {"SAS", []string{"megaraid_sas", "sd_mod"}}, {"SATA", []string{"sata_nv", "sd_mod"}},
}

// checkDisks foretells that stage 1 finds no disk, or none of a virtual machine.
func (c *checker) checkDisks() {
	if c.Wants.BuiltIn == nil && len(c.Wants.Initrd.Modules) == 0 || c.onMedium() || c.kind() == system.UnknownInitrd {
		return
	}
	root, ok := c.root()
	if !ok || !c.needsDevice(root) {
		return
	}
	var has []string
	for _, b := range buses {
		if !slices.Contains(has, b.name) && !slices.ContainsFunc(b.modules, func(m string) bool { return !c.Wants.Initrd.Modules[m] && !c.Wants.BuiltIn[m] }) {
			has = append(has, b.name)
		}
	}
	switch {
	case len(has) == 0:
		c.add(diskDriver, Warning, Place{-1, System}, "", "the initial RAM disk has no driver for disks: neither virtio_blk nor ahci, nvme, sd_mod and others")
	case !slices.Contains(has, "virtio"):
		c.add(diskDriver, Warning, Place{-1, System}, "", "the initial RAM disk finds disks of %s, and not those of virtio, which QEMU and clouds have: it lacks virtio_blk", grammar.And(has...))
	}
}
