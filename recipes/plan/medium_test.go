package plan

import (
	"path/filepath"
	"strings"
	"testing"

	"ingot/bootloader/initramfs"
	"ingot/image"
	"ingot/image/iso9660"
	"ingot/tests/fstest"
)

// liveSystem writes a system with an initial RAM disk of these files into dir/store, and its
// graph.
func liveSystem(t *testing.T, dir, params string, initrd map[string]string) {
	t.Helper()
	tree := image.NewTree()
	for name, text := range initrd {
		n := image.NewFile(0o555, image.Bytes(text))
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			n = image.NewSymlink(target)
		}
		if err := tree.Put(name, n); err != nil {
			t.Fatal(err)
		}
	}
	packed, err := initramfs.Pack(tree, initramfs.Zstd)
	if err != nil {
		t.Fatal(err)
	}
	data, err := image.ReadAll(packed)
	if err != nil {
		t.Fatal(err)
	}
	path := store32(1, "nixos-system-live")
	for name, text := range map[string]string{
		"kernel": "kernel", "initrd": string(data), "init": "#!/bin/sh\n", "kernel-params": params, "nixos-version": "26.05", "etc/fstab": "tmpfs / tmpfs defaults 0 0\n",
	} {
		write(t, filepath.Join(dir, "store", filepath.Base(path), name), text)
	}
	write(t, filepath.Join(dir, "graph"), path+"\n\n0\n")
}

const liveRecipe = `name: live
system: /nix/store/00000000000000000000000000000001-nixos-system-live
store:
  closures: [{graph: graph, from: store}]
disk:
  partitions:
    - {name: root, filesystem: ext4, contents: {store: true}}
bootloader: {grub: [bios]}
output: iso
`

const initrdItem = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-"

// scriptedLive and systemdLive are initial RAM disks of NixOS's live systems.
var scriptedLive = map[string]string{
	"/init":                        "-> " + initrdItem + "stage-1-init.sh",
	initrdItem + "stage-1-init.sh": "echo '<<< NixOS Stage 1 >>>'\nexec 3< " + initrdItem + "initrd-fsinfo\n",
	initrdItem + "initrd-fsinfo": "/\ntmpfs\ntmpfs\nmode=0755\n/iso\n/dev/root\nauto\nx-initrd.mount\n" +
		"/nix/.ro-store\n/iso/nix-store.squashfs\nsquashfs\nx-initrd.mount,loop\n",
}

var systemdLive = map[string]string{
	"/init": "-> " + initrdItem + "systemd-257/lib/systemd/systemd",
	initrdItem + "systemd-257/lib/systemd/systemd": "\x7fELF",
	"/etc/systemd/system.conf":                     "[Manager]\nManagerEnvironment=SYSTEMD_SYSROOT_FSTAB=" + initrdItem + "initrd-fstab\n",
	initrdItem + "initrd-fstab": "tmpfs / tmpfs mode=0755 0 0\n/dev/disk/by-label/nixos-26.05 /iso auto x-initrd.mount 0 0\n" +
		"/sysroot/iso/nix-store.squashfs /nix/.ro-store squashfs x-initrd.mount,loop 0 0\n",
}

// TestMediumOfNixOS leaves open what the ISO of a live system is to be: the system says it, and
// what a recipe says stays.
func TestMediumOfNixOS(t *testing.T) {
	fstest.Judge(t, "mksquashfs", "squashfs-tools")
	const asked = "root=LABEL=nixos-26.05"
	for _, x := range []struct {
		name, params  string
		initrd        map[string]string
		set           []string
		store, volume string
		loopback      bool
	}{
		{"scripted", asked, scriptedLive, nil, "squashfs", "nixos-26.05", true},
		{"systemd", "root=fstab", systemdLive, nil, "squashfs", "nixos-26.05", false},
		{"unknown", "", map[string]string{"/init": "#!/bin/sh\n"}, nil, "", "live", true},
		{"too long", "root=LABEL=" + strings.Repeat("x", 33), scriptedLive, nil, "squashfs", "live", true},
		{"volume", asked, scriptedLive, []string{"output.volume=MINE"}, "squashfs", "MINE", true},
		{"store", asked, scriptedLive, []string{"output.store=files"}, "files", "nixos-26.05", true},
	} {
		t.Run(x.name, func(t *testing.T) {
			dir := t.TempDir()
			liveSystem(t, dir, x.params, x.initrd)
			p, err := plan(t, dir, liveRecipe, append(x.set, "lint.ignore=[all]")...)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			file := filepath.Join(dir, "live.iso")
			if err := image.WriteRaw(t.Context(), p.Disk.Map, file, image.WriteOptions{}); err != nil {
				t.Fatal(err)
			}
			medium, err := image.NewHostFile(file)
			if err != nil {
				t.Fatal(err)
			}
			r, err := iso9660.Open(medium, medium.Size())
			if err != nil {
				t.Fatal(err)
			}
			tree, err := r.Tree()
			if err != nil {
				t.Fatal(err)
			}
			label := make([]byte, 32) // the volume identifier of ECMA-119, 8.4.7
			if _, err := medium.ReadAt(label, 16*2048+40); err != nil {
				t.Fatal(err)
			}
			if got := strings.TrimRight(string(label), " "); p.Recipe.Output.Store != x.store || got != x.volume {
				t.Errorf("store %q, volume %q; want %q, %q", p.Recipe.Output.Store, got, x.store, x.volume)
			}
			if got := tree.Lookup("/nix-store.squashfs") != nil; got != (x.store == "squashfs") {
				t.Errorf("nix-store.squashfs is there: %v", got)
			}
			if got := tree.Lookup("/boot/grub/loopback.cfg") != nil; got != x.loopback {
				t.Errorf("loopback.cfg is there: %v; want %v", got, x.loopback)
			}
		})
	}
}
