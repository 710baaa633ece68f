package lint

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"ingot/bootloader"
	"ingot/bootloader/system"
	"ingot/image"
	"ingot/partition/filesystems"
	"ingot/storedb"
)

const (
	luks = "430e9eff-d852-4f68-aa3b-2fa3599ebe08"
	uuid = "9b1f1ae0-7b5a-4f0a-8f0d-5a3c1b2d4e6f"
)

// disk has an ESP, a root and swap.
func disk() Disk {
	return Disk{Arch: "x86_64", Partitions: []Partition{
		{Number: 1, Name: "esp", GUID: "1-1", Type: "esp", FileSystem: filesystems.Named("fat"), Label: "ESP", UUID: "ABCD-1234"},
		{Number: 2, Name: "root", GUID: "2-2", FileSystem: filesystems.Named("ext4"), Label: "nixos", UUID: uuid, MountPoints: []string{"/"}},
		{Number: 3, Name: "swap", GUID: "3-3", Type: "swap", FileSystem: filesystems.Named("swap"), Label: "swap", UUID: "s"},
	}}
}

// wants expects what fstab says, with an initial RAM disk that has everything.
func wants(t *testing.T, lines ...string) Checked {
	t.Helper()
	w := &system.Expectations{Initrd: &system.Initrd{Kind: system.NixOSScripted, Programs: map[string]bool{}, Modules: map[string]bool{}}, BuiltIn: map[string]bool{}}
	for _, p := range []string{"fsck", "fsck.ext4", "fsck.vfat", "cryptsetup"} {
		w.Initrd.Programs[p] = true
	}
	for _, m := range []string{"ext4", "vfat", "virtio_blk", "dm_crypt", "btrfs", "squashfs", "loop", "isofs"} {
		w.Initrd.Modules[m] = true
	}
	for i, line := range lines {
		f := strings.Fields(line)
		d, err := system.ParseDevice(f[0])
		if err != nil {
			t.Fatal(err)
		}
		m := system.Mount{Device: d, Point: f[1], Type: f[2], Where: fmt.Sprintf("etc/fstab:%d", i+1), Early: f[1] == "/"}
		if len(f) > 3 {
			m.Options = strings.Split(f[3], ",")
		}
		if f[2] == "tmpfs" {
			m.Device = system.Device{Kind: system.Virtual, Value: f[0]}
		}
		if m.Type == "swap" {
			m.Point = ""
			w.Swaps = append(w.Swaps, m)
			continue
		}
		w.Mounts = append(w.Mounts, m)
	}
	return Checked{System: &system.System{Path: "/nix/store/x", Flavour: storedb.Nix, Arch: "x86_64", Entry: bootloader.Entry{Initrd: []string{"/initrd"}}}, Wants: w}
}

// names are those of findings, with their severities and places.
func names(found []Finding) string {
	var all []string
	for _, f := range found {
		all = append(all, fmt.Sprintf("%s %s %d.%s=%s", f.Severity, f.Name, f.Place.Partition, f.Place.Field, f.Want))
	}
	return strings.Join(all, "; ")
}

const root = "LABEL=nixos / ext4"

