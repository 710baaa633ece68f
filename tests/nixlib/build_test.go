package nixlib

import (
	"path/filepath"
	"slices"
	"testing"

	"ingot/tests/fstest"
	"ingot/tests/testenv"
)

// outputs are the attributes of images.nix that are images, and the files in each.
var outputs = []struct {
	attribute string
	files     []string
}{
	{"raw", []string{"web.raw", "web.raw.manifest.json"}},
	{"qcow2", []string{"web.qcow2", "web.qcow2.manifest.json"}},
	{"vdi", []string{"web.vdi", "web.vdi.manifest.json"}},
	{"vhd", []string{"web.vhd", "web.vhd.manifest.json"}},
	{"iso", []string{"web.iso", "web.iso.manifest.json"}},
	{"netboot", []string{"web/command-line", "web/initrd", "web/kernel", "web/manifest.json", "web/root.squashfs", "web/script.ipxe"}},
}

// TestImages builds images in the sandbox of this machine's Nix.
func TestImages(t *testing.T) {
	testenv.Slow(t)
	buildAll(t, newMachine(t))
}

// TestImagesOfNewNix does so with the Nix of Debian unstable.
func TestImagesOfNewNix(t *testing.T) {
	m := newChroot(t)
	version, err := m.run("nix", "--version")
	if err != nil {
		t.Fatal(err)
	}
	t.Log(version)
	buildAll(t, m)
}

// buildAll builds an image of every format, and again: also after the store is optimised, which
// makes hard links of equal files. A stream writes the same bytes.
func buildAll(t *testing.T, m machine) {
	for _, x := range outputs {
		out, err := m.build(x.attribute)
		if err != nil {
			t.Fatal(err)
		}
		if got := files(t, out); !slices.Equal(got, x.files) {
			t.Errorf("%s: the output holds %q; want %q", x.attribute, got, x.files)
		}
		if x.attribute == "qcow2" {
			fstest.Run(t, fstest.Judge(t, "qemu-img", "qemu-utils"), "check", filepath.Join(out, x.files[0]))
		}
		if _, err := m.build(x.attribute, "--check"); err != nil {
			t.Errorf("%s, built once more: %v", x.attribute, err)
		}
	}
	if out, err := m.run("nix-store", "--optimise"); err != nil {
		t.Fatal(err, out)
	}
	for _, x := range outputs {
		if _, err := m.build(x.attribute, "--check"); err != nil {
			t.Errorf("%s, built in an optimised store: %v", x.attribute, err)
		}
	}
	if _, err := m.build("same"); err != nil {
		t.Error(err)
	}
}
