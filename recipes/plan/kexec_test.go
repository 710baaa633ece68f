package plan

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/bootloader/initramfs"
	"ingot/image"
	"ingot/tests/fstest"
)

// TestKexecFolder: the initial RAM disk of a folder for kexec has the store of a NixOS system at
// its root, where stage 1 looks for it, behind the system's own.
func TestKexecFolder(t *testing.T) {
	fstest.Judge(t, "mksquashfs", "squashfs-tools")
	dir := t.TempDir()
	systems(t, dir, 3)
	text := strings.Replace(generationsRecipe, "  generations:\n    - "+store32(1, "system")+"\n    - "+store32(2, "system")+"\n", "", 1)
	p, err := plan(t, dir, text, "output.format=kexec")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	out := filepath.Join(dir, "tree")
	if err := os.Mkdir(out, 0o755); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second replaces the first
		if _, err := p.Emit(t.Context(), out, EmitOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]os.FileMode{"kernel": 0, "initrd": 0, "command-line": 0, "manifest.json": 0, "run": 0o100} {
		if info, err := os.Stat(filepath.Join(out, name)); err != nil || info.Mode()&0o100 != want {
			t.Errorf("%s: %v, %v; want it executable: %t", name, info, err, want != 0)
		}
	}
	file, err := image.NewHostFile(filepath.Join(out, "initrd"))
	if err != nil {
		t.Fatal(err)
	}
	head := make([]byte, len("initrd"))
	if _, err := file.ReadAt(head, 0); err != nil || string(head) != "initrd" {
		t.Errorf("the initial RAM disk begins with %q, %v; want the system's own", head, err)
	}
	a, err := initramfs.Read(image.Section(file, 8, file.Size()-8), func(string, int64) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	store := a.Tree.Lookup("/nix-store.squashfs")
	if store == nil || store.Size() == 0 {
		t.Fatalf("the initial RAM disk holds no /nix-store.squashfs")
	}
	data, err := image.ReadAll(store.Data)
	if err != nil {
		t.Fatal(err)
	}
	squashfs := filepath.Join(dir, "store.squashfs")
	if err := os.WriteFile(squashfs, data, 0o644); err != nil {
		t.Fatal(err)
	}
	if list := fstest.Run(t, "unsquashfs", "-l", squashfs); !strings.Contains(list, "/nix-path-registration") || !strings.Contains(list, filepath.Base(store32(3, "system"))+"/init") {
		t.Errorf("the store is\n%s\nwant the system and the registration", list)
	}
	line, err := os.ReadFile(filepath.Join(out, "command-line"))
	if want := " init=" + store32(3, "system") + "/init number=3 console=ttyS0,115200\n"; err != nil || !strings.HasSuffix(string(line), want) {
		t.Errorf("command-line = %q, %v; want %q", line, err, want)
	}
}

// TestKexecRefused: what a folder for kexec cannot have is refused as for netboot.
func TestKexecRefused(t *testing.T) {
	dir := t.TempDir()
	systems(t, dir, 3)
	for set, want := range map[string]string{
		"output.store=files":    "output.store: files do not travel as such by kexec",
		"output.password=x":     "output.password: is a matter of netboot, and the format is kexec",
		"output.store=erofs":    "the initial RAM disk of a NixOS system looks for a squashfs",
		"output.compression=lz": `compression "lz"`,
	} {
		text := generationsRecipe + "output: {format: kexec}\n"
		if _, err := plan(t, dir, text, set); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %s", set, err, want)
		}
	}
	if _, err := plan(t, dir, volumeRecipe+"output: kexec\n"); err == nil || !strings.Contains(err.Error(), "there is nothing to boot by kexec: no system and no entries") {
		t.Errorf("no system: %v", err)
	}
}
