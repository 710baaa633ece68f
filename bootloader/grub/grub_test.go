package grub

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/bootloader"
	"ingot/image"
	"ingot/partition"
)

var testPlace = Place{UUID: "27c6c1a2-0b1f-4c5e-9d2a-6d1e3c1a7a3e"}

// fake makes a folder that looks like a GRUB.
func fake(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range files {
		p := filepath.Join(dir, f)
		must(t, os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, []byte("#!/bin/sh\necho grub-mkimage: error: $0 >&2; exit 3\n"), 0o755))
	}
	return dir
}

func TestFindInFolder(t *testing.T) {
	for _, prefix := range []string{"", "usr/"} {
		dir := fake(t, prefix+"bin/grub-mkimage", prefix+"lib/grub/i386-pc/moddep.lst", prefix+"share/grub/unicode.pf2")
		g, err := Find([]string{dir}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := g.check(bootloader.BIOS); err != nil {
			t.Errorf("Check(BIOS) = %v", err)
		}
		if err := g.check(bootloader.EFI); err == nil || !strings.Contains(err.Error(), "grub for efi: ") || !strings.Contains(err.Error(), "grub-common with grub-efi-amd64-bin") {
			t.Errorf("Check(EFI) = %v; want an error that names grub-efi-amd64-bin", err)
		}
		if err := g.AddFont(image.NewTree(), testPlace); err != nil {
			t.Errorf("AddFont() = %v", err)
		}
	}
}

// TestLocale takes the translation of a country or of its language, from any of the folders, and
// says if there is none.
func TestLocale(t *testing.T) {
	dirs := []string{
		fake(t, "bin/grub-mkimage", "lib/grub/i386-pc/moddep.lst"),
		fake(t, "share/locale/de/LC_MESSAGES/grub.mo", "share/locale/pt/LC_MESSAGES/grub.mo", "share/locale/pt_BR/LC_MESSAGES/grub.mo"),
	}
	g, err := Find(dirs, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ locale, want, warning string }{
		{"", "", ""}, {"C", "", ""}, {"en_US.utf8", "", ""},
		{"de_DE.utf8", "de", ""}, {"de_AT@euro", "de", ""}, {"de", "de", ""},
		{"pt_BR.utf8", "pt_BR", ""}, {"pt_PT.utf8", "pt", ""},
		{"fr_FR.utf8", "", `brings no translation for the locale "fr_FR.utf8": its menu is in English`},
		{"../../de", "", `"../../de" is none that GRUB could have`},
	} {
		tree := image.NewTree()
		got, warning, err := g.addLocale(tree, x.locale, testPlace)
		if err != nil || got != x.want || x.warning == "" && warning != "" || !strings.Contains(warning, x.warning) {
			t.Errorf("addLocale(%s) = %q, %q, %v; want %q, %q", x.locale, got, warning, err, x.want, x.warning)
		}
		if n := tree.Lookup("/boot/grub/locale/" + x.want + ".mo"); x.want != "" && n == nil {
			t.Errorf("addLocale(%s) added no /boot/grub/locale/%s.mo", x.locale, x.want)
		}
	}
	m := menus["plain"]
	text, err := (menu{Menu: m, language: "pt_BR"}).config()
	if want := "set locale_dir=$prefix/locale\nset lang=pt_BR\n"; err != nil || !strings.HasPrefix(text, want) {
		t.Errorf("config() = %.60q, %v; want %q first", text, err, want)
	}
}

// TestFindThroughProfile finds the modules beside the file that a profile links to.
func TestFindThroughProfile(t *testing.T) {
	item, profile := fake(t, "bin/grub-mkimage", "lib/grub/i386-efi/moddep.lst"), t.TempDir()
	must(t, os.Mkdir(filepath.Join(profile, "bin"), 0o755),
		os.Symlink(filepath.Join(item, "bin/grub-mkimage"), filepath.Join(profile, "bin/grub-mkimage")))
	g, err := Find(nil, []string{"relative", filepath.Join(profile, "bin")})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.check(bootloader.EFI32); err != nil {
		t.Errorf("Check(EFI32) = %v", err)
	}
	if err := g.AddFont(image.NewTree(), testPlace); err == nil || !strings.Contains(err.Error(), "unicode.pf2 is missing: install grub-common") {
		t.Errorf("AddFont() = %v; want an error that names grub-common", err)
	}
}

func TestFindRefusals(t *testing.T) {
	empty := t.TempDir()
	for dir, want := range map[string]string{
		filepath.Join(empty, "none"): "no such file or directory",
		empty:                        "neither bin/grub-mkimage nor lib/grub is in " + empty,
		fake(t, "bin/grub-mkimage"):  "no lib/grub is in ",
	} {
		if g, err := Find([]string{dir}, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Find(%s) = %v, %v; want an error with %q", dir, g, err, want)
		}
	}
}

// TestFindInSeveralFolders takes each platform from the first folder that has it, as nixpkgs
// builds a GRUB for each.
func TestFindInSeveralFolders(t *testing.T) {
	pc := fake(t, "bin/grub-mkimage", "lib/grub/i386-pc/moddep.lst")
	efi := fake(t, "bin/grub-mkimage", "lib/grub/x86_64-efi/moddep.lst", "share/grub/unicode.pf2")
	bare := fake(t, "lib/grub/i386-efi/moddep.lst")
	g, err := Find([]string{pc, efi, bare}, nil)
	if err != nil {
		t.Fatal(err)
	}
	must(t, g.check(bootloader.BIOS, bootloader.EFI, bootloader.EFI32), g.AddFont(image.NewTree(), testPlace))
	for p, want := range map[bootloader.Platform]struct{ modules, mkimage string }{
		bootloader.BIOS:  {pc + "/lib/grub/i386-pc", pc},
		bootloader.EFI:   {efi + "/lib/grub/x86_64-efi", efi},
		bootloader.EFI32: {bare + "/lib/grub/i386-efi", pc},
	} {
		if got := g.modulesOf(p); got != want.modules {
			t.Errorf("modulesOf(%s) = %s; want %s", p, got, want.modules)
		}
		if got := g.mkimageFor(p); got != want.mkimage+"/bin/grub-mkimage" {
			t.Errorf("mkimageFor(%s) = %s; want that of %s", p, got, want.mkimage)
		}
	}
	err = g.check(bootloader.EFIAArch64)
	for _, want := range []string{"lib/grub/arm64-efi/moddep.lst is in " + pc + ", " + efi + ", " + bare, "grub-efi-arm64-bin", "grub2_efi"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("an AArch64 disk: %v; want an error with %q", err, want)
		}
	}
}

