package fat

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"ingot/image"
	"ingot/tests/fstest"
)

// mtools runs one of the mtools on an image, with names in UTF-8.
func mtools(t fstest.T, tool string, args ...string) string {
	t.Helper()
	cmd := exec.Command(fstest.Judge(t, tool, "mtools"), args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TZ=UTC", "MTOOLS_SKIP_CHECK=0")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", tool, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// layout writes a tree to an image and returns its path.
func layout(t *testing.T, fs FileSystem, tree *image.Tree, v image.Volume) string {
	t.Helper()
	m, err := fs.Layout(tree, v)
	if err != nil {
		t.Fatalf("%+v.Layout: %v", fs, err)
	}
	img := filepath.Join(t.TempDir(), "fat.img")
	if err := fstest.Write(m, img); err != nil {
		t.Fatal(err)
	}
	clean(t, img)
	return img
}

// TestMtools copies random trees out of random volumes.
func TestMtools(t *testing.T) {
	f := features
	f.MaxFile = 40_000
	f.Last = 4107542399 // mtools 4.0.32 takes 2100 for a leap year, and knows no pairs of surrogates
	f.HoldsName = func(name string) bool {
		return checkName(name) == nil && !strings.ContainsFunc(name, func(r rune) bool { return r > 0xFFFF })
	}
	trees := fstest.Trees(f)
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		fs := rapid.SampledFrom(every).Draw(t, "file system")
		tree := trees.Draw(t, "tree")
		m, err := fs.Layout(tree, image.Volume{Size: image.Fit(rapid.Int64Range(0, 100_000).Draw(t, "free"))})
		if err != nil {
			t.Fatalf("Layout: %v", err)
		}
		img, out := filepath.Join(dir, "img"), filepath.Join(dir, "out")
		if err := fstest.Write(m, img); err != nil {
			t.Fatalf("%v", err)
		}
		if err := os.Mkdir(out, 0o755); err != nil {
			t.Fatalf("%v", err)
		}
		defer os.RemoveAll(out)
		if len(tree.Root.Entries()) > 0 {
			mtools(t, "mcopy", "-s", "-p", "-m", "-i", img, "::*", out)
		}
		// mcopy -m keeps the times of files, but not of directories.
		got := fstest.HostTree(t, out)
		fstest.Report(t, "mcopy", fstest.Diff(withoutDirTimes(tree), withoutDirTimes(got), f))
	})
}

func withoutDirTimes(tree *image.Tree) *image.Tree {
	var dup func(n *image.Node) *image.Node
	dup = func(n *image.Node) *image.Node {
		if !n.IsDir() {
			return n
		}
		c := image.NewDir(0o755)
		for _, e := range n.Entries() {
			if err := c.Add(e.Name, dup(e.Node)); err != nil {
				panic(err) // the names were accepted once
			}
		}
		return c
	}
	return &image.Tree{Root: dup(tree.Root)}
}

// esp is what the system partition of a disk holds.
func esp(t *testing.T) *image.Tree {
	tree := image.NewTree()
	put(t, tree, "/EFI/BOOT/BOOTX64.EFI", fstest.Content(1, 150_000))
	put(t, tree, "/EFI/BOOT/grub.cfg", image.Bytes("configfile /boot/grub/grub.cfg\n"))
	put(t, tree, "/loader/entries/NixOS generation 1.conf", image.Bytes("title NixOS\n"))
	put(t, tree, "/empty", nil)
	return tree
}

func TestMdir(t *testing.T) {
	tree := esp(t)
	tree.Lookup("/empty").Mtime = image.Time{Sec: 951827696} // 2000-02-29 12:34:56
	img := layout(t, FileSystem{}, tree, image.Volume{Label: "GNU-ESP", UUID: "12AB-CD34", Size: image.Exactly(64 << 20)})
	out := mtools(t, "mdir", "-i", img, "::")
	for _, want := range []string{
		" Volume in drive : is GNU-ESP    \n",
		" Volume Serial Number is 12AB-CD34\n",
		"EFI          <DIR>     1980-01-01   0:00 \n",
		"empty                0 2000-02-29  12:34  empty\n",
	} {
		if !strings.Contains(strings.ReplaceAll(out, "EMPTY ", "empty "), want) {
			t.Errorf("mdir: no %q in\n%s", want, out)
		}
	}
	out = mtools(t, "mdir", "-b", "-/", "-i", img, "::")
	want := "::/EFI/\n::/empty\n::/loader/\n::/EFI/BOOT/\n::/EFI/BOOT/BOOTX64.EFI\n::/EFI/BOOT/grub.cfg\n::/loader/entries/\n::/loader/entries/NixOS generation 1.conf\n"
	if out != want {
		t.Errorf("mdir -b = %s; want %s", out, want)
	}
	out = mtools(t, "mattrib", "-i", img, "::empty", "::/EFI/BOOT/BOOTX64.EFI")
	if strings.Count(out, "  A  ") != 2 {
		t.Errorf("mattrib = %s", out)
	}
}

