package system

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestParseFstab(t *testing.T) {
	mounts, swaps, err := parseFstab("etc/fstab", `# This is a generated file.

/dev/disk/by-label/nixos / ext4 x-initrd.mount,x-systemd.growfs 0 1
LABEL=ESP /boot vfat defaults,nofail 0 2
/dev/disk/by-label/my\x20data /srv/my\040data btrfs subvol=@data,noauto 0 0
UUID="1234-ABCD"	/efi	vfat
PARTLABEL=var /var auto
/dev/disk/by-partuuid/2a5b0c66-01 /persist xfs x-initrd.mount 0 0
tmpfs /tmp tmpfs size=50% 0 0
/srv/my\040data /home none bind 0 0
server:/export /nfs nfs4 _netdev 0 0
/dev/disk/by-label/swap none swap pri=1
/var/swapfile none swap
`)
	if err != nil {
		t.Fatal(err)
	}
	want := []Mount{
		{Device{ByLabel, "nixos"}, "/", "ext4", []string{"x-initrd.mount", "x-systemd.growfs"}, true, "etc/fstab:3"},
		{Device{ByLabel, "ESP"}, "/boot", "vfat", []string{"nofail"}, false, "etc/fstab:4"},
		{Device{ByLabel, "my data"}, "/srv/my data", "btrfs", []string{"subvol=@data", "noauto"}, false, "etc/fstab:5"},
		{Device{ByUUID, "1234-ABCD"}, "/efi", "vfat", nil, false, "etc/fstab:6"},
		{Device{ByPartLabel, "var"}, "/var", "auto", nil, true, "etc/fstab:7"},
		{Device{ByPartUUID, "2a5b0c66-01"}, "/persist", "xfs", []string{"x-initrd.mount"}, true, "etc/fstab:8"},
		{Device{Virtual, "tmpfs"}, "/tmp", "tmpfs", []string{"size=50%"}, false, "etc/fstab:9"},
		{Device{Virtual, "/srv/my data"}, "/home", "none", []string{"bind"}, false, "etc/fstab:10"},
		{Device{Remote, "server:/export"}, "/nfs", "nfs4", []string{"_netdev"}, false, "etc/fstab:11"},
	}
	for i := range want {
		if i >= len(mounts) || !reflect.DeepEqual(mounts[i], want[i]) {
			t.Errorf("mounts = %+v; want %+v at %d", mounts, want[i], i)
			break
		}
	}
	wantSwaps := []Mount{
		{Device{ByLabel, "swap"}, "", "swap", []string{"pri=1"}, false, "etc/fstab:12"},
		{Device{ByPath, "/var/swapfile"}, "", "swap", nil, false, "etc/fstab:13"},
	}
	if !reflect.DeepEqual(swaps, wantSwaps) {
		t.Errorf("swaps = %+v; want %+v", swaps, wantSwaps)
	}
	if value, ok := mounts[2].Option("subvol"); !ok || value != "@data" {
		t.Errorf("Option(subvol) = %q, %v; want @data", value, ok)
	}
}

func TestFstabRefusals(t *testing.T) {
	for text, want := range map[string]string{
		"\n/dev/sda1 / ext4\n\nLABEL=b / ext4":          "etc/fstab:4: there is a second root: etc/fstab:2 has one already",
		"/dev/sda1 /":                                   "etc/fstab:1: it has 2 fields",
		"/dev/sda1 boot vfat":                           `the mount point "boot" is not an absolute path`,
		"LABEL= / ext4":                                 `"LABEL=" names no device`,
		"/dev/disk/by-uuid/ / ext4":                     "", // a path like others
		strings.Repeat("tmpfs /t tmpfs\n", 1+maxMounts): "etc/fstab:4097: more than 4096 file systems",
	} {
		_, _, err := parseFstab("etc/fstab", text)
		if want == "" && err == nil {
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("parseFstab(%.40q): %v; want an error with %q", text, err, want)
		}
	}
}

