package boot

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ingot/bootloader/kernel"
	"ingot/image"
	"ingot/inspect/storecheck"
	"ingot/recipes"
	"ingot/recipes/plan"
	"ingot/tests/fstest"
	"ingot/tests/nixtest"
	"ingot/tests/testenv"
	"ingot/vm"
)

// TestStorePartitionIsNix gives a root that is put together of two partitions, as the system
// mounts them, to the real nix-store, and the image to ingot check's own reading.
func TestStorePartitionIsNix(t *testing.T) {
	parallel(t)
	c := nixtest.System(t)
	debugfs := fstest.Judge(t, "debugfs", "e2fsprogs")
	for _, at := range []string{"/nix", "/nix/store"} {
		t.Run(at, func(t *testing.T) {
			text := strings.Replace(nixRecipe(c, "gpt", biosBoot, "[bios]"), "contents: {store: true}}",
				"mount: /}\n    - {name: store, filesystem: ext4, size: fit+64MiB, mount: "+at+", contents: {store: true}}", 1)
			r, err := recipes.Parse("test.yaml", t.TempDir(), []byte(text), nil)
			if err != nil {
				t.Fatal(err)
			}
			p, err := plan.New(t.Context(), r, plan.Host{Path: filepath.SplitList(os.Getenv("PATH"))})
			if err != nil {
				t.Fatal(err)
			}
			disk := filepath.Join(t.TempDir(), "disk.raw")
			if _, err := p.Emit(t.Context(), disk, plan.EmitOptions{NoManifest: true}); err != nil {
				t.Fatal(err)
			}
			root := filepath.Join(t.TempDir(), "root")
			t.Cleanup(func() { exec.Command("chmod", "-R", "u+rwX", root).Run() })
			for _, part := range p.Disk.Partitions[1:] {
				file, mount := filepath.Join(t.TempDir(), part.Name), root
				if part.Name == "store" {
					mount += at
				}
				fstest.Run(t, "dd", "if="+disk, "of="+file, "bs=1M", "iflag=skip_bytes,count_bytes", "conv=sparse",
					fmt.Sprintf("skip=%d", part.Start), fmt.Sprintf("count=%d", part.Size))
				fstest.Run(t, "e2fsck", "-fn", file)
				if err := os.MkdirAll(mount, 0o755); err != nil {
					t.Fatal(err)
				}
				fstest.Run(t, debugfs, "-R", "rdump / "+mount, file)
			}
			// Nix's garbage collector takes e2fsck's folder for garbage, and e2fsck makes it anew.
			os.Remove(filepath.Join(root, "nix/store/lost+found"))
			c.CheckRoot(t, root)
			report, err := storecheck.Image(t.Context(), disk, storecheck.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if len(report.Findings) > 0 || len(report.Stores) != 1 || report.Stores[0].Paths != len(c.Paths) || report.Stores[0].Items != len(c.Paths) {
				t.Errorf("ingot check: %+v, %+v; want one store of %d paths without faults", report.Stores, report.Findings, len(c.Paths))
			}
		})
	}
}

// TestStorePartitionBoots boots a system of ingot's own whose store is another file system than
// its root: the initial RAM disk has to mount it.
func TestStorePartitionBoots(t *testing.T) {
	parallel(t)
	disk, _ := build(t, fmt.Sprintf(`name: apart
system: {kernel: %q}
disk:
  partitions:
    - {name: bios, type: bios-boot, size: 1MiB}
    - {name: root, filesystem: ext4, mount: /, contents: {files: [{path: /etc/kept, text: "in the root\n"}]}}
    - {name: nix, filesystem: ext4, mount: /nix, size: fit+8MiB, contents: {store: true}}
bootloader: {grub: [bios], timeout: 0, console: [ttyS0], arguments: [%s]}
`, testenv.Kernel(t), words), "raw")
	ctx, m := ready(t, disk, vm.BIOS)
	commands(t, ctx, m, map[string]string{
		"cat /etc/kept":            "in the root",
		"mount | grep ' / '":       "/dev/vda2 on / type ext4",
		"mount | grep ' /nix '":    "/dev/vda3 on /nix type ext4 (rw",
		"stat -c %a:%g /nix/store": "1775:30000",
		"ls /nix/var/nix/profiles": "system-1-link",
	})
}

// TestSubvolumes boots a root in a subvolume of a btrfs, with others for the store and homes,
// and has btrfs-progs and the kernel say which there are.
func TestSubvolumes(t *testing.T) {
	parallel(t)
	fstest.Judge(t, "mkfs.btrfs", "btrfs-progs")
	p, err := finished(t, fmt.Sprintf(`name: subvolumes
system: {kernel: %q}
disk:
  partitions:
    - {name: bios, type: bios-boot, size: 1MiB}
    - name: root
      filesystem: btrfs
      size: fit+16MiB
      subvolumes:
        - {name: '@', mount: /, default: true}
        - {name: '@home', mount: /home}
        - {name: vols/nix, mount: /nix}
        - {name: vols/snapshots}
      contents: {store: true, files: [{path: /home/me/note, text: "mine\n", uid: 1000, mode: 600}]}
steps:
  - name: list
    programs: [btrfs]
    script: |
      btrfs subvolume list /mnt > /mnt/etc/list
      btrfs subvolume get-default /mnt >> /mnt/etc/list
      test -e /mnt/nix/store && test -e /mnt/home/me/note
bootloader: {grub: [bios], timeout: 0, console: [ttyS0], arguments: [%s]}
`, testenv.Kernel(t), words), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	disk, _ := emit(t, p)
	ctx, m := ready(t, disk, vm.BIOS)
	commands(t, ctx, m, map[string]string{
		"mount | grep ' / '":                   "subvol=/@",
		"mount | grep ' /home '":               "subvol=/@home",
		"mount | grep ' /nix '":                "subvol=/vols/nix",
		"stat -c '%a %u %Y' /home/me/note":     "600 1000 1",
		"grep -c top.level /etc/list":          "5",
		"grep -c 'path @home$' /etc/list":      "1",
		"grep -c 'path vols/nix$' /etc/list":   "1",
		"grep -c 'vols/snapshots$' /etc/list":  "1",
		"tail -n 1 /etc/list":                  "path @",
		"stat -c %a:%g /nix/store":             "1775:30000",
		"ls /nix/var/nix/profiles; ls -A /nix": "system-1-link",
	})
}

// rootInMemory is the script of an initial RAM disk that does what NixOS's does for a system
// with a tmpfs at / and the store at /nix.
const rootInMemory = `#!/bin/sh
mount -t proc proc /proc
mount -t devtmpfs dev /dev
while read -r module; do insmod "/modules/$module" 2>/dev/null; done < /modules/order
mount -t tmpfs -o mode=755 tmpfs /root
mkdir -p /root/nix
until device=$(findfs LABEL=nix); do sleep 1; done
mount -t ext4 "$device" /root/nix
for word in $(cat /proc/cmdline); do
	case $word in init=*) init=${word#init=} ;; esac
done
exec switch_root /root "$init"
`

// TestRootInMemoryBoots boots a system in NixOS's layout whose disk has nothing but /nix: GRUB
// finds the kernel by its path in that partition.
func TestRootInMemoryBoots(t *testing.T) {
	parallel(t)
	busybox := fstest.Judge(t, "busybox", "busybox-static")
	k, err := kernel.Find(testenv.Kernel(t))
	if err != nil {
		t.Fatal(err)
	}
	initrd, err := nixtest.Initrd(k, busybox, rootInMemory)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	const name = "00000000000000000000000000000001-nixos-system"
	item := filepath.Join(dir, "store", name)
	if err := os.MkdirAll(filepath.Join(item, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := nixtest.Tools(busybox, filepath.Join(item, "bin")); err != nil {
		t.Fatal(err)
	}
	image, err := image.ReadAll(k.Image)
	if err != nil {
		t.Fatal(err)
	}
	path := "/nix/store/" + name
	script := fmt.Sprintf("#!%[1]s/bin/sh\nPATH=%[1]s/bin\nmount -t proc proc /proc 2>/dev/null || { mkdir /proc; mount -t proc proc /proc; }\n"+
		"grep -E ' (/|/nix) ' /proc/mounts\nreadlink /nix/var/nix/profiles/system-1-link\necho the system is up\npoweroff -f\n", path)
	for file, text := range map[string]string{
		"store/" + name + "/kernel": string(image), "store/" + name + "/initrd": string(initrd), "store/" + name + "/init": script,
		"store/" + name + "/kernel-params": strings.ReplaceAll(words, ",", "") + " console=ttyS0", "graph": path + "\n\n0\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	disk, _ := build(t, fmt.Sprintf(`name: memory
system: %s
store: {closures: [{graph: %s/graph, from: %[2]s/store}]}
disk:
  partitions:
    - {name: bios, type: bios-boot, size: 1MiB}
    - {name: nix, filesystem: ext4, label: nix, mount: /nix, size: fit+8MiB, contents: {store: true}}
bootloader: {grub: [bios], timeout: 0, console: [ttyS0]}
lint: {ignore: [all]}
`, path, dir), "raw")
	m := boot(t, disk, vm.BIOS)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if _, err := m.WaitFor(ctx, `the system is up`); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"tmpfs / tmpfs", "/dev/vda2 /nix ext4 rw", path + "\r\n"} {
		if !strings.Contains(m.Console(), want) {
			t.Errorf("the console does not show %q:\n%s", want, m.Console())
		}
	}
}
