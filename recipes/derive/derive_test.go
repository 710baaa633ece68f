package derive

import (
	"strings"
	"testing"

	"ingot/bootloader"
	"ingot/bootloader/system"
	"ingot/recipes"
	"ingot/storedb"
)

const toplevel = "/nix/store/00000000000000000000000000000001-nixos-system-web-24.05"

// mount reads a line of fstab in short: DEVICE POINT TYPE OPTIONS.
func mount(t *testing.T, line string) system.Mount {
	t.Helper()
	f := strings.Fields(line)
	m := system.Mount{Point: f[1], Type: f[2], Early: f[1] == "/" || f[1] == "/nix"}
	if len(f) > 3 {
		m.Options = strings.Split(f[3], ",")
	}
	m.Device = system.Device{Kind: system.Virtual, Value: f[0]}
	if f[0] != "tmpfs" {
		var err error
		if m.Device, err = system.ParseDevice(f[0]); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// made derives the recipe of a NixOS system with an fstab.
func made(t *testing.T, fstab string, change func(*system.System, *system.Expectations, *Wishes)) *Recipe {
	t.Helper()
	s := &system.System{Path: toplevel, Flavour: storedb.Nix, Arch: "x86_64", Entry: bootloader.Entry{Title: "NixOS 24.05", Kernel: "/k"}}
	want := &system.Expectations{}
	for i, line := range strings.Split(strings.TrimSpace(fstab), "\n") {
		m := mount(t, line)
		m.Where = "etc/fstab:" + string(rune('1'+i))
		if m.Type == "swap" {
			m.Point = ""
			want.Swaps = append(want.Swaps, m)
			continue
		}
		want.Mounts = append(want.Mounts, m)
	}
	w := Wishes{Name: "web", Closures: []recipes.Closure{{Path: toplevel}}}
	if change != nil {
		change(s, want, &w)
	}
	r, err := System(s, want, w)
	if err != nil {
		t.Fatal(err)
	}
	again, err := System(s, want, w)
	if err != nil || string(again.Text) != string(r.Text) {
		t.Errorf("a second time, the recipe is another (%v):\n%s\n%s", err, r.Text, again.Text)
	}
	return r
}

// parts describes the partitions of a recipe, one a line.
func parts(t *testing.T, r *Recipe) (string, *recipes.Recipe) {
	t.Helper()
	recipe, err := recipes.Parse("derived", "/", r.Text, nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, r.Text)
	}
	var b strings.Builder
	for _, p := range recipe.Disk.Partitions {
		for _, word := range []string{p.Name, p.Type, p.Filesystem, "label=" + p.Label, "uuid=" + p.UUID, "guid=" + p.GUID, "mount=" + p.Mount, p.Size.Text, strings.Join(p.Flags, ","), p.Encrypt} {
			if word != "" && !strings.HasSuffix(word, "=") {
				b.WriteString(word + " ")
			}
		}
		if p.Contents.Store {
			b.WriteString("store ")
		}
		b.WriteString("\n")
	}
	return strings.ReplaceAll(strings.TrimSpace(b.String()), " \n", "\n"), recipe
}

// TestDisks: what fstab says decides table, partitions, labels, UUIDs and the place of the store.
func TestDisks(t *testing.T) {
	const bios, esp = "bios bios-boot 1MiB\n", "esp esp fat label=ESP fit+64MiB\n"
	for _, test := range []struct{ what, fstab, want string }{
		{"nixpkgs' own images", "LABEL=nixos / ext4\nLABEL=ESP /boot vfat",
			bios + "esp esp fat label=ESP mount=/boot fit+256MiB\nroot linux ext4 label=nixos fit+512MiB store"},
		{"no ESP", "/dev/disk/by-label/nixos / ext4", bios + esp + "root linux ext4 label=nixos fit+512MiB store"},
		{"UUIDs", "UUID=6b4f0b6e-6d57-4d1c-9a3e-0e9b2f5a7c11 / ext4\nUUID=12CE-A600 /boot vfat\nUUID=2b4f0b6e-6d57-4d1c-9a3e-0e9b2f5a7c12 none swap",
			bios + "esp esp fat uuid=12CE-A600 mount=/boot fit+256MiB\nswap swap swap uuid=2b4f0b6e-6d57-4d1c-9a3e-0e9b2f5a7c12 1GiB\nroot linux ext4 uuid=6b4f0b6e-6d57-4d1c-9a3e-0e9b2f5a7c11 fit+512MiB store"},
		{"names of partitions", "PARTLABEL=my-root / ext4\nPARTUUID=6b4f0b6e-6d57-4d1c-9a3e-0e9b2f5a7c11 /efi vfat",
			bios + "esp esp fat label=ESP guid=6b4f0b6e-6d57-4d1c-9a3e-0e9b2f5a7c11 mount=/efi fit+64MiB\nmy-root linux ext4 fit+512MiB store"},
		{"an MBR", "PARTUUID=1234abcd-02 / ext4\nPARTUUID=1234abcd-01 /boot vfat",
			"esp esp fat label=ESP mount=/boot fit+256MiB\nroot linux ext4 label=nixos fit+512MiB store"},
		{"/boot and an ESP", "LABEL=nixos / ext4\nLABEL=boot /boot ext4\nLABEL=EFI /boot/efi vfat",
			bios + "esp esp fat label=EFI mount=/boot/efi fit+64MiB\nboot linux ext4 label=boot mount=/boot fit+256MiB\nroot linux ext4 label=nixos fit+512MiB store"},
		{"names of devices", "/dev/vda1 / ext4\n/dev/vda3 /home ext4",
			"root linux ext4 label=nixos fit+512MiB store\nbios bios-boot 1MiB\nhome linux ext4 mount=/home 1GiB\n" + strings.TrimSpace(esp)},
		{"a store of its own, a root in memory", "tmpfs / tmpfs mode=755\nLABEL=nix /nix ext4\nLABEL=home /home ext4\nLABEL=ESP /boot vfat",
			bios + "esp esp fat label=ESP mount=/boot fit+256MiB\nhome linux ext4 label=home mount=/home 1GiB\nnix linux ext4 label=nix mount=/nix fit+512MiB store"},
		{"a store of its own", "LABEL=nixos / ext4\nLABEL=nix /nix/store ext4",
			bios + esp + "nix-store linux ext4 label=nix mount=/nix/store fit+512MiB store\nroot linux ext4 label=nixos mount=/ 1GiB"},
		{"growth", "LABEL=nixos / ext4 x-systemd.growfs\nLABEL=home /home ext4",
			bios + esp + "home linux ext4 label=home mount=/home 1GiB\nroot linux ext4 label=nixos fit+512MiB grow store"},
		{"what need not be there", "LABEL=nixos / ext4\nLABEL=stick /media ext4 nofail\n/persist/x /x none bind\n/swapfile none swap\ntmpfs /tmp tmpfs",
			bios + esp + "root linux ext4 label=nixos fit+512MiB store"},
		{"a disk at /iso", "LABEL=nixos / ext4\nLABEL=x /iso ext4",
			bios + esp + "iso linux ext4 label=x mount=/iso 1GiB\nroot linux ext4 label=nixos fit+512MiB store"},
		{"what stage 1 mounts is needed", "LABEL=nixos / ext4\nLABEL=nix /nix ext4 nofail",
			bios + esp + "nix linux ext4 label=nix mount=/nix fit+512MiB store\nroot linux ext4 label=nixos mount=/ 1GiB"},
		{"swap with a key of the moment", "LABEL=nixos / ext4\n/dev/mapper/dev-disk-by\\x2dpartlabel-my\\x2dswap x swap",
			bios + esp + "my-swap swap swap 1GiB\nroot linux ext4 label=nixos fit+512MiB store"},
		{"subvolumes", "LABEL=pool / btrfs subvol=@\nLABEL=pool /nix btrfs subvol=/@nix,compress=zstd\nLABEL=pool /home btrfs subvol=@home",
			bios + esp + "root linux btrfs label=pool fit+512MiB store"},
		{"names that are too long", "LABEL=nixos / ext4\nLABEL=a /a/very/long/name/that/no/table/can/hold/1 ext4\nLABEL=b /a/very/long/name/that/no/table/can/hold/2 ext4\nLABEL=c /" + strings.Repeat("🌳", 20) + " ext4",
			bios + esp + "a-very-long-name-that-no-table-can-h linux ext4 label=a mount=/a/very/long/name/that/no/table/can/hold/1 1GiB\n" +
				"a-very-long-name-that-no-table-can-2 linux ext4 label=b mount=/a/very/long/name/that/no/table/can/hold/2 1GiB\n" +
				strings.Repeat("🌳", 18) + " linux ext4 label=c mount=/" + strings.Repeat("🌳", 20) + " 1GiB\nroot linux ext4 label=nixos fit+512MiB store"},
		{"one name for several", "PARTLABEL=bios / ext4\nLABEL=ESP /data ext4\nLABEL=x /boot vfat", "bios2 bios-boot 1MiB\nesp esp fat label=x mount=/boot fit+256MiB\ndata linux ext4 label=ESP mount=/data 1GiB\nbios linux ext4 fit+512MiB store"},
	} {
		r := made(t, test.fstab, nil)
		if err := r.Err(); err != nil {
			t.Errorf("%s: refused: %v", test.what, err)
			continue
		}
		got, recipe := parts(t, r)
		if got != test.want {
			t.Errorf("%s:\n%s\nwant\n%s\n\n%s", test.what, got, test.want, r.Text)
		}
		if mbr := strings.Contains(test.fstab, "1234abcd"); mbr != (recipe.Disk.Table == "mbr") || mbr && recipe.Disk.Signature != "1234abcd" {
			t.Errorf("%s: the table is %s, its signature %q", test.what, recipe.Disk.Table, recipe.Disk.Signature)
		}
	}
}

// TestRefused: what ingot cannot make is refused with the line that says it, and left out.
func TestRefused(t *testing.T) {
	for _, test := range []struct{ what, fstab, want string }{
		{"ZFS", "tank/root / zfs\nLABEL=ESP /boot vfat", `etc/fstab:1: "/" is "zfs", a file system that ingot does not make (it makes `},
		{"LVM", "LABEL=nixos / ext4\n/dev/mapper/vg-data /data ext4", `etc/fstab:2: "/dev/mapper/vg-data" is no LUKS container that the initial RAM disk opens, but LVM`},
		{"LVM by its folder", "/dev/vg/root / ext4", `etc/fstab:1: "/dev/vg/root" looks like LVM`},
		{"a number of a subvolume", "LABEL=p / btrfs subvolid=257", `etc/fstab:1: "/" is the subvolume 257 of a btrfs, and ingot makes subvolumes by name: write subvol=NAME in place of subvolid=257`},
		{"a name that udev does not give", `/dev/disk/by-label/my!disk / ext4`, `etc/fstab:1: "/dev/disk/by-label/my!disk" is no name that udev gives: write "/dev/disk/by-label/my\\x21disk"`},
		{"RAID", "/dev/md0 / ext4", `etc/fstab:1: "/dev/md0" is a RAID`},
		{"bcachefs", "LABEL=nixos / bcachefs", `etc/fstab:1: "/" is "bcachefs"`},
		{"two disks", "/dev/sda1 / ext4\n/dev/sdb1 /data ext4", `etc/fstab:2: "/dev/sdb1" is on another disk than the partitions before it ("/dev/sda")`},
		{"a whole disk", "/dev/vda / ext4", `etc/fstab:1: "/dev/vda" is a whole disk`},
		{"two signatures", "PARTUUID=1234abcd-01 / ext4\nPARTUUID=1234abce-01 /x ext4", `etc/fstab:2: partition's GUID "1234abce-01" is on another disk than 1234abcd`},
		{"a gap", "/dev/vda9 / ext4", `partition 9 is named, and nothing is known of partition 3 before it`},
		{"a long label", "LABEL=nixos / ext4\nLABEL=a-label-too-long /boot vfat", `etc/fstab:2: no file system of this type can have what the system looks for: label "a-label-too-long"`},
		{"a UUID of another kind", "UUID=12CE-A600 / ext4", `etc/fstab:1: no file system of this type can have what the system looks for: uuid "12CE-A600" is not of the form`},
		{"no root", "LABEL=ESP /boot vfat", "has no etc/fstab with a root"},
		{"no place for the store", "tmpfs / tmpfs", "no file system of the system holds the store: none is mounted at /nix/store, /nix, /"},
	} {
		r := made(t, test.fstab, nil)
		if err := r.Err(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v; want %s", test.what, err, test.want)
		}
		if strings.Contains(err2(r), "\n") {
			t.Errorf("%s: the refusal has several lines: %v", test.what, r.Err())
		}
		if !strings.Contains(string(r.Text), "# MISSING: ") {
			t.Errorf("%s: the recipe does not say what it lacks:\n%s", test.what, r.Text)
		}
		if _, err := recipes.Parse("derived", "/", r.Text, nil); err != nil && test.what != "a gap" && test.what != "no place for the store" {
			t.Errorf("%s: the rest is no recipe: %v\n%s", test.what, err, r.Text)
		}
	}
}

func err2(r *Recipe) string {
	if err := r.Err(); err != nil {
		return err.Error()
	}
	return ""
}

// TestLive: a system that looks for a medium gets one, with the volume id that it looks for.
func TestLive(t *testing.T) {
	iso := "tmpfs / tmpfs\nLABEL=nixos-24.05 /iso iso9660\n/iso/nix-store.squashfs /nix/.ro-store squashfs loop"
	for _, test := range []struct{ what, fstab, format, want string }{
		{"systemd in the initrd", iso, "", "iso nixos-24.05 squashfs"},
		{"the format said", iso, "iso", "iso nixos-24.05 squashfs"},
		{"scripted", strings.Replace(iso, "LABEL=nixos-24.05", "/dev/root", 1), "", "iso by-argument squashfs"},
		{"netboot", "tmpfs / tmpfs\n../nix-store.squashfs /nix/.ro-store squashfs loop", "", "netboot"},
		{"kexec", "tmpfs / tmpfs\n../nix-store.squashfs /nix/.ro-store squashfs loop", "kexec", "kexec"},
		{"a disk's system", "LABEL=nixos / ext4", "iso", "iso nixos"},
	} {
		r := made(t, test.fstab, func(s *system.System, want *system.Expectations, w *Wishes) {
			w.Format = test.format
			want.Root = system.Device{Kind: system.ByLabel, Value: "by-argument"}
		})
		if err := r.Err(); err != nil {
			t.Errorf("%s: refused: %v", test.what, err)
			continue
		}
		_, recipe := parts(t, r)
		o := recipe.Output
		if got := strings.TrimSpace(o.Format + " " + o.Volume + " " + o.Store); got != test.want {
			t.Errorf("%s: output %s; want %s\n%s", test.what, got, test.want, r.Text)
		}
	}
	r := made(t, iso, func(_ *system.System, _ *system.Expectations, w *Wishes) { w.Format = "qcow2" })
	if err := r.Err(); err == nil || !strings.Contains(err.Error(), "etc/fstab:2: a live system, which starts from an image of the format iso, and not of the format qcow2") || r.Refused[0].Out != "give --format iso, or -o NAME.iso" {
		t.Errorf("a live system as a disk: %v", err)
	}
}

// TestLUKS: a root in a container is encrypted, whether fstab names the container or, as
// nixos-generate-config writes it, the file system in it.
func TestLUKS(t *testing.T) {
	for _, fstab := range []string{"/dev/mapper/cryptroot / ext4\nLABEL=ESP /boot vfat", "UUID=6b4f0b6e-6d57-4d1c-9a3e-0e9b2f5a7c11 / ext4\nLABEL=ESP /boot vfat", "LABEL=nixos / ext4\nLABEL=ESP /boot vfat"} {
		r := made(t, fstab, func(_ *system.System, want *system.Expectations, _ *Wishes) {
			want.LUKS = []system.LUKS{{Name: "cryptroot", Device: system.Device{Kind: system.ByPartLabel, Value: "secret"}, Where: "initrd"}}
		})
		got, recipe := parts(t, r)
		if !strings.Contains(got, "secret luks ext4 ") || !strings.Contains(got, "luks store") {
			t.Errorf("%s:\n%s", fstab, got)
		}
		if p := recipe.Disk.Partitions[2].Passphrase; p == nil || p.Environment != "PASSPHRASE" {
			t.Errorf("%s: the passphrase comes from %+v", fstab, p)
		}
	}
}

// TestLUKSByPath: containers that stage 1 opens by the partitions' numbers have these.
func TestLUKSByPath(t *testing.T) {
	opens := func(device string) func(*system.System, *system.Expectations, *Wishes) {
		return func(_ *system.System, want *system.Expectations, _ *Wishes) {
			d, err := system.ParseDevice(device)
			if err != nil {
				t.Fatal(err)
			}
			want.LUKS = []system.LUKS{{Name: "root", Device: d, Where: "initrd"}}
		}
	}
	const fstab = "/dev/mapper/root / ext4\nLABEL=ESP /boot vfat"
	for device, line := range map[string]int{"/dev/vda2": 1, "PARTUUID=1234abcd-02": 1} {
		got, _ := parts(t, made(t, fstab, opens(device)))
		if all := strings.Split(got, "\n"); !strings.HasPrefix(all[line], "root luks ext4 ") {
			t.Errorf("%s:\n%s", device, got)
		}
	}
	for device, want := range map[string]string{
		"LABEL=crypt": `initrd: the LUKS container "root" is found by the label "crypt", and ingot's containers have none`,
		"/dev/md0":    `initrd: "/dev/md0" is a RAID`,
	} {
		if err := made(t, fstab, opens(device)).Err(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", device, err)
		}
	}
}

// TestManyRefusals: an error lists some of them, and says how many more there are.
func TestManyRefusals(t *testing.T) {
	r := made(t, "LABEL=nixos / ext4\n"+strings.Repeat("/dev/md0 /x ext4\ntank/x /y zfs\n", 9), nil)
	if err := r.Err(); len(r.Refused) < 2 || err == nil {
		t.Fatalf("%v", err)
	}
	r.Refused = append(r.Refused, make([]Refusal, 4000)...)
	if err := r.Err().Error(); !strings.HasSuffix(err, "; and 3992 more") {
		t.Errorf("%s", err[max(0, len(err)-200):])
	}
}

// TestArchitectures: a PC starts by BIOS and UEFI, others by UEFI.
func TestArchitectures(t *testing.T) {
	for arch, want := range map[string]string{"x86_64": "bios efi", "": "bios efi", "aarch64": "efi", "i686": "bios"} {
		r := made(t, "LABEL=nixos / ext4\nLABEL=ESP /boot vfat", func(s *system.System, _ *system.Expectations, _ *Wishes) { s.Arch = arch })
		got, recipe := parts(t, r)
		if words := strings.Join(recipe.Bootloader.Loader.Firmware(), " "); words != want || strings.Contains(got, "bios-boot") != strings.Contains(want, "bios") {
			t.Errorf("%q: firmware %s; want %s\n%s", arch, words, want, got)
		}
	}
}

// TestVolumes: an output that is one file system has the partition with the store alone.
func TestVolumes(t *testing.T) {
	for format, want := range map[string]string{"ext4": "root linux ext4 label=nixos fit+512MiB store", "erofs": "root linux erofs label=nixos fit store"} {
		r := made(t, "LABEL=nixos / ext4\nLABEL=ESP /boot vfat", func(_ *system.System, _ *system.Expectations, w *Wishes) { w.Format = format })
		got, recipe := parts(t, r)
		if got = strings.Replace(got, "  ", " fit ", 1); !strings.HasPrefix(got, want[:len(want)-10]) || recipe.Output.Format != format || !recipe.Bootloader.Loader.IsZero() {
			t.Errorf("%s: %s; want %s\n%s", format, got, want, r.Text)
		}
	}
}

// TestOwnGRUB: a GRUB for one firmware makes a disk for that one, unless the system mounts an ESP.
func TestOwnGRUB(t *testing.T) {
	for _, test := range []struct{ firmware, want string }{
		{"bios", "bios bios-boot 1MiB\nroot linux ext4 label=nixos fit+512MiB store"},
		{"efi", "esp esp fat label=ESP fit+64MiB\nroot linux ext4 label=nixos fit+512MiB store"},
	} {
		r := made(t, "LABEL=nixos / ext4", func(_ *system.System, _ *system.Expectations, w *Wishes) {
			w.GRUB, w.Firmware = []string{"/nix/store/00000000000000000000000000000003-grub-2.12", "/other"}, []string{test.firmware}
		})
		got, recipe := parts(t, r)
		if words := strings.Join(recipe.Bootloader.Loader.Firmware(), " "); got != test.want || words != test.firmware || !strings.Contains(string(r.Text), "from: [/nix/store/00000000000000000000000000000003-grub-2.12, /other]") {
			t.Errorf("%s: firmware %s\n%s\n%s", test.firmware, words, got, r.Text)
		}
	}
}

// TestLoader: of the system's own boot loader, the timeout and the place of the ESP count, and one
// that is not GRUB is mentioned.
func TestLoader(t *testing.T) {
	seconds := 2
	r := made(t, "LABEL=nixos / ext4\nLABEL=boot /boot vfat\nLABEL=EFI /firmware vfat", func(s *system.System, _ *system.Expectations, _ *Wishes) {
		s.Loader = system.Loader{Name: "systemd-boot", EFI: true, ESP: "/firmware", Timeout: &seconds}
	})
	got, recipe := parts(t, r)
	if !strings.Contains(got, "esp esp fat label=EFI mount=/firmware") || recipe.Bootloader.Timeout == nil || *recipe.Bootloader.Timeout != 2 {
		t.Errorf("%s\n%s", got, r.Text)
	}
	if notes := strings.Join(r.Notes, "\n"); !strings.Contains(notes, "systemd-boot, and ingot installs GRUB: nixos-rebuild switch --install-bootloader") {
		t.Errorf("notes: %s", notes)
	}
}

// TestConsoles: the menu is on the consoles that the system names.
func TestConsoles(t *testing.T) {
	for args, want := range map[string]string{"": "ttyS0 tty0", "quiet console=tty1 console=ttyS1,9600n8 console=nonsense": "tty1 ttyS1,9600n8"} {
		r := made(t, "LABEL=nixos / ext4", func(s *system.System, _ *system.Expectations, _ *Wishes) { s.Entry.Arguments = strings.Fields(args) })
		if _, recipe := parts(t, r); strings.Join(recipe.Bootloader.Console, " ") != want {
			t.Errorf("%q: consoles %q; want %s", args, recipe.Bootloader.Console, want)
		}
	}
}

// TestSecretsAreNoted: a derived recipe says how it gets the secrets of the initial RAM disk.
func TestSecretsAreNoted(t *testing.T) {
	r := made(t, "LABEL=nixos / ext4", func(s *system.System, _ *system.Expectations, _ *Wishes) {
		s.Secrets, s.SecretFiles = "/x", []system.SecretFile{{Path: "/etc/key", Source: "/root/key"}}
	})
	if want := "initrd-secrets: {/etc/key: {file: key}}"; !strings.Contains(string(r.Text), want) {
		t.Errorf("the recipe has no %q:\n%s", want, r.Text)
	}
}

// TestForeignText: nothing that a system says becomes a part of the recipe's structure.
func TestForeignText(t *testing.T) {
	r := made(t, "LABEL=nixos / ext4", func(_ *system.System, want *system.Expectations, w *Wishes) {
		w.Name = "a b: [c]\n#d"
		want.Ignored = []string{"one\nname: two\x1b[2J"}
		want.Mounts[0].Device.Value = "x\"}\n- evil: 1 # no"
	})
	if _, err := recipes.Parse("derived", "/", r.Text, nil); err != nil {
		t.Errorf("Parse: %v\n%s", err, r.Text)
	}
	if err := r.Err(); err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "is not a text that a recipe can hold") {
		t.Errorf("a label of two lines: %v", err)
	}
	if strings.Contains(string(r.Text), "\nname: two") || strings.Contains(string(r.Text), "\x1b") {
		t.Errorf("foreign text is a line of its own:\n%s", r.Text)
	}
}