// TestFindAlongPath takes a platform that the first GRUB in PATH lacks from one further on, as
// builds by Nix have both of nixpkgs' packages there.
func TestFindAlongPath(t *testing.T) {
	pc := fake(t, "bin/grub-mkimage", "lib/grub/i386-pc/moddep.lst")
	efi := fake(t, "bin/grub-mkimage", "lib/grub/x86_64-efi/moddep.lst", "lib/grub/i386-pc/moddep.lst")
	g, err := Find(nil, []string{t.TempDir(), pc + "/bin", efi + "/bin", pc + "/bin"})
	if err != nil {
		t.Fatal(err)
	}
	for p, want := range map[bootloader.Platform]string{bootloader.BIOS: pc, bootloader.EFI: efi} {
		if modules, mkimage := g.modulesOf(p), g.mkimageFor(p); !strings.HasPrefix(modules, want+"/") || mkimage != want+"/bin/grub-mkimage" {
			t.Errorf("GRUB for %s is that of %s and %s; want those in %s", p, modules, mkimage, want)
		}
	}
}

// TestSourcesOfGRUB names the packages of whoever made the folder.
func TestSourcesOfGRUB(t *testing.T) {
	for dir, want := range map[string]string{
		"/nix/store/00000000000000000000000000000000-grub-2.12": "in nixpkgs, grub2 or grub2_efi",
		"/gnu/store/00000000000000000000000000000000-grub-2.12": "in Guix, grub or grub-efi",
		"/opt/grub": "in nixpkgs, grub2 or grub2_efi; in Guix, grub or grub-efi; in Debian, grub-common with grub-pc-bin or grub-efi-amd64-bin",
	} {
		if got := sourcesOf([]part{{dir: dir}}, bootloader.BIOS, bootloader.EFI); got != want {
			t.Errorf("sourcesOf(%s) = %q; want %q", dir, got, want)
		}
	}
}

