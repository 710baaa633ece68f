package cases

import "strings"

// Recipe is that of a disk which fits [Default]: /boot is the ESP, and holds the kernels.
const Recipe = `name: web
system: ` + Toplevel + `
store: {closures: [{graph: graph, from: store}]}
disk:
  partitions:
    - {name: bios, type: bios-boot, size: 1MiB}
    - {name: esp, type: esp, filesystem: fat, label: ESP, mount: /boot, size: fit+8MiB}
    - {name: root, filesystem: ext4, label: nixos, size: fit+16MiB, contents: {store: true}}
    - {name: swap, type: swap, label: swap, size: 16MiB}
    - {name: data, filesystem: ext4, label: data, size: 16MiB}
bootloader: {grub: [bios], console: [ttyS0]}
`

// Volume is the volume id that [Live] looks for in the cases.
const Volume = "nixos-26.05-x86_64"

// ISO are the overrides of [Recipe] that make an ISO which fits [Live].
func ISO() []string {
	return []string{"output.format=iso", "output.store=squashfs", "output.volume=" + Volume}
}

// A Case is one way to get it wrong.
type Case struct {
	Name   string
	Config Config
	// Set are overrides of [Recipe], in the form of --set; Edit changes its text before.
	Set  []string
	Edit *strings.Replacer
	// Finding is the name of the finding in package lint. Warns means that it is a warning, and
	// not an error.
	Finding string
	Warns   bool
	// Says is part of the message, with the key.
	Says string
	// Boot is what the console says where the boot is forced, in stage 1 of either kind or in
	// stage 2; empty if the boot need not show it.
	Boot string
}

// with changes the default configuration.
func with(change func(c *Config)) Config {
	c := Default()
	change(&c)
	return c
}

func systemd(c Config) Config {
	c.Systemd = true
	return c
}

const (
	someUUID = "9b1f1ae0-7b5a-4f0a-8f0d-5a3c1b2d4e6f"
	timedOut = "Timed out waiting for device "
)