// TestExpects finds fstab behind symlinks, as NixOS has it, and says so if there is none.
func TestExpects(t *testing.T) {
	files := nixFiles()
	files["/nix/store/top/etc"] = "-> /nix/store/e-etc/etc"
	files["/nix/store/e-etc/etc/fstab"] = "-> /nix/store/f-fstab"
	files["/nix/store/f-fstab"] = "LABEL=nixos / ext4\n"
	look := tree(t, files).Lookup
	s, err := Read(look, "/nix/store/top")
	if err != nil {
		t.Fatal(err)
	}
	want, err := s.Expects(look)
	if err != nil || len(want.Mounts) != 1 || want.Mounts[0].Device != (Device{ByLabel, "nixos"}) {
		t.Errorf("Expects() = %+v, %v; want the root by its label", want, err)
	}
	delete(files, "/nix/store/e-etc/etc/fstab")
	if _, err := s.Expects(tree(t, files).Lookup); !errors.Is(err, ErrNoFstab) {
		t.Errorf("Expects() without fstab: %v; want ErrNoFstab", err)
	}
}

func FuzzFstab(f *testing.F) {
	f.Add("LABEL=nixos / ext4 x-initrd.mount 0 1\n# c\n/dev/disk/by-label/a\\x20b /a\\040b auto\nUUID=1 none swap pri=1\n")
	f.Add("PARTUUID=a-01 /var btrfs subvol=a,noauto\n/x\\134 /y none bind")
	f.Add("data UUID=34 none x-initrd.attach\n#\nswap /dev/sda9 /dev/urandom swap\n")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := parseCrypttab("f", text); err != nil && !strings.HasPrefix(err.Error(), "f:") {
			t.Errorf("the error names no line: %v", err)
		}
		mounts, swaps, err := parseFstab("f", text)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "f:") {
				t.Errorf("the error names no line: %v", err)
			}
			return
		}
		for _, m := range append(mounts, swaps...) {
			if m.Device.Kind == NoDevice || m.Where == "" || (m.Point == "") != (m.Type == "swap") {
				t.Errorf("parseFstab(%q) has %+v", text, m)
			}
		}
	})
}

// TestWords reads the devices that the kernel's arguments and crypttab name.
func TestWords(t *testing.T) {
	files := nixFiles()
	files["/nix/store/top/kernel-params"] = "root=LABEL=x resume=/dev/disk/by-uuid/1-2 rd.luks.uuid=luks-12 rd.luks.name=34=data"
	files["/nix/store/top/etc/fstab"] = ""
	files["/nix/store/top/etc/crypttab"] = "# c\ndata UUID=34 none\nsecret\tPARTLABEL=s - x-initrd.attach\nswap /dev/sda9 /dev/urandom swap\n"
	look := tree(t, files).Lookup
	s, err := Read(look, "/nix/store/top")
	if err != nil {
		t.Fatal(err)
	}
	want, err := s.Expects(look)
	if err != nil {
		t.Fatal(err)
	}
	luks := []LUKS{
		{"luks-12", Device{ByUUID, "12"}, "kernel argument rd.luks.uuid"}, {"data", Device{ByUUID, "34"}, "kernel argument rd.luks.name"},
		{"secret", Device{ByPartLabel, "s"}, "etc/crypttab:3"},
	}
	if want.Root != (Device{ByLabel, "x"}) || want.Resume != (Device{ByUUID, "1-2"}) || !reflect.DeepEqual(want.LUKS, luks) {
		t.Errorf("Expects() = %+v; want LUKS %+v", want, luks)
	}
	files["/nix/store/top/etc/crypttab"] = "a b\nc\n"
	if _, err := s.Expects(tree(t, files).Lookup); err == nil || !strings.Contains(err.Error(), "etc/crypttab:2: it has one field") {
		t.Errorf("a line of one field: %v", err)
	}
}

