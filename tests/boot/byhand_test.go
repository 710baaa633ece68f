package boot

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ingot/tests/fstest"
	"ingot/tests/testenv"
	"ingot/vm"
)

// TestLoaderByHandBoots boots by UEFI a disk on which the recipe's own file is the boot loader: a
// program that finds the system by its profile.
func TestLoaderByHandBoots(t *testing.T) {
	parallel(t)
	mkimage := fstest.Judge(t, "grub-mkimage", "grub-common")
	modules := "/usr/lib/grub/x86_64-efi"
	if _, err := os.Stat(modules); err != nil {
		t.Skipf("%v: apt-get install grub-efi-amd64-bin", err)
	}
	dir := t.TempDir()
	config, program := filepath.Join(dir, "grub.cfg"), filepath.Join(dir, "BOOTX64.EFI")
	const profile = "/nix/var/nix/profiles/system"
	text := fmt.Sprintf("search.fs_label web root\nlinux %[1]s/kernel root=LABEL=web init=%[1]s/init console=ttyS0 %[2]s\ninitrd %[1]s/initrd\nboot\n", profile, strings.ReplaceAll(words, ",", ""))
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	fstest.Run(t, mkimage, "--directory="+modules, "--format=x86_64-efi", "--prefix=/", "--config="+config, "--output="+program,
		"part_gpt", "ext2", "fat", "search_label", "linux", "boot", "normal", "echo")
	disk, p := build(t, fmt.Sprintf(`name: hand
system: {kernel: %q}
disk:
  partitions:
    - {name: esp, type: esp, filesystem: fat, contents: {files: [{path: /EFI/BOOT/BOOTX64.EFI, source: %q}]}}
    - {name: root, filesystem: ext4, label: web, contents: {store: true}}
`, testenv.Kernel(t), program), "raw")
	if got := p.Platforms(); !slices.Equal(got, []string{"efi"}) {
		t.Errorf("Platforms() = %q; want efi", got)
	}
	ctx, m := ready(t, disk, vm.UEFI)
	commands(t, ctx, m, map[string]string{"mount | grep ' / '": "/dev/vda2 on / type ext4"})
}