// All returns the cases.
func All() []Case {
	crypt := func(c *Config) {
		c.LUKS = []LUKS{{"crypt", "/dev/disk/by-partlabel/root"}}
		c.FileSystem("/").Device = "/dev/mapper/crypt"
	}
	encrypted := []string{"disk.partitions.root.encrypt=luks", "disk.partitions.root.passphrase.environment=INGOT_TEST_PASSPHRASE"}
	return []Case{
		{
			Name: "root label", Config: Default(), Set: []string{"disk.partitions.root.label=root"}, Finding: "root-label",
			Says: `disk.partitions[2].label: the system looks for its root by the label "nixos" (etc/fstab:4), and this file system has "root" (root-label); write label: nixos`,
			Boot: timedOut + "/dev/disk/by-label/nixos",
		},
		{
			Name: "root label, systemd in the initrd", Config: systemd(Default()), Set: []string{"disk.partitions.root.label=root"}, Finding: "root-label",
			Says: `disk.partitions[2].label: the system looks for its root by the label "nixos" (etc/fstab:4), and this file system has "root" (root-label); write label: nixos`,
			Boot: timedOut,
		},
		{
			Name: "no label", Config: Default(), Set: []string{"disk.partitions.root.label="}, Finding: "root-label",
			Says: `this file system has none (root-label); write label: nixos`, Boot: timedOut + "/dev/disk/by-label/nixos",
		},
		{
			Name: "label of another partition", Config: Default(), Set: []string{"disk.partitions.root.label=root", "disk.partitions.esp.label=nixos"}, Finding: "root-label",
			Says: `the system looks for its root by the label "nixos" (etc/fstab:4), which is that of partition esp, mounted at /boot (root-label); write label: nixos`,
		},
		{
			Name: "root UUID", Config: with(func(c *Config) { c.FileSystem("/").Device = "/dev/disk/by-uuid/" + someUUID }), Finding: "root-uuid",
			Says: `write uuid: '` + someUUID + `'`, Boot: timedOut + "/dev/disk/by-uuid/" + someUUID,
		},
		{
			Name: "root UUID in capitals", Config: with(func(c *Config) { c.FileSystem("/").Device = "UUID=" + strings.ToUpper(someUUID) }),
			Set: []string{"disk.partitions.root.uuid=" + someUUID}, Finding: "root-uuid",
			Says: `the links below /dev/disk have the case of the disk`,
		},
		{
			Name: "root GUID", Config: with(func(c *Config) { c.FileSystem("/").Device = "/dev/disk/by-partuuid/" + someUUID }), Finding: "root-partuuid",
			Says: `disk.partitions[2].guid: the system looks for its root by the partition's GUID "` + someUUID + `"`, Boot: timedOut + "/dev/disk/by-partuuid/" + someUUID,
		},
		{
			Name: "GUID of an MBR", Config: with(func(c *Config) { c.FileSystem("/").Device = "/dev/disk/by-partuuid/1234abcd-03" }), Finding: "root-partuuid",
			Says: `this disk's partition table has others`,
		},
		{
			Name: "root partition's name", Config: with(func(c *Config) { c.FileSystem("/").Device = "/dev/disk/by-partlabel/disk-main-root" }), Finding: "root-partlabel",
			Says: `disk.partitions[2].name: the system looks for its root by the partition's name "disk-main-root" (etc/fstab:4), and this partition has "root" (root-partlabel); write name: disk-main-root`,
			Boot: timedOut + "/dev/disk/by-partlabel/disk-main-root",
		},
		{
			Name: "no such partition", Config: with(func(c *Config) { c.FileSystem("/").Device = "/dev/vda9" }), Finding: "root-device",
			Says: `this disk has no partition 9`, Boot: timedOut + "/dev/vda9",
		},
		{
			Name: "partition of another file system", Config: with(func(c *Config) { c.FileSystem("/").Device = "/dev/vda2" }), Finding: "root-device",
			Says: `the system looks for its root by the path "/dev/vda2" (etc/fstab:4), which is mounted at /boot here: partition 3 is meant`,
		},
		{
			Name: "path", Config: with(func(c *Config) { c.FileSystem("/").Device = "/dev/vda3" }), Finding: "device-path", Warns: true,
			Says: `in a machine whose disks have other names it finds nothing`,
		},
		{
			Name: "root of another type", Config: with(func(c *Config) { c.FileSystem("/").Type = "btrfs"; c.Modules = append(c.Modules, "btrfs") }), Finding: "mount-type",
			Says: `disk.partitions[2].filesystem: the system mounts its root as btrfs (etc/fstab:4), which ingot makes in a virtual machine, and this file system is ext4 (mount-type); write filesystem: btrfs`,
			Boot: "mounting /dev/disk/by-label/nixos",
		},
		{
			Name: "root of ZFS", Config: with(func(c *Config) {
				*c.FileSystem("/") = FileSystem{Point: "/", Device: "rpool/root", Type: "zfs", Early: true}
				c.Modules = append(c.Modules, "zfs")
			}), Finding: "mount-type", Says: `as zfs, which ingot does not make`,
		},
		{
			Name: "label too long", Config: with(func(c *Config) { c.FileSystem("/").Device = "/dev/disk/by-label/the-root-of-the-web-server" }), Finding: "label-too-long",
			Says: `this file system cannot have it: label "the-root-of-the-web-server": 26 bytes long; ext4 holds at most 16`,
		},
		{
			Name: "no fstab", Config: with(func(c *Config) { c.NoFstab = true }), Finding: "fstab-missing", Says: `has no etc/fstab: NixOS mounts its root, /boot and swap by it`,
		},
		{
			Name: "two roots", Config: with(func(c *Config) { c.FileSystems = append(c.FileSystems, c.FileSystems[0]) }), Finding: "fstab-invalid", Says: `there is a second root`,
		},
		{
			Name: "no root", Config: with(func(c *Config) { c.FileSystems = c.FileSystems[1:] }), Finding: "root-missing", Says: `mounts no root: neither its etc/fstab nor root= names one`,
		},
		{
			Name: "boot label", Config: Default(), Set: []string{"disk.partitions.esp.label=EFI"}, Finding: "boot-missing",
			Says: `disk.partitions[1].label: the system looks for /boot by the label "ESP" (etc/fstab:5), and this file system has "EFI" (boot-missing); write label: ESP`,
			Boot: "emergency",
		},
		{
			Name: "no boot partition", Config: Default(), Edit: strings.NewReplacer("    - {name: esp, type: esp, filesystem: fat, label: ESP, mount: /boot, size: fit+8MiB}\n", ""), Finding: "boot-missing",
			Says: `disk: the system looks for /boot by the label "ESP" (etc/fstab:5), which no partition of this disk has: its start ends in the emergency shell`,
			Boot: "emergency",
		},
		{
			Name: "boot partition with nofail", Config: with(func(c *Config) { c.FileSystem("/boot").Options = []string{"nofail"} }), Set: []string{"disk.partitions.esp.label=EFI"}, Finding: "boot-missing", Warns: true,
			Says: `looks for /boot by the label "ESP"`,
		},
		{
			Name: "swap label", Config: Default(), Set: []string{"disk.partitions.swap.label=other"}, Finding: "swap-missing", Warns: true,
			Says: `disk.partitions[3].label: the system looks for swap by the label "swap" (etc/fstab:9), and this file system has "other"`,
		},
		{
			Name: "mount", Config: Default(), Set: []string{"disk.partitions.data.name=other"}, Finding: "mount-missing",
			Says: `disk.partitions[4].name: the system looks for /data by the partition's name "data" (etc/fstab:6), and this partition has "other" (mount-missing); write name: data`,
			Boot: "emergency",
		},
		{
			Name: "mount needed for boot", Config: with(func(c *Config) {
				c.FileSystems = append(c.FileSystems, FileSystem{Point: "/persist", Device: "/dev/disk/by-label/persist", Type: "xfs", Early: true})
				c.Modules = append(c.Modules, "xfs")
			}), Finding: "mount-missing", Says: `which no partition of this disk has: stage 1 stops there`, Boot: timedOut + "/dev/disk/by-label/persist",
		},
		{
			Name: "resume", Config: with(func(c *Config) { c.Resume = "/dev/disk/by-uuid/" + someUUID }), Finding: "resume-missing", Warns: true, Says: `by the UUID "` + someUUID + `"`,
		},
		{
			Name: "driver of the root", Config: with(func(c *Config) { c.Modules = Without(c.Modules, "ext4") }), Finding: "fs-driver",
			Says: `system: the initial RAM disk lacks the kernel module ext4, which the root (ext4, etc/fstab:4) needs`, Boot: "mounting /dev/disk/by-label/nixos",
		},
		{
			Name: "module that the driver needs", Config: with(func(c *Config) { c.Modules = Without(c.Modules, "jbd2", "mbcache") }), Finding: "fs-driver",
			Says: `lacks the kernel modules jbd2 and mbcache`,
		},
		{
			Name: "program that checks the root", Config: with(func(c *Config) { c.Programs = Without(c.Programs, "fsck.ext4") }), Finding: "fs-tool",
			Says: `the initial RAM disk has no fsck.ext4, and stage 1 checks the root (ext4) before it mounts it`, Boot: "fsck on /dev/disk/by-label/nixos failed",
		},
		{
			Name: "driver of disks", Config: with(func(c *Config) { c.Modules = Without(c.Modules, "virtio_blk", "virtio_scsi") }), Finding: "disk-driver", Warns: true,
			Says: `the initial RAM disk finds disks of SATA and NVMe, and not those of virtio`, Boot: timedOut + "/dev/disk/by-label/nixos",
		},
		{
			Name: "architecture", Config: with(func(c *Config) { c.Platform = "aarch64-linux" }), Finding: "kernel-arch",
			Says: `arch: ` + Toplevel + ` is a system for aarch64, and the image is for x86_64 (kernel-arch); write arch: aarch64`,
		},
		{
			Name: "no such container", Config: with(crypt), Finding: "luks-missing",
			Says: `disk.partitions[2].encrypt: stage 1 opens a LUKS container by the partition's name "root" as "crypt" (initrd:stage-1-init.sh), and this partition is not encrypted (luks-missing); write encrypt: luks`,
		},
		{
			Name: "UUID of a container", Config: with(func(c *Config) { crypt(c); c.LUKS[0].Device = "/dev/disk/by-uuid/" + someUUID }), Set: encrypted, Finding: "luks-missing",
			Says: `disk.partitions[2].luks-uuid: stage 1 opens a LUKS container by the UUID "` + someUUID + `"`, Boot: "/dev/disk/by-uuid/" + someUUID + " is unavailable",
		},
		{
			Name: "name of a container", Config: with(func(c *Config) { crypt(c); c.FileSystem("/").Device = "/dev/mapper/cryptroot" }), Set: encrypted, Finding: "luks-name",
			Says: `the system looks for its root by the path "/dev/mapper/cryptroot" (etc/fstab:4), and stage 1 opens "crypt"`, Boot: timedOut + "/dev/mapper/cryptroot",
		},
		{
			Name: "nobody opens the container", Config: Default(), Set: encrypted, Finding: "luks-closed",
			Says: `that its stage 1 does not open`, Boot: timedOut + "/dev/disk/by-label/nixos",
		},
		{
			Name: "program that opens the container", Config: systemd(with(func(c *Config) { crypt(c); c.Programs = Without(c.Programs, "systemd-cryptsetup") })), Set: encrypted, Finding: "fs-tool",
			Says: `the initial RAM disk has no systemd-cryptsetup`,
		},
		{
			Name: "volume id", Config: Live(Volume), Set: append(ISO(), "output.volume=web"), Finding: "volume-id",
			Says: `output.volume: the system looks for /iso by the label "` + Volume + `" (etc/fstab:5), and this ISO has "web" (volume-id); write volume: ` + Volume, Boot: timedOut + "/dev/root",
		},
		{
			Name: "volume id, systemd in the initrd", Config: systemd(live("/dev/disk/by-label/" + Volume)), Set: append(ISO(), "output.volume=web"), Finding: "volume-id",
			Says: `output.volume: the system looks for /iso by the label "` + Volume + `"`, Boot: timedOut,
		},
		{
			Name: "form of the store", Config: Live(Volume), Set: append(ISO(), "output.store=files"), Finding: "live-store",
			Says: `output.store: the system looks for /nix/.ro-store by the path "/iso/nix-store.squashfs" (etc/fstab:6), and the medium has its store as plain files (live-store); write store: squashfs`,
			Boot: "/iso/nix-store.squashfs",
		},
		{
			Name: "no live system", Config: Default(), Set: ISO(), Finding: "live-root",
			Says: `the system looks for its root by the label "nixos" (etc/fstab:4), and the image is an ISO`, Boot: timedOut + "/dev/disk/by-label/nixos",
		},
		{
			Name: "live system on a disk", Config: Live(Volume), Finding: "mount-missing", Says: `looks for /iso by the label`, Boot: timedOut + "/dev/root",
		},
		{
			Name: "driver of the store", Config: func() Config { c := Live(Volume); c.Modules = Without(c.Modules, "squashfs"); return c }(), Set: ISO(), Finding: "fs-driver",
			Says: `lacks the kernel module squashfs, which /nix/.ro-store (squashfs, etc/fstab:6) needs`,
		},
	}
}

// live is a live system that finds its medium by a device.
func live(device string) Config {
	c := Live(Volume)
	c.FileSystem("/iso").Device = device
	c.Parameters = c.Parameters[:len(c.Parameters)-1]
	return c
}