// TestFreeBytes compares the free space of the FSInfo sector, and of the table, with
// what was asked for.
func TestFreeBytes(t *testing.T) {
	for _, fs := range []FileSystem{{Bits: 12}, {Bits: 16}, {Bits: 32}} {
		img := layout(t, fs, esp(t), image.Volume{Size: image.Fit(40 << 20)})
		m, err := os.Open(img)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		st, err := m.Stat()
		if err != nil {
			t.Fatal(err)
		}
		r, err := Open(m, st.Size())
		if err != nil {
			t.Fatal(err)
		}
		out := strings.ReplaceAll(mtools(t, "mdir", "-i", img, "::"), " ", "")
		free := divUp(40<<20, r.ClusterSize()) * r.ClusterSize()
		if !strings.Contains(out, fmt.Sprintf("%dbytesfree\n", free)) {
			t.Errorf("Bits %d: mdir does not say that %d bytes are free:\n%s", fs.Bits, free, out)
		}
	}
}

func TestMinfo(t *testing.T) {
	tree := image.NewTree()
	for _, c := range []struct {
		fs   FileSystem
		size int64
		want []string
	}{
		{FileSystem{HiddenSectors: 2048}, 64 << 20, []string{"sectors per track: 63\n", "heads: 16\n", "media byte: f8", "hidden sectors: 2048\n", "physical drive id: 0x80\n", "big size: 131072 sectors\n", "max available root directory slots: 512\n", `disk type="FAT16   "`}},
		{FileSystem{}, 1 << 30, []string{"heads: 64\n", "fats: 2\n", "backup boot sector=6\n", "signature=0x41615252\nfree clusters=261628\n", `disk type="FAT32   "`}},
		{FileSystem{}, 20 << 30, []string{"heads: 255\n"}},
		{FileSystem{Removable: true}, 1440 << 10, []string{"sectors per track: 18\n", "heads: 2\n", "media byte: f0", "physical drive id: 0x0\n", "small size: 2880 sectors\n", "max available root directory slots: 224\n", "sectors per fat: 9\n", "reserved (boot) sectors: 1\n"}},
	} {
		img := layout(t, c.fs, tree, image.Volume{Label: "LABEL", Size: image.Exactly(c.size)})
		out := mtools(t, "minfo", "-i", img, "::")
		for _, want := range append(c.want, `disk label="LABEL      "`) {
			if !strings.Contains(out, want) {
				t.Errorf("minfo of %+v, %d bytes: no %q in\n%s", c.fs, c.size, want, out)
			}
		}
	}
}

func TestFile(t *testing.T) {
	file := fstest.Judge(t, "file", "file")
	for bits, want := range map[int]string{
		12: `Media descriptor 0xf8, sectors/FAT 3, sectors/track 63, heads 16, serial number 0x12abcd34, label: "ESP        ", FAT (12 bit)`,
		16: `serial number 0x12abcd34, label: "ESP        ", FAT (16 bit)`,
		32: `FAT (32 bit), sectors/FAT 513, serial number 0x12abcd34, label: "ESP        "`,
	} {
		img := layout(t, FileSystem{Bits: bits, SectorsPerCluster: 1}, esp(t), image.Volume{Label: "ESP", UUID: "12ab-cd34", Size: image.Fit(200_000)})
		if out := fstest.Run(t, file, "-b", img); !strings.Contains(out, want) {
			t.Errorf("file: %s; want %q", out, want)
		}
	}
}

// TestGRUB reads with the driver that will find the menu.
func TestGRUB(t *testing.T) {
	grub := fstest.Judge(t, "grub-fstest", "grub-common")
	for _, bits := range []int{12, 16, 32} {
		img := layout(t, FileSystem{Bits: bits}, esp(t), image.Volume{Label: "ESP", UUID: "12AB-CD34", Size: image.Fit(0)})
		for path, want := range map[string]image.Blob{
			"/efi/boot/bootx64.efi":                   fstest.Content(1, 150_000),
			"/loader/entries/NixOS generation 1.conf": image.Bytes("title NixOS\n"),
		} {
			bytesWanted, err := image.ReadAll(want)
			if err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(grub, img, "cat", path).Output()
			if err != nil || !bytes.Equal(out, bytesWanted) {
				t.Errorf("FAT%d: grub-fstest cat %s: %v, %d bytes; want %d", bits, path, err, len(out), len(bytesWanted))
			}
		}
		out := fstest.Run(t, grub, img, "ls", "--", "-l", "(loop0)")
		if !strings.Contains(strings.ToLower(out), "uuid 12ab-cd34") {
			t.Errorf("FAT%d: grub-fstest ls -l: %s", bits, out)
		}
	}
}