func TestChildSpeaksInErrors(t *testing.T) {
	dir := fake(t, "bin/grub-mkimage", "lib/grub/i386-pc/boot.img")
	g, err := Find([]string{dir}, nil)
	must(t, err)
	if _, err := g.Image(t.Context(), bootloader.BIOS, "i386-pc", testPlace, nil); err == nil || !strings.Contains(err.Error(), "exit status 3: grub-mkimage: error: ") {
		t.Errorf("Image() = %v; want the child's words", err)
	}
	if _, err := g.Core(t.Context(), testPlace); err == nil || !strings.Contains(err.Error(), "boot.img is 5") {
		t.Errorf("Core() = %v; want an error about boot.img", err)
	}
	must(t, os.WriteFile(filepath.Join(dir, "bin/grub-mkimage"), []byte("#!/bin/sh\nexec sleep 60\n"), 0o755))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.Image(ctx, bootloader.BIOS, "i386-pc", testPlace, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Image() = %v; want context.Canceled", err)
	}
	must(t, os.WriteFile(filepath.Join(dir, "bin/grub-mkimage"), []byte("#!/bin/sh\nexit 0\n"), 0o755))
	if _, err := g.Image(t.Context(), bootloader.BIOS, "i386-pc", testPlace, nil); err == nil || !strings.Contains(err.Error(), "wrote nothing") {
		t.Errorf("Image() = %v; want an error that nothing was written", err)
	}
}

func TestPlaceRefusals(t *testing.T) {
	g := host(t, bootloader.BIOS)
	for _, at := range []Place{{}, {UUID: "root label"}, {UUID: "ABCD-1234", Folder: "grub"}, {UUID: "ABCD-1234", Folder: "/a b"}, {UUID: "ABCD-1234", Folder: "/a'b"}} {
		if _, err := g.Core(t.Context(), at); err == nil {
			t.Errorf("Core(%+v) succeeds", at)
		}
		if _, err := g.EFI(t.Context(), bootloader.EFI, at); err == nil {
			t.Errorf("EFI(%+v) succeeds", at)
		}
	}
	if _, err := g.EFI(t.Context(), bootloader.BIOS, testPlace); err == nil {
		t.Error("EFI(BIOS) succeeds")
	}
}

func TestImagesAreTheSameEachTime(t *testing.T) {
	g := host(t, bootloader.BIOS, bootloader.EFI)
	a, err := g.Core(t.Context(), testPlace)
	must(t, err)
	t.Chdir(t.TempDir())
	t.Setenv("TZ", "Asia/Tokyo")
	t.Setenv("TMPDIR", "/nowhere")
	t.Setenv("LANG", "de_DE.UTF-8")
	b, err := g.Core(t.Context(), testPlace)
	must(t, err)
	if !bytes.Equal(a.core, b.core) || !bytes.Contains(a.boot, []byte("GRUB")) {
		t.Error("two core images differ")
	}
	c, err := g.EFI(t.Context(), bootloader.EFI, testPlace)
	must(t, err)
	d, err := g.EFI(t.Context(), bootloader.EFI, testPlace)
	must(t, err)
	x, _ := image.ReadAll(c)
	y, _ := image.ReadAll(d)
	if !bytes.Equal(x, y) || !bytes.HasPrefix(x, []byte("MZ")) {
		t.Error("two EFI programs differ, or are none")
	}
	if other, err := g.Core(t.Context(), Place{UUID: "ABCD-1234"}); err != nil || bytes.Equal(other.core, a.core) {
		t.Errorf("Core() for another file system is the same (%v)", err)
	}
}

func disk(t *testing.T, table partition.Table) *partition.Disk {
	t.Helper()
	d, err := table.Layout()
	must(t, err)
	return d
}

