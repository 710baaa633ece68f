package system

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"ingot/bootloader/initramfs"
	"ingot/image"
)

// packed is an initial RAM disk with these files.
func packed(t testing.TB, files map[string]string) string {
	t.Helper()
	b, err := initramfs.Pack(tree(t, files), initramfs.Zstd)
	must(t, err)
	data, err := image.ReadAll(b)
	must(t, err)
	return string(data)
}

// stage1 reads what a system with an initial RAM disk and an fstab expects.
func stage1(t testing.TB, fstab string, initrd, more map[string]string) *Expectations {
	t.Helper()
	files := nixFiles()
	files["/nix/store/top/etc"] = "-> /nix/store/e-etc"
	files["/nix/store/e-etc/fstab"] = fstab
	files["/nix/store/i-initrd/initrd"] = packed(t, initrd)
	maps.Copy(files, more)
	of := tree(t, files)
	s, err := Read(of.Lookup, "/nix/store/top")
	must(t, err)
	want, err := s.Expects(of.Lookup)
	must(t, err)
	must(t, want.Unread)
	return want
}

const hash = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-"

// scripted is an initial RAM disk that is laid out as NixOS's scripted ones.
func scripted() map[string]string {
	return map[string]string{
		"/init":                            "-> " + hash + "stage-1-init.sh",
		hash + "stage-1-init.sh":           "#! " + hash + "extra-utils/bin/ash\necho \"<<< NixOS Stage 1 >>>\"\n    cryptsetup luksOpen /dev/disk/by-uuid/430e9eff-d852-4f68-aa3b-2fa3599ebe08 crypt --allow-discards\n    echo \"$passphrase\" | cryptsetup luksOpen /dev/disk/by-uuid/430e9eff-d852-4f68-aa3b-2fa3599ebe08 crypt --key-file=-\n        resumeDev=\"/dev/disk/by-label/swap\"\nexec 3< " + hash + "initrd-fsinfo\n",
		hash + "initrd-fsinfo":             "/\n/dev/disk/by-label/nix\\x20os\next4\nx-initrd.mount,defaults\n/nix/store\n/dev/mapper/crypt\nbtrfs\nsubvol=store",
		hash + "extra-utils/bin/fsck.ext4": "-> e2fsck",
		hash + "extra-utils/bin/e2fsck":    "ELF",
		hash + "linux-6.6-modules/lib/modules/6.6/kernel/fs/ext4/ext4.ko.xz":    "",
		hash + "linux-6.6-modules/lib/modules/6.6/kernel/drivers/virtio-blk.ko": "",
		hash + "linux-6.6-modules/lib/modules/6.6/modules.dep":                  "kernel/fs/ext4/ext4.ko.xz: kernel/fs/jbd2/jbd2.ko.xz kernel/lib/crc16.ko.xz\n",
	}
}

func mounts(want *Expectations) string {
	var lines []string
	for _, m := range want.Mounts {
		early := ""
		if m.Early {
			early = " early"
		}
		lines = append(lines, fmt.Sprintf("%s %s %s%s (%s)", m.Point, m.Device, m.Type, early, m.Where))
	}
	return strings.Join(lines, "\n")
}