func TestCheck(t *testing.T) {
	for _, c := range []struct {
		name   string
		lines  []string
		change func(*Checked, *Disk)
		want   string
	}{
		{"fits", []string{root, "UUID=ABCD-1234 /boot vfat", "PARTUUID=3-3 none swap"}, nil, ""},
		{"by other names", []string{"PARTLABEL=root / auto", "PARTUUID=1-1 /boot/efi vfat", "/swapfile none swap", "/dev/zram0 none swap"}, nil, ""},
		{"mounts without a disk", []string{root, "tmpfs /tmp tmpfs", "/persist/etc /etc none bind"}, nil, ""},
		{"PARTUUID in capitals, which no link has", []string{"PARTUUID=ABCD / ext4"}, func(_ *Checked, d *Disk) { d.Partitions[1].GUID = "abcd" }, "error root-partuuid 1.guid="},
		{"GUID in capitals", []string{"PARTUUID=abcd / ext4"}, func(_ *Checked, d *Disk) { d.Partitions[1].GUID = "ABCD" }, ""},
		{"link without udev's escapes", []string{"/dev/disk/by-label/my!root / ext4"}, func(_ *Checked, d *Disk) { d.Partitions[1].Label = "my!root" }, "error root-device -1.="},
		{"link with udev's escapes", []string{`/dev/disk/by-label/my\x21root / ext4`}, func(_ *Checked, d *Disk) { d.Partitions[1].Label = "my!root" }, ""},
		{"FAT's serial number in small letters", []string{root, "UUID=abcd-1234 /boot vfat"}, nil, "error boot-missing 0.uuid="},
		{"UUID that a FAT cannot have", []string{root, "UUID=" + uuid[:35] + "0 /boot vfat"}, nil, "error label-too-long 0.uuid="},
		{"options", []string{root, "LABEL=a /a ext4 nofail", "LABEL=b /b ext4 noauto", "LABEL=c /c ext4 x-systemd.automount", "LABEL=d /boot vfat noauto"}, nil,
			"note mount-missing -1.=; note mount-missing -1.=; warning mount-missing -1.=; warning boot-missing 0.label=d"},
		{"another disk", []string{root, "/dev/vdb1 /data ext4", "/dev/disk/by-id/x /more ext4", "/dev/vg/lv /lv ext4"}, nil,
			"warning device-path -1.=; warning device-path -1.=; warning device-path -1.="},
		{"one left", []string{root, "LABEL=home /home ext4"}, func(_ *Checked, d *Disk) {
			d.Partitions = append(d.Partitions, Partition{Number: 4, Name: "more", FileSystem: filesystems.Named("ext4"), Label: "more"})
		}, "error mount-missing 3.label=home"},
		{"a file system alone", []string{root, "LABEL=EFI /boot vfat", "LABEL=data /data ext4", "PARTLABEL=x /x ext4", "/dev/vda7 /y ext4", "LABEL=swap none swap"}, alone, "warning boot-missing -1.=; warning mount-missing -1.=; warning swap-missing -1.="},
		{"a file system alone of another label", []string{"LABEL=other / ext4"}, alone, "error root-label 0.label=other"},
		{"unknown contents", []string{"LABEL=other / ext4"}, func(_ *Checked, d *Disk) {
			d.Partitions[1] = Partition{Number: 2, Name: "root", Opaque: true}
		}, "warning root-label -1.="},
		{"two with the label", []string{root}, func(_ *Checked, d *Disk) { d.Partitions[0].Label = "nixos" }, "error duplicate-label 1.label="},
		{"two with the UUID", []string{"UUID=" + uuid + " / ext4"}, func(_ *Checked, d *Disk) { d.Partitions[0].UUID = uuid }, "error duplicate-uuid 1.uuid="},
		{"signature of an MBR", []string{"PARTUUID=1234abcd-02 / ext4"}, func(_ *Checked, d *Disk) { d.Partitions[1].GUID = "00000001-02" }, "error root-partuuid -1.signature=1234abcd"},
		{"swap of another type", []string{root, "LABEL=ESP none swap"}, nil, "warning mount-type 0.filesystem=swap"},
		{"no file system", []string{"PARTLABEL=root / ext4"}, func(_ *Checked, d *Disk) { d.Partitions[1].FileSystem = nil }, "error mount-type 1.filesystem=ext4"},
		{"ext4 is no ext3", []string{"LABEL=nixos / ext3"}, nil, "error mount-type 1.filesystem="},
		{"volume of LVM", []string{"/dev/mapper/vg-root / ext4"}, nil, "warning luks-name -1.="},
		{"a step makes it", []string{"rpool/root / zfs"}, func(c *Checked, d *Disk) { d.Changes = true; c.Wants.Initrd.Modules["zfs"] = true }, "warning mount-type -1.="},
		{"in a container", []string{"/dev/mapper/root / ext4"}, func(c *Checked, d *Disk) {
			d.Partitions[1].LUKS = luks
			c.Wants.LUKS = []system.LUKS{{Name: "root", Device: system.Device{Kind: system.ByUUID, Value: luks}}}
		}, ""},
		{"by the label in a container", []string{root}, func(c *Checked, d *Disk) {
			d.Partitions[1].LUKS = luks
			c.Wants.LUKS = []system.LUKS{{Name: "root", Device: system.Device{Kind: system.ByPartLabel, Value: "root"}}}
		}, ""},
		{"the container itself", []string{"UUID=" + luks + " / ext4"}, func(c *Checked, d *Disk) {
			d.Partitions[1].LUKS = luks
			c.Wants.LUKS = []system.LUKS{{Name: "root", Device: system.Device{Kind: system.ByUUID, Value: luks}}}
		}, "error luks-closed 1.encrypt="},
		{"a container in capitals", []string{"/dev/mapper/root / ext4"}, func(c *Checked, d *Disk) {
			d.Partitions[1].LUKS = luks
			c.Wants.LUKS = []system.LUKS{{Name: "root", Device: system.Device{Kind: system.ByUUID, Value: strings.ToUpper(luks)}}}
		}, "error luks-missing 1.luks-uuid="},
		{"another container", []string{"/dev/mapper/root / ext4"}, func(c *Checked, d *Disk) {
			d.Partitions[1].LUKS = luks
			c.Wants.LUKS = []system.LUKS{{Name: "root", Device: system.Device{Kind: system.ByUUID, Value: uuid[:35] + "0"}}}
		}, "error luks-missing 1.luks-uuid=" + uuid[:35] + "0"},
		{"built in", []string{root}, func(c *Checked, _ *Disk) { delete(c.Wants.Initrd.Modules, "ext4"); c.Wants.BuiltIn["ext4"] = true }, ""},
		{"built in with what it needs", []string{root}, func(c *Checked, _ *Disk) {
			delete(c.Wants.Initrd.Modules, "ext4")
			c.Wants.BuiltIn["ext4"], c.Wants.Initrd.Needs = true, map[string][]string{"ext4": {"jbd2"}}
		}, ""},
		{"built in or not", []string{root}, func(c *Checked, _ *Disk) { delete(c.Wants.Initrd.Modules, "ext4"); c.Wants.BuiltIn = nil }, "warning fs-driver -1.system="},
		{"no fsck for systemd", []string{root}, func(c *Checked, _ *Disk) {
			c.Wants.Initrd.Kind, c.Wants.Initrd.Programs = system.NixOSSystemd, nil
		}, ""},
		{"no fsck if nothing is checked", []string{root}, func(c *Checked, _ *Disk) {
			c.Wants.Initrd.ChecksNone, c.Wants.Initrd.Programs = true, nil
		}, ""},
		{"initial RAM disk of a distribution", []string{"LABEL=other / ext4"}, func(c *Checked, _ *Disk) { c.Wants.Initrd.Kind = system.UnknownInitrd }, "warning root-label 1.label=other"},
		{"initial RAM disk of ingot", []string{"LABEL=other / ext4"}, func(c *Checked, _ *Disk) { c.Wants.Initrd.Kind = system.IngotInitrd }, ""},
		{"no initial RAM disk", []string{root}, func(c *Checked, _ *Disk) {
			c.Wants.Initrd, c.System.Entry.Initrd, c.Arguments = nil, nil, []string{"root=PARTLABEL=root"}
		}, ""},
		{"no initial RAM disk, and another partition", []string{root}, func(c *Checked, _ *Disk) {
			c.Wants.Initrd, c.System.Entry.Initrd, c.Arguments = nil, nil, []string{"root=PARTUUID=9-9"}
		}, "warning root-partuuid -1.system="},
		{"no initial RAM disk to look for a label", []string{root}, func(c *Checked, _ *Disk) {
			c.Wants.Initrd, c.System.Entry.Initrd, c.Arguments = nil, nil, []string{"root=LABEL=nixos"}
		}, "warning root-label -1.system="},
		{"no initial RAM disk, and root= as ingot writes it", []string{root}, func(c *Checked, _ *Disk) { c.Wants.Initrd, c.System.Entry.Initrd = nil, nil }, "warning root-uuid -1.system="},
		{"unread", []string{root}, func(c *Checked, _ *Disk) { c.Wants.Initrd, c.Wants.Unread = nil, fmt.Errorf("LZO") }, "warning initrd-unread -1.system="},
		{"gpt-auto", nil, func(c *Checked, d *Disk) { c.Arguments, d.Partitions[1].Type = []string{"root=gpt-auto"}, "root" }, ""},
		{"gpt-auto without the type", nil, func(c *Checked, _ *Disk) { c.Arguments = []string{"root=gpt-auto"} }, "error root-missing -1.="},
		{"no fstab, no NixOS", nil, func(c *Checked, _ *Disk) { c.Err, c.Wants = system.ErrNoFstab, nil }, "warning fstab-missing -1.system="},
		{"no fstab", nil, func(c *Checked, _ *Disk) { c.Err, c.Wants, c.HasEtc = system.ErrNoFstab, nil, true }, "error fstab-missing -1.system="},
		{"no fstab and an initial RAM disk of its own", nil, func(c *Checked, _ *Disk) {
			c.Err, c.HasEtc, c.Wants.Initrd.Kind = system.ErrNoFstab, true, system.UnknownInitrd
		}, "warning fstab-missing -1.system="},
		{"no fstab and NixOS's stage 1", nil, func(c *Checked, _ *Disk) { c.Err = system.ErrNoFstab }, "error fstab-missing -1.system="},
		{"32 bit", []string{root}, func(c *Checked, _ *Disk) { c.System.Arch = "i686" }, ""},
		{"resume", []string{root, "LABEL=swap none swap"}, func(c *Checked, _ *Disk) { c.Arguments = []string{"resume=LABEL=other"} }, "warning resume-missing 2.label=other"},
		{"ISO", []string{"tmpfs / tmpfs", "LABEL=live /iso iso9660", "/iso/nix-store.squashfs /nix/.ro-store squashfs loop"}, iso, ""},
		{"ISO by UUID", []string{"tmpfs / tmpfs", "UUID=2026-01-01-00-00-00-00 /iso iso9660"}, iso, "error volume-id -1.uuid=2026-01-01-00-00-00-00; error live-store -1.store=files"},
		{"disk system on an ISO of its root's label", []string{"LABEL=live / ext4"}, iso, "error live-root -1.system="},
		{"subvolumes", []string{"LABEL=nixos / btrfs subvol=/@", "LABEL=nixos /home btrfs subvol=home", "LABEL=nixos /top btrfs subvol=/"}, func(_ *Checked, d *Disk) {
			d.Partitions[1].FileSystem, d.Partitions[1].Subvolumes, d.Partitions[1].MountPoints = filesystems.Named("btrfs"), []string{"@"}, []string{"/", "/home", "/top"}
		}, "error subvol-missing 1.subvolumes="},
		{"network", []string{"tmpfs / tmpfs", "../nix-store.squashfs /nix/.ro-store squashfs loop"}, func(c *Checked, d *Disk) {
			*d = Disk{Netboot: true, Look: func(string) *image.Node { return image.NewFile(0o444, nil) }}
		}, ""},
		{"disk system by network", []string{root}, func(c *Checked, d *Disk) { *d = Disk{Netboot: true} }, "error live-root -1.system="},
	} {
		checked, d := wants(t, c.lines...), disk()
		for i := range checked.Wants.Mounts {
			if m := &checked.Wants.Mounts[i]; strings.HasPrefix(m.Point, "/iso") || strings.HasPrefix(m.Point, "/nix") {
				m.Early = true
			}
			if m := &checked.Wants.Mounts[i]; slices.Contains(m.Options, "bind") {
				m.Device.Kind = system.Virtual
			}
		}
		if c.change != nil {
			c.change(&checked, &d)
		}
		found := Check([]Checked{checked, checked}, d) // what is wrong with both is said once
		if got := names(found); got != c.want {
			t.Errorf("%s: %s; want %s", c.name, got, c.want)
			for _, f := range found {
				t.Log(f.What)
			}
		}
		for _, f := range found {
			if _, ok := RuleNamed(f.Name); !ok || f.What == "" || strings.Contains(f.What, "\n") {
				t.Errorf("%s: %+v", c.name, f)
			}
		}
	}
}

