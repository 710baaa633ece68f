package grub

import (
	"encoding/binary"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ingot/bootloader"
	"ingot/image"
	"ingot/image/iso9660"
	"ingot/tests/testenv"
)

// newISO is an ISO that holds nothing but GRUB and a menu.
func newISO(t *testing.T, bios, efi bool) *iso9660.Image {
	t.Helper()
	g := host(t, bootloader.BIOS, bootloader.EFI)
	o := iso9660.Options{VolumeID: "TEST_ISO", Seed: testSeed}
	at := Place{UUID: o.VolumeUUID()}
	tree, iso := image.NewTree(), bootloader.ISO{Seed: testSeed}
	must(t, addMenu(tree, speaks(), at), addLoopback(tree, at), g.AddFont(tree, at))
	if bios {
		var err error
		iso.BIOS, err = g.CD(t.Context(), at)
		must(t, err, g.AddModules(tree, bootloader.BIOS, at))
	}
	if efi {
		program, err := g.EFI(t.Context(), bootloader.EFI, at, "iso9660")
		esp := image.NewTree()
		must(t, err, bootloader.AddEFI(esp, bootloader.EFI, program))
		iso.EFI, err = bootloader.EFIVolume(esp, testSeed)
		must(t, err)
	}
	img, err := iso.Layout(tree, o)
	must(t, err)
	return img
}

func isoFile(t *testing.T, m *image.Map) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "iso")
	must(t, image.WriteRaw(t.Context(), m, path, image.WriteOptions{}))
	return path
}

// TestBootISO boots one file by both firmwares, as a CD and as a disk.
func TestBootISO(t *testing.T) {
	t.Parallel()
	img := newISO(t, true, true)
	uefi := pflash(t, "OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd")
	path := isoFile(t, img.Map)
	cd := []string{"-cdrom", path}
	usb := []string{"-drive", "if=none,id=stick,format=raw,readonly=on,file=" + path, "-device", "qemu-xhci", "-device", "usb-storage,drive=stick,bootindex=0"}
	bootWith(t, marker, cd...)
	bootWith(t, marker, usb...)
	bootWith(t, marker, append(cd, uefi...)...)
	if !testing.Short() {
		bootWith(t, marker, append(usb, uefi...)...)
	}
}

// TestISOTables lets those judge who have nothing to do with it.
func TestISOTables(t *testing.T) {
	img := newISO(t, true, true)
	path := isoFile(t, img.Map)
	out, err := exec.Command(testenv.Judge(t, "xorriso", "xorriso"), "-abort_on", "WARNING", "-report_about", "WARNING", "-indev", path, "-report_el_torito", "plain", "-report_system_area", "plain").CombinedOutput()
	if err != nil {
		t.Errorf("xorriso: %v", err)
	}
	for _, want := range []string{
		"El Torito boot img :   1  BIOS  y   none", "El Torito boot img :   2  UEFI  y   none",
		"El Torito img opts :   1  boot-info-table grub2-boot-info", "El Torito img path :   1  /boot/grub/i386-pc/eltorito.img",
		"System area summary: MBR protective-msdos-label grub2-mbr cyl-align-off GPT",
		"MBR partition      :   1   0x00  0xee", "MBR partition      :   2   0x80  0xef", "GPT partname local :   1  EFI",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("xorriso: no %q in\n%s", want, out)
		}
	}
	out, err = exec.Command(testenv.Judge(t, "sgdisk", "gdisk"), "-v", path).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "No problems found") {
		t.Errorf("sgdisk -v: %v\n%s", err, out)
	}
	must(t, exec.Command(testenv.Judge(t, "sfdisk", "fdisk"), "-V", path).Run())
	r, err := iso9660.Open(img.Map, img.Map.Size())
	must(t, err)
	boot, err := r.Boot()
	must(t, err)
	if len(boot) != 2 || boot[0].Platform != iso9660.BIOS || boot[0].LoadSectors != cdSectors || boot[1].Platform != iso9660.UEFI || boot[1].Offset != img.Boot[1].Start {
		t.Errorf("Boot() = %+v", boot)
	}
	sector := make([]byte, 8)
	_, err = img.Map.ReadAt(sector, hybridKernelSector)
	must(t, err)
	if got, want := binary.LittleEndian.Uint64(sector), uint64(img.Boot[0].Start/512+4); got != want {
		t.Errorf("the boot sector loads sector %d; want %d", got, want)
	}
}

// TestISOOfOneFirmware has the tables of an ISO that only bootloader.BIOS, or only UEFI, boots.
func TestISOOfOneFirmware(t *testing.T) {
	for want, bios := range map[string]bool{"Disklabel type: dos": true, "Disklabel type: gpt": false} {
		out, err := exec.Command(testenv.Judge(t, "fdisk", "fdisk"), "-l", isoFile(t, newISO(t, bios, !bios).Map)).CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("fdisk -l: %v; want %q in\n%s", err, want, out)
		}
	}
	if _, err := (bootloader.ISO{}).Layout(image.NewTree(), iso9660.Options{}); err == nil {
		t.Error("Layout() accepts an ISO that nothing boots")
	}
}