func TestInstall(t *testing.T) {
	core := &Core{boot: bytes.Repeat([]byte{0xaa}, 512), core: bytes.Repeat([]byte{0xbb}, 1025)}
	plain := disk(t, partition.Table{Kind: partition.MBR, Signature: 7, Partitions: []partition.Partition{{Name: "root", Size: 1 << 20}}})
	m, err := core.Install(plain)
	must(t, err)
	before, err := image.ReadAll(plain.Map)
	must(t, err)
	after, err := image.ReadAll(m)
	must(t, err)
	le := binary.LittleEndian
	if !bytes.Equal(before[440:512], after[440:512]) || !bytes.Equal(before[512+1025:], after[512+1025:]) {
		t.Error("Install() changes more than boot code and gap")
	}
	if got := le.Uint64(after[0x5c:]); got != 1 || after[0x66] != 0x90 || after[0x67] != 0x90 || after[439] != 0xaa {
		t.Errorf("boot code reads sector %d; want 1", got)
	}
	if next, n, seg := le.Uint64(after[512+0x1f4:]), le.Uint16(after[512+0x1fc:]), le.Uint16(after[512+0x1fe:]); next != 2 || n != 2 || seg != 0x820 {
		t.Errorf("block list = %d, %d, %#x; want 2, 2, 0x820", next, n, seg)
	}
	if core.boot[0x66] != 0xaa || core.core[0x1f4] != 0xbb {
		t.Error("Install() changes the Core itself")
	}
}

func TestInstallRefusals(t *testing.T) {
	core := &Core{boot: make([]byte, 512), core: make([]byte, 40960)}
	for _, c := range []struct {
		name  string
		table partition.Table
		want  string
	}{
		{"gap", partition.Table{Kind: partition.MBR, Partitions: []partition.Partition{{Name: "root", Start: 32256 + 512, Size: 1 << 20}}},
			"the core image is 40,960 bytes, and the gap before partition root holds 32,256: start the first partition at 1MiB"},
		{"no gap", partition.Table{Kind: partition.MBR, Partitions: []partition.Partition{{Name: "root", Start: 512, Size: 1 << 20}}}, "there is no gap before the first partition"},
		{"no bios-boot", partition.Table{Partitions: []partition.Partition{{Name: "root", Size: 1 << 20}}}, "add one of type bios-boot and size 1MiB"},
		{"small", partition.Table{Partitions: []partition.Partition{{Name: "b", Type: "bios-boot", Size: 4096}}}, "and partition b holds 4,096: make the bios-boot partition 1MiB"},
		{"sectors", partition.Table{SectorSize: 4096, Partitions: []partition.Partition{{Name: "b", Type: "bios-boot", Size: 1 << 20}}}, "the disk's sectors have 4096 bytes"},
	} {
		if _, err := core.Install(disk(t, c.table)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Install() = %v; want an error with %q", c.name, err, c.want)
		}
	}
}

func TestModules(t *testing.T) {
	g := host(t, bootloader.BIOS, bootloader.EFI)
	tree := image.NewTree()
	must(t, g.AddModules(tree, bootloader.BIOS, testPlace), g.AddModules(tree, bootloader.EFI, testPlace))
	dir := tree.Lookup("/boot/grub/i386-pc")
	if dir == nil || tree.Lookup("/boot/grub/x86_64-efi") != nil {
		t.Fatal("want modules for BIOS alone")
	}
	list, err := g.read(bootloader.BIOS, "moddep.lst")
	must(t, err)
	total := int64(0)
	for _, e := range dir.Entries() {
		total += e.Node.Size()
		name, ok := strings.CutSuffix(e.Name, ".mod")
		for _, dep := range parseModdep(string(list))[name] {
			if ok && dir.Child(dep+".mod") == nil {
				t.Errorf("%s needs %s, which is not there", name, dep)
			}
		}
	}
	if dir.Child("normal.mod") == nil || dir.Child("command.lst") == nil || total > 3<<20 {
		t.Errorf("%d bytes of modules", total)
	}
}

func TestModulesRefusal(t *testing.T) {
	g, err := Find([]string{fake(t, "bin/grub-mkimage", "lib/grub/x86_64-efi/moddep.lst")}, nil)
	must(t, err)
	if _, err := g.EFI(t.Context(), bootloader.EFI, testPlace); err == nil || !strings.Contains(err.Error(), "module normal is missing") {
		t.Errorf("EFI() = %v; want an error that names the module", err)
	}
}

// check reports whether the GRUB has all that the platforms need.
func (g *Grub) check(of ...bootloader.Platform) error {
	for _, p := range of {
		if _, err := g.file(p, "moddep.lst"); err != nil {
			return err
		}
	}
	return nil
}