// iso makes the disk an ISO of the label live, with a packed store.
func iso(_ *Checked, d *Disk) {
	*d = Disk{ISO: &Partition{FileSystem: filesystems.Named("iso9660"), Label: "live", UUID: "2025-01-01-00-00-00-00", Look: func(name string) *image.Node {
		if name == "/nix-store.squashfs" {
			return image.NewFile(0o444, nil)
		}
		return nil
	}}}
}

// alone leaves the root's file system, without a table.
func alone(_ *Checked, d *Disk) { *d = Disk{Alone: true, Partitions: d.Partitions[1:2]} }

func TestPartitionNumber(t *testing.T) {
	for name, want := range map[string]string{
		"/dev/vda2": "2 true", "/dev/sdb1": "1 false", "/dev/nvme0n1p3": "3 true", "/dev/nvme1n1p3": "3 false", "/dev/mmcblk0p1": "1 true",
		"/dev/vda": "0 false", "/dev/mapper/x1": "0 false", "/dev/sr0": "0 false", "/dev/disk/by-id/x1": "0 false", "/vda1": "0 false", "/dev/sdaa12": "12 false",
		"/dev/vda99999999999999999999": "0 false",
	} {
		n, first := partitionNumber(name)
		if got := fmt.Sprint(n, first); got != want {
			t.Errorf("partitionNumber(%s) = %s; want %s", name, got, want)
		}
	}
}