func TestPartOfDisk(t *testing.T) {
	for name, want := range map[string]string{
		"/dev/vda2": "vda 2 true", "/dev/xvdb1": "xvdb 1 true", "/dev/nvme0n1p3": "nvme0n1 3 true", "/dev/mmcblk0p12": "mmcblk0 12 true", "/dev//sda1": "sda 1 true",
		"/dev/vda": " 0 false", "/dev/vda0": "vda 0 false", "/dev/nvme0n1": " 0 false", "/dev/mapper/x1": " 0 false", "vda1": " 0 false", "/dev/sr0": " 0 false",
	} {
		disk, number, ok := PartOfDisk(name)
		if got := fmt.Sprint(disk, " ", number, " ", ok); got != want {
			t.Errorf("PartOfDisk(%s) = %s; want %s", name, got, want)
		}
	}
}

func TestPartOfMBR(t *testing.T) {
	for id, want := range map[string]string{
		"1234abcd-01": "1234abcd 1 true", "1234ABCD-0f": "1234ABCD 15 true", "1c5cd1ef-43a5-4b2b-9c5b-8b1a6fbb4c1b": " 0 false", "1234abcx-01": " 0 false", "": " 0 false",
	} {
		signature, number, ok := PartOfMBR(id)
		if got := fmt.Sprint(signature, " ", number, " ", ok); got != want {
			t.Errorf("PartOfMBR(%q) = %s; want %s", id, got, want)
		}
	}
}

// TestUdevLink: a path below /dev/disk that udev does not make is no label.
func TestUdevLink(t *testing.T) {
	for name, want := range map[string]string{
		"/dev/disk/by-label/nixos": "", `/dev/disk/by-label/my\x20disk`: "", "/dev/disk/by-label/größe#1": "", "/dev/vda1": "", "/dev/disk/by-id/A B": "",
		"/dev/disk/by-label/my disk":       `/dev/disk/by-label/my\x20disk`,
		`/dev/disk/by-label/a\x2Fb`:        `/dev/disk/by-label/a\x2fb`,
		`/dev/disk/by-label/a\x41`:         "/dev/disk/by-label/aA",
		"/dev/disk/by-label/a\xff":         `/dev/disk/by-label/a\xff`,
		"/dev/disk/by-partuuid/1234ABCD-1": "/dev/disk/by-partuuid/1234abcd-1",
		"/dev/disk/by-uuid/ABCD-1234":      "",
	} {
		if got := UdevLink(name); got != want {
			t.Errorf("%q: %q; want %q", name, got, want)
		}
		d, err := ParseDevice(name)
		if by := d.Kind != ByPath; err != nil || want != "" && by {
			t.Errorf("%q: %v, %v", name, d, err)
		}
	}
}

// TestFUSE: what a program mounts needs no device, unless it names one.
func TestFUSE(t *testing.T) {
	for line, want := range map[string]DeviceKind{"pool /x fuse.mergerfs": Remote, "s3fs#bucket /x fuse": Remote, "/dev/sda1 /x fuse.exfat": ByPath, "LABEL=x /x fuseblk": ByLabel, "x /x autofs": Virtual} {
		m, _, err := parseMount(line)
		if err != nil || m.Device.Kind != want {
			t.Errorf("%s: %v, %v", line, m, err)
		}
	}
}

// TestMountPointTooLong: no kernel mounts at a path of more than 4095 bytes.
func TestMountPointTooLong(t *testing.T) {
	for point, bad := range map[string]bool{strings.Repeat("/a", 2047): false, strings.Repeat("/a", 2048): true, "/" + strings.Repeat("a", 256): true} {
		_, _, err := parseMount("LABEL=x " + point + " ext4")
		if (err != nil) != bad || bad && !strings.Contains(err.Error(), "is too long: Linux takes paths of 4095 bytes") {
			t.Errorf("%d bytes: %v", len(point), err)
		}
	}
}