func TestScriptedStage1(t *testing.T) {
	want := stage1(t, "/dev/disk/by-label/nix\\x20os / ext4 x-initrd.mount 0 1\n/dev/disk/by-label/ESP /boot vfat defaults 0 2\n/dev/disk/by-label/var /var ext4 defaults 0 2\n", scripted(),
		map[string]string{
			"/nix/store/top/kernel-modules":                        "-> /nix/store/m-modules",
			"/nix/store/m-modules/lib/modules/6.6/modules.builtin": "kernel/fs/squashfs/squashfs.ko\nkernel/drivers/virtio/virtio-pci.ko\n",
		})
	if got, want := mounts(want), strings.Join([]string{
		"/nix/store /dev/mapper/crypt btrfs early (initrd:initrd-fsinfo:5)",
		"/ LABEL=nix os ext4 early (etc/fstab:1)",
		"/boot LABEL=ESP vfat (etc/fstab:2)",
		"/var LABEL=var ext4 (etc/fstab:3)",
	}, "\n"); got != want {
		t.Errorf("mounts:\n%s\nwant\n%s", got, want)
	}
	i := want.Initrd
	if i.Kind != NixOSScripted || !i.Modules["ext4"] || !i.Modules["virtio_blk"] || !i.Programs["fsck.ext4"] || i.Compression != "zstd" || i.ChecksNone {
		t.Errorf("initrd %+v", i)
	}
	if got := i.Needs["ext4"]; !slices.Equal(got, []string{"jbd2", "crc16"}) {
		t.Errorf("ext4 needs %q", got)
	}
	if !want.BuiltIn["squashfs"] || !want.BuiltIn["virtio_pci"] || len(want.BuiltIn) != 2 {
		t.Errorf("built in: %v", want.BuiltIn)
	}
	if got := fmt.Sprint(want.LUKS); got != "[{crypt UUID=430e9eff-d852-4f68-aa3b-2fa3599ebe08 initrd:stage-1-init.sh}]" {
		t.Errorf("LUKS %s", got)
	}
	if want.Resume != (Device{ByLabel, "swap"}) {
		t.Errorf("resume %v", want.Resume)
	}
}

func TestSystemdStage1(t *testing.T) {
	want := stage1(t, "/dev/disk/by-label/other / ext4 defaults 0 1\n", map[string]string{
		"/init":                                  "-> " + hash + "systemd-257/lib/systemd/systemd",
		hash + "systemd-257/lib/systemd/systemd": "\x7fELF",
		"/etc/systemd/system.conf":               "[Manager]\nManagerEnvironment=PATH=/bin:/sbin SYSTEMD_SYSROOT_FSTAB=" + hash + "initrd-fstab\n",
		"/etc/systemd/system":                    "-> " + hash + "initrd-units",
		hash + "initrd-units/initrd-find-nixos-closure.service": "[Service]\n",
		hash + "initrd-units/sysroot-persist.mount":             "[Mount]\nWhat=PARTLABEL=persist\nWhere=/sysroot/persist\nType=ext4\n",
		hash + "initrd-units/sysroot-run.mount":                 "[Mount]\nWhat=/run\nWhere=/sysroot/run\nOptions=bind\n",
		hash + "initrd-fstab":                                   "/dev/disk/by-label/nixos / ext4 x-initrd.mount 0 1\n/dev/disk/by-label/NIXOS\\x20ISO /iso auto x-initrd.mount 0 0\n/sysroot/iso/nix-store.squashfs /nix/.ro-store squashfs loop,x-initrd.mount 0 0\n",
		"/etc/crypttab":                                         "root PARTUUID=1c5cd1ef-43a5-4b2b-9c5b-8b1a6fbb4c1b - discard\n",
		"/bin/systemd-cryptsetup":                               "-> x",
	}, nil)
	if got, want := mounts(want), strings.Join([]string{
		"/ LABEL=nixos ext4 early (initrd:initrd-fstab:1)",
		"/iso LABEL=NIXOS ISO auto early (initrd:initrd-fstab:2)",
		"/nix/.ro-store /iso/nix-store.squashfs squashfs early (initrd:initrd-fstab:3)",
		"/persist PARTLABEL=persist ext4 early (initrd:sysroot-persist.mount)",
		"/run /run  early (initrd:sysroot-run.mount)",
	}, "\n"); got != want {
		t.Errorf("mounts:\n%s\nwant\n%s", got, want)
	}
	if want.Initrd.Kind != NixOSSystemd || !want.Initrd.Programs["systemd-cryptsetup"] || fmt.Sprint(want.LUKS) != "[{root PARTUUID=1c5cd1ef-43a5-4b2b-9c5b-8b1a6fbb4c1b initrd:etc/crypttab:1}]" {
		t.Errorf("%+v, LUKS %v", want.Initrd, want.LUKS)
	}
}

