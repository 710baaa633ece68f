package boot

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"ingot/tests/fstest"
	"ingot/vm"
)

// manyISOs is the menu of a stick with many ISOs, as people write them.
const manyISOs = `search --no-floppy --set=root --file /isos/rescue.iso
set iso_path=/isos/rescue.iso
export iso_path
loopback loop $iso_path
set root=(loop)
configfile /boot/grub/loopback.cfg
`

// TestLoopback has the GRUB of a stick with many ISOs, which another has made and which
// brings no font, start the rescue ISO out of a file: by its loopback.cfg, which passes
// findiso=.
func TestLoopback(t *testing.T) {
	parallel(t)
	if testing.Short() {
		t.Skip("a minute of GRUB")
	}
	fstest.Judge(t, "grub-mkstandalone", "grub-common")
	fstest.Judge(t, "mcopy", "mtools")
	dir := t.TempDir()
	menu, efi, esp := filepath.Join(dir, "grub.cfg"), filepath.Join(dir, "BOOTX64.EFI"), filepath.Join(dir, "esp.img")
	must(t, os.WriteFile(menu, []byte(manyISOs), 0o644))
	fstest.Run(t, "grub-mkstandalone", "-O", "x86_64-efi", "-o", efi, "--fonts=", "--locales=", "--themes=", "boot/grub/grub.cfg="+menu)
	f, err := os.Create(esp)
	must(t, err)
	must(t, f.Truncate(32<<20))
	must(t, f.Close())
	fstest.Run(t, "mkfs.fat", esp)
	fstest.Run(t, "mmd", "-i", esp, "::/EFI", "::/EFI/BOOT")
	fstest.Run(t, "mcopy", "-i", esp, efi, "::/EFI/BOOT/BOOTX64.EFI")

	iso, _ := buildRescue(t, "iso")
	stick := filepath.Join(dir, "stick")
	must(t, os.MkdirAll(filepath.Join(stick, "isos"), 0o755))
	must(t, os.Rename(iso, filepath.Join(stick, "isos/rescue.iso")))
	st, err := os.Stat(filepath.Join(stick, "isos/rescue.iso"))
	must(t, err)
	disk := ext4Disk(t, "stick.img", "stick", int(st.Size()>>20)+64, stick)

	m, ctx := start(t, vm.Config{Firmware: vm.UEFI, Disks: []vm.Disk{{Path: esp, Format: "raw"}, {Path: disk, Format: "raw"}}})
	if _, err := m.WaitFor(ctx, `ingot: ready on ttyS0`); err != nil {
		t.Fatal(err)
	}
	answers(t, ctx, m, [][2]string{
		{"cat /proc/cmdline", "findiso=/isos/rescue.iso"},
		{"mount", "/dev/vdb on /run/live/carrier type ext4 (ro"},
		{"mount", "on /run/live/medium type iso9660 (ro"},
		{"hostname; ls /nix/store", "rescue-system"},
		{"ls -l /run/live/carrier/isos", fmt.Sprint(st.Size())},
	})
}
