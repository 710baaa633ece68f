package nixos

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// TestDerived derives the disks of systems whose fstabs name their file systems in every way, and
// has each judged: a derived disk is one that the system boots from, without a word of warning.
func TestDerived(t *testing.T) {
	parallel(t)
	b := newBuilder(t)
	fs := func(line string) FileSystem {
		f := strings.Fields(line)
		m := FileSystem{Point: f[1], Device: f[0], Type: f[2], Needed: f[1] == "/" || strings.HasPrefix(f[1], "/nix")}
		if len(f) > 3 {
			m.Options = strings.Split(f[3], ",")
		}
		return m
	}
	const uuid = "6b4f0b6e-6d57-4d1c-9a3e-0e9b2f5a7c1"
	for _, test := range []struct {
		what, fstab string
		swaps       []string
		more        []string // modules of the initial RAM disk
	}{
		{"a label", "/dev/disk/by-label/nixos / ext4", nil, nil},
		{"labels", "/dev/disk/by-label/system / ext4\n/dev/disk/by-label/EFI /boot vfat", []string{"/dev/disk/by-label/memory"}, nil},
		{"UUIDs", "/dev/disk/by-uuid/" + uuid + "1 / ext4\n/dev/disk/by-uuid/12CE-A600 /boot vfat", []string{"/dev/disk/by-uuid/" + uuid + "2"}, nil},
		{"names of partitions", "/dev/disk/by-partlabel/main / ext4\n/dev/disk/by-partlabel/firmware /efi vfat", []string{"/dev/disk/by-partlabel/memory"}, nil},
		{"GUIDs", "/dev/disk/by-partuuid/" + uuid + "3 / ext4\n/dev/disk/by-partuuid/" + uuid + "4 /boot vfat", nil, nil},
		{"an MBR", "/dev/disk/by-partuuid/1234abcd-02 / ext4\n/dev/disk/by-partuuid/1234abcd-01 /boot vfat", nil, nil},
		{"names of devices", "/dev/vda1 / ext4\n/dev/vda2 /boot vfat", nil, nil},
		{"/boot and an ESP", "/dev/disk/by-label/nixos / ext4\n/dev/disk/by-label/boot /boot ext4\n/dev/disk/by-label/ESP /boot/efi vfat", nil, nil},
		{"a root in memory", "tmpfs / tmpfs mode=755\n/dev/disk/by-label/nix /nix ext4\n/dev/disk/by-label/home /home ext4\n/dev/disk/by-label/ESP /boot vfat", nil, nil},
		{"a store of its own", "/dev/disk/by-label/nixos / ext4\n/dev/disk/by-label/nix /nix ext4\n/dev/disk/by-label/ESP /boot vfat", nil, nil},
		{"subvolumes", "/dev/disk/by-label/pool / btrfs subvol=@\n/dev/disk/by-label/pool /nix btrfs subvol=@nix,compress=zstd\n/dev/disk/by-label/pool /home btrfs subvol=@home\n/dev/disk/by-label/ESP /boot vfat", nil, []string{"btrfs"}},
		{"a root that grows", "/dev/disk/by-label/nixos / ext4 x-systemd.growfs\n/dev/disk/by-label/ESP /boot vfat\n/dev/disk/by-label/home /home ext4", nil, nil},
	} {
		for _, systemd := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, systemd %t", test.what, systemd), func(t *testing.T) {
				c := &Config{Label: "26.05.1", Systemd: systemd, Params: words, Swaps: test.swaps, Modules: append(test.more, loadable...)}
				for _, line := range strings.Split(test.fstab, "\n") {
					c.FileSystems = append(c.FileSystems, fs(line))
				}
				system := b.system(c)
				out, err := exec.Command(program, "plan", system, "--graph", b.Graph(system), "--from", b.Dir).CombinedOutput()
				said := strings.ReplaceAll(string(out), "warning: disk.partitions", "disk.partitions")
				if test.what != "names of devices" { // which are foretold to fail in other machines
					said = string(out)
				}
				if err != nil || strings.Contains(said, "warning: ") {
					t.Errorf("%v\n%s", err, out)
				}
			})
		}
	}
}
