package nixlib

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
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
	{"kexec", []string{"web/command-line", "web/initrd", "web/kernel", "web/manifest.json", "web/run"}},
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
	image, err := m.build("qcow2")
	must(t, err)
	if references, err := m.run("nix-store", "--query", "--references", strings.TrimPrefix(image, m.dir)); err != nil || references != "" {
		t.Errorf("the image refers to %q, %v; want nothing", references, err)
	}
	flakeOf(t, m)
}

// TestBootInBuild boots an image within a build: a derivation that passes if the image does.
func TestBootInBuild(t *testing.T) {
	testenv.Slow(t)
	m := newMachine(t)
	out, err := m.build("test")
	if err != nil {
		t.Fatal(err)
	}
	report, err := os.ReadFile(filepath.Join(out, "results.json"))
	if err != nil || !strings.Contains(string(report), `"boots"`) {
		t.Errorf("results.json: %s, %v; want the test that has passed; there is %q", report, err, files(t, out))
	}
	if said := m.fails("failing"); !strings.Contains(said, "ingot: the test has failed") {
		t.Errorf("a test that fails: %s", said)
	}
}

// TestFlake evaluates the flake as nix does.
func TestFlake(t *testing.T) {
	flakeOf(t, machine{t: t, dir: t.TempDir()})
}

// flakeOf evaluates the flake with nix, and with the nixpkgs in testdata for its input.
func flakeOf(t *testing.T, m machine) {
	t.Helper()
	root, flake := testenv.Root(t), filepath.Join(m.dir, "flake")
	must(t, os.CopyFS(filepath.Join(flake, "nix"), os.DirFS(filepath.Join(root, "nix"))),
		os.CopyFS(filepath.Join(m.dir, "stub"), os.DirFS(filepath.Join(root, "tests/nixlib/testdata/nixpkgs"))),
		os.Mkdir(filepath.Join(flake, "recipes"), 0o755))
	for _, file := range []string{"flake.nix", "go.mod", "recipes/doc.go"} {
		copyFile(t, filepath.Join(root, file), filepath.Join(flake, file))
	}
	for output, want := range map[string]string{
		"packages.x86_64-linux.default.pname": `"ingot"`,
		"packages.aarch64-linux.ingot.tags":   `["osusergo","netgo","sqlite_omit_load_extension"]`,
		"lib.formats.qcow2":                   `".qcow2"`,
	} {
		out, err := m.run("nix", "--extra-experimental-features", "nix-command flakes", "--option", "flake-registry", "", "eval", "--json", "--no-write-lock-file",
			"--override-input", "nixpkgs", "path:DIR/stub", "path:DIR/flake#"+output)
		if err != nil {
			t.Errorf("%s: %v", output, err)
		} else if strings.TrimSpace(out) != want {
			t.Errorf("%s = %s; want %s", output, out, want)
		}
	}
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
	for _, attribute := range []string{"same", "sameDerived"} {
		if _, err := m.build(attribute); err != nil {
			t.Error(err)
		}
	}

	// A derivation of one's own has the image as its output, which is a raw disk.
	out, err := m.build("plain")
	if err != nil {
		t.Fatal(err)
	}
	if info := fstest.Run(t, "file", "-b", out); !strings.Contains(info, "GPT") && !strings.Contains(info, "boot sector") {
		t.Errorf("%s: %s; want a disk", out, info)
	}
	if st, err := os.Stat(out); err != nil || !st.Mode().IsRegular() {
		t.Errorf("%s: %v, %v; want a file", out, st, err)
	}
	for attribute, want := range map[string]string{
		"mislabelled": "(boot-missing)",
		"vm":          "ingot: these take a virtual machine, which is refused: partition root (btrfs)",
		"lacksGraph":  ": its closure is unknown: the structured attributes of this build have no reference graph: add exportReferencesGraph.closure = [ system ]; to the derivation",
		"exists":      "-web exists already, and it is the output of this build ($out), which its builder makes",
	} {
		if said := m.fails(attribute); !strings.Contains(said, want) {
			t.Errorf("%s: %s; want an error with %q", attribute, said, want)
		}
	}

	// The image in a matrix is the one of its own name, and Hydra offers it.
	image, err := m.build("qcow2")
	must(t, err)
	for attribute, want := range map[string]string{
		"product":  "file qcow2 " + strings.TrimPrefix(image, m.dir) + "/web.qcow2\n",
		"products": "/web/script.ipxe\n",
	} {
		out, err := m.build(attribute)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := os.ReadFile(filepath.Join(out, "nix-support/hydra-build-products")); err != nil || !strings.HasSuffix(string(text), want) {
			t.Errorf("%s: %s, %v; want %s", attribute, text, err, want)
		}
	}

	// A system may be a path.
	system, err := m.build("system")
	must(t, err)
	derived, err := m.build("derived")
	must(t, err)
	text, err := m.run("nix-build", "--no-out-link", "-E", `(import DIR/images.nix).ofPath "`+strings.TrimPrefix(system, m.dir)+`"`)
	if err != nil {
		t.Fatal(err)
	}
	fstest.Run(t, "cmp", filepath.Join(derived, "web.qcow2"), filepath.Join(m.dir, strings.TrimSpace(text), "web.qcow2"))

	// All this happened where there is no /usr, no home, and nobody but a user to build as.
	out, err = m.build("seen")
	if err != nil {
		t.Fatal(err)
	}
	seen, err := os.ReadFile(out)
	must(t, err)
	if words := strings.Fields(string(seen)); slices.Contains(words, "usr") || slices.Contains(words, "home") || !slices.Contains(words, "/homeless-shelter") || words[0] == "0" {
		t.Errorf("a builder sees %q", words)
	}
}
