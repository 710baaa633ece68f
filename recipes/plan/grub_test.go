package plan

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/image"
	"ingot/tests/fstest"
)

// otherGrub writes a folder with the host's GRUB for BIOS, as a package would have it.
func otherGrub(t *testing.T, dir string) {
	t.Helper()
	mkimage := fstest.Judge(t, "grub-mkimage", "grub-common")
	modules := filepath.Join(filepath.Dir(filepath.Dir(mkimage)), "lib/grub/i386-pc")
	if _, err := os.Stat(modules); err != nil {
		t.Skipf("%v: apt-get install grub-pc-bin", err)
	}
	if err := os.CopyFS(filepath.Join(dir, "lib/grub/i386-pc"), os.DirFS(modules)); err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(mkimage)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bin/grub-mkimage"), program, 0o755); err != nil {
		t.Fatal(err)
	}
}

func digestOf(t *testing.T, p *Plan) image.Sum {
	t.Helper()
	pieces, err := image.HashPieces(t.Context(), p.Disk.Map, image.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return pieces.Digest()
}

// TestGrubFrom: a GRUB from a folder beside the recipe, by a path that is relative,
// gives the disk that the same GRUB of the host gives.
func TestGrubFrom(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	systems(t, dir, 3)
	otherGrub(t, filepath.Join(dir, "grub"))
	const console = "bootloader.console=[ttyS0]" // no font, which the folder has not
	host, err := plan(t, ".", generationsRecipe, console)
	if err != nil {
		t.Fatal(err)
	}
	other, err := plan(t, ".", generationsRecipe, console, "bootloader.grub={platforms: [bios], from: grub}")
	if err != nil {
		t.Fatal(err)
	}
	if digestOf(t, host) != digestOf(t, other) {
		t.Error("the same GRUB from another place gives another disk")
	}
	if err := os.Symlink("grub", "result"); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll("efi/lib/grub/x86_64-efi", 0o755); err != nil {
		t.Fatal(err)
	}
	listed, err := plan(t, ".", generationsRecipe, console, "bootloader.grub={platforms: [bios], from: [efi, ./result]}")
	if err != nil {
		t.Fatal(err)
	}
	if digestOf(t, host) != digestOf(t, listed) {
		t.Error("the same GRUB in a list, by a link, gives another disk")
	}
	if err := os.Remove("grub/lib/grub/i386-pc/ext2.mod"); err != nil {
		t.Fatal(err)
	}
	_, err = plan(t, ".", generationsRecipe, console, "bootloader.grub={platforms: [bios], from: grub}")
	if err == nil || !strings.Contains(err.Error(), filepath.Join(dir, "grub")) || !strings.Contains(err.Error(), "ext2") {
		t.Errorf("a GRUB without ext2.mod: %v; want an error that names both", err)
	}
}

// TestGrubFromStoreItem: an item is found where its closure's source has it.
func TestGrubFromStoreItem(t *testing.T) {
	dir := t.TempDir()
	systems(t, dir, 3)
	item := store32(9, "grub")
	otherGrub(t, filepath.Join(dir, "store", filepath.Base(item)))
	graph, err := os.ReadFile(filepath.Join(dir, "graph"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "graph"), string(graph)+item+"\n\n0\n")
	set := "bootloader.grub={platforms: [bios], from: " + item + "}"
	if _, err := plan(t, dir, generationsRecipe, set); err != nil {
		t.Error(err)
	}
	if err := os.Symlink(item, filepath.Join(dir, "result-grub")); err != nil {
		t.Fatal(err)
	}
	if _, err := plan(t, dir, generationsRecipe, "bootloader.grub={platforms: [bios], from: ./result-grub}"); err != nil {
		t.Errorf("by a link: %v", err)
	}
	_, err = plan(t, dir, generationsRecipe, strings.Replace(set, "0009-grub", "0008-grub", 1))
	if want := "bootloader.grub: grub: stat " + store32(8, "grub") + ": no such file"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a GRUB that is nowhere: %v; want %s", err, want)
	}
}