// TestGuileStage1 reads a program as Guix writes it.
func TestGuileStage1(t *testing.T) {
	r := &initrd{}
	r.readGuile(`(begin (use-modules (gnu build linux-boot)) (parameterize ((current-warning-port (%make-void-port "w")))
 (boot-system #:mounts (map spec->file-system (quote (((file-system-label "root") "/" "ext4" () #f #t #f #t #t #t #f)
  ((uuid dce #vu8(67 14 158 255 216 82 79 104 170 59 47 163 89 158 190 8)) "/gnu/store" "btrfs" () #f #t #f #t #t #t #f))))
 #:pre-mount (lambda () (and (let ((source (quote #vu8(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16))) (keyfile #f)) (zero? (system*/tty "/gnu/store/x/sbin/cryptsetup" "open" "--type" "luks" partition "cryptroot")))))
 #:linux-modules (quote ("ahci"))))`)
	if got, want := mounts(&Expectations{Mounts: r.mounts}), "/  ext4 early (initrd:init)\n/gnu/store UUID=430e9eff-d852-4f68-aa3b-2fa3599ebe08 btrfs early (initrd:init)"; got != want {
		t.Errorf("mounts:\n%s\nwant\n%s", got, want)
	}
	if got := fmt.Sprint(r.luks); got != "[{cryptroot UUID=01020304-0506-0708-090a-0b0c0d0e0f10 initrd:init}]" {
		t.Errorf("LUKS %s", got)
	}
}

// TestUnreadInitrd goes on without an initial RAM disk that cannot be read.
func TestUnreadInitrd(t *testing.T) {
	files := nixFiles()
	files["/nix/store/top/etc/fstab"] = "LABEL=nixos / ext4\n"
	of := tree(t, files)
	s, err := Read(of.Lookup, "/nix/store/top")
	must(t, err)
	want, err := s.Expects(of.Lookup)
	must(t, err)
	if want.Unread == nil || want.Initrd != nil || !strings.Contains(want.Unread.Error(), "begins neither a cpio archive") || len(want.Mounts) != 1 {
		t.Errorf("%+v", want)
	}
}

// FuzzStage1 reads what stands in an initial RAM disk.
func FuzzStage1(f *testing.F) {
	s := scripted()
	f.Add(s[hash+"stage-1-init.sh"], s[hash+"initrd-fsinfo"], uint8(0))
	f.Add("ManagerEnvironment=SYSTEMD_SYSROOT_FSTAB='"+hash+"x'", "/dev/x / ext4 a,b 0 1\n", uint8(1))
	f.Add(`(boot-system (map spec->file-system '(("x" "/" "ext4"))) (source "/dev/x") "--type" "luks" p "c")`, "", uint8(2))
	f.Add("[Mount]\nWhat=x\nWhere=/sysroot/x", "a b\n", uint8(3))
	f.Fuzz(func(t *testing.T, text, table string, kind uint8) {
		if len(text)+len(table) > 4096 {
			return
		}
		r := &initrd{look: func(string) *image.Node { return nil }}
		of := image.NewTree()
		for name, text := range map[string]string{hash + "initrd-fsinfo": table, "/etc/systemd/system.conf": text, hash + "x": table, "/etc/crypttab": table, "/etc/systemd/system/a.mount": text} {
			must(t, of.Put(name, image.NewFile(0o444, image.Bytes(text))))
		}
		r.look = of.Lookup
		switch kind % 3 {
		case 0:
			r.readScript(text)
		case 1:
			r.readSystemd()
		case 2:
			r.readGuile(text)
		}
		for _, m := range r.mounts {
			if m.Point == "" || m.Point[0] != '/' {
				t.Errorf("mount %+v", m)
			}
		}
	})
}
