package plan

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ingot/image"
	"ingot/partition/fat"
)

// TestLoaderByHand: generations make a profile whatever loads them, and a disk boots by UEFI if
// there is something for it in an ESP, whoever has put it there.
func TestLoaderByHand(t *testing.T) {
	dir := t.TempDir()
	systems(t, dir, 3)
	write(t, filepath.Join(dir, "boot.efi"), "MZ")
	write(t, filepath.Join(dir, "esp/efi/boot/bootx64.efi"), "MZ")
	write(t, filepath.Join(dir, "code"), strings.Repeat("code", 8192/4))
	esp := image.NewTree()
	for _, name := range []string{"/EFI/BOOT/BOOTX64.EFI", "/EFI/BOOT/BOOTIA32.EFI"} {
		if err := esp.Put(name, image.NewFile(0o644, image.Bytes("MZ"))); err != nil {
			t.Fatal(err)
		}
	}
	m, err := fat.FileSystem{}.Layout(esp, image.Volume{Size: image.Exactly(2 << 20)})
	if err != nil {
		t.Fatal(err)
	}
	b, err := image.ReadAll(m)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "esp.img"), string(b))
	for what, c := range map[string]struct {
		partition string
		want      []string
	}{
		"a file":        {"{name: esp, type: esp, filesystem: fat, contents: {files: [{path: /EFI/BOOT/BOOTX64.EFI, source: boot.efi}]}}", []string{"efi"}},
		"a folder":      {"{name: esp, type: esp, filesystem: fat, contents: {from: esp}}", []string{"efi"}},
		"a volume":      {"{name: esp, type: esp, source: esp.img}", []string{"efi", "efi32"}},
		"another name":  {"{name: esp, type: esp, filesystem: fat, contents: {files: [{path: /EFI/other/x.efi, source: boot.efi}]}}", nil},
		"another arch":  {"{name: esp, type: esp, filesystem: fat, contents: {files: [{path: /EFI/BOOT/BOOTAA64.EFI, source: boot.efi}]}}", nil},
		"not an ESP":    {"{name: data, type: data, filesystem: fat, contents: {files: [{path: /EFI/BOOT/BOOTX64.EFI, source: boot.efi}]}}", nil},
		"broken volume": {"{name: esp, type: esp, source: code}", nil},
	} {
		text := spreadRecipe("    - " + c.partition + "\n    - {name: root, filesystem: ext4, contents: {store: true}}\n")
		text = strings.Replace(text, "  grub: [bios]\n", "", 1)
		if what == "not an ESP" {
			text = strings.Replace(text, "  console: [ttyS0]\n", "", 1)
		}
		p, err := plan(t, dir, text, "disk.table=gpt")
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		if got := p.Platforms(); !slices.Equal(got, c.want) {
			t.Errorf("%s: Platforms() = %q; want %q", what, got, c.want)
		}
		holds(t, what, readPart(t, p, "root"), map[string]string{
			"/nix/var/nix/profiles/system": "system-3-link", "/nix/var/nix/profiles/system-1-link": store32(1, "system"), "/boot": "none",
		})
		if d, err := p.Direct(); err != nil || d.Kernel == nil {
			t.Errorf("%s: Direct() = %+v, %v; want the system's kernel", what, d, err)
		}
		p.Close()
	}
	if _, err := plan(t, dir, strings.Replace(generationsRecipe, "  grub: [bios]\n", "", 1)); err == nil || !strings.Contains(err.Error(), "bootloader: has no grub") {
		t.Errorf("a console and no boot loader: %v; want an error", err)
	}
}
