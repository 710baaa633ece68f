package guixtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ingot/image"
	"ingot/inspect"
	"ingot/recipes/plan"
	"ingot/tests/fstest"
	"ingot/tests/testenv"
)

// TestImage has Guix's daemon build images by (ingot image): with the recipe of image.scm, and with
// one that ingot derives. The builder is ingot alone, as another user in a chroot that holds its
// inputs. The images have the bytes that ingot writes outside of Guix, also when they are built
// again, and Guix finds a store in them with nothing wrong in it.
func TestImage(t *testing.T) {
	c := source(t)
	p := newPlace(t, c.root)
	if err := os.WriteFile(filepath.Join(p.shared, "sandbox"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	addChannel(t, p)
	tools := pathOf(t, c.items(t, false), "tools-1.0")
	addGRUB(t, filepath.Join(p.shared, "grub"), tools+"/bin/sh")
	const recipe = `name: guix
system: %s
store: {flavour: guix, closures: [{graph: %q, from: %q}]}
disk:
  table: mbr
  partitions: [{name: root, filesystem: ext4, label: guix-root, size: fit+32MiB, contents: {store: true}}]
bootloader: {grub: {platforms: [bios], from: %q}, console: [ttyS0], timeout: 0}
output: %s
`
	for _, x := range []struct{ name, env, format string }{
		{"recipe", "INGOT_RECIPE=1", "qcow2"},
		{"derived", "INGOT_RECIPE=", "raw"},
	} {
		t.Run(x.name, func(t *testing.T) {
			env := fmt.Sprintf("export INGOT_SYSTEM=%s INGOT_FORMAT=%s %s; [ $INGOT_RECIPE ] || unset INGOT_RECIPE\n", c.system, x.format, x.env)
			const build = "guix build -L /mnt/channel --no-grafts --no-substitutes -f /mnt/image.scm"
			out := p.run(t, env+build+" --rounds=2 >/mnt/out; "+build+" --check >&2; cp $(cat /mnt/out) /mnt/image; cat $("+build+" -d)")
			if builder := `"x86_64-linux","/gnu/store/`; !strings.Contains(out, builder) || !strings.Contains(out, `-ingot",["build",`) ||
				!strings.Contains(out, `("exportReferencesGraph","closure `+c.system) {
				t.Errorf("the derivation is %s; want ingot as its builder, and the graph of the system", out)
			}
			built := filepath.Join(p.shared, "image")
			if x.name == "recipe" {
				dir := t.TempDir()
				here, grub := filepath.Join(dir, "here"), filepath.Join(dir, "grub")
				addGRUB(t, grub, "/bin/sh")
				text := fmt.Sprintf(recipe, c.system, c.graph, filepath.Join(c.root, "gnu/store"), grub, x.format)
				if _, err := c.plan(t, dir, text).Emit(t.Context(), here, plan.EmitOptions{NoManifest: true}); err != nil {
					t.Fatal(err)
				}
				fstest.Run(t, "cmp", built, here)
			}
			root := filepath.Join(t.TempDir(), "root.ext4")
			extractRoot(t, built+":"+x.format, root)
			in := newPlace(t, root)
			if x.name == "derived" {
				if out := in.run(t, "guix gc >&2; cat /gnu/store/*-extra; ls /var/guix/gcroots"); !strings.HasPrefix(out, "more\n") || !strings.Contains(out, "root-1\n") {
					t.Errorf("in the image: %s; want the extra item, and its root", out)
				}
			}
			if out := in.run(t, "guix gc --verify=contents 2>&1; guix gc --list-dead; guix system list-generations"); strings.Contains(out, "error") ||
				strings.Contains(out, "modified") || len(dead(out)) > 0 || !strings.Contains(out, "canonical file name: "+c.system+"\n") {
				t.Errorf("in the image: %s", out)
			}
		})
	}
}

// extractRoot writes the file system with the store of an image into a file.
func extractRoot(t testing.TB, from, to string) {
	t.Helper()
	img, err := inspect.Open(t.Context(), from)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	if err := img.Identify(t.Context()); err != nil {
		t.Fatal(err)
	}
	v, _, err := img.Files()
	if err != nil {
		t.Fatal(err)
	}
	if err := image.WriteRaw(t.Context(), image.MapOf(v.Data, nil), to, image.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
}

// addChannel puts the channel and a static ingot where the scripts take them from.
func addChannel(t testing.TB, to place) {
	t.Helper()
	root := testenv.Sources(t)
	if err := os.CopyFS(filepath.Join(to.shared, "channel"), os.DirFS(filepath.Join(root, "guix"))); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("make", "build", "OUT="+filepath.Join(to.shared, "ingot"))
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make build: %v\n%s", err, out)
	}
}

// addGRUB makes a folder with this machine's GRUB that depends on nothing else of it, as a store's
// does: a shell runs its program, with the libraries beside it.
func addGRUB(t testing.TB, dir, shell string) {
	t.Helper()
	mkimage := fstest.Judge(t, "grub-mkimage", "grub-common")
	files := map[string]string{mkimage: "bin/.grub-mkimage", "/usr/share/grub/unicode.pf2": "share/grub/unicode.pf2"}
	for word := range strings.FieldsSeq(fstest.Run(t, "ldd", mkimage)) {
		if filepath.IsAbs(word) {
			files[word] = "lib/" + filepath.Base(word)
		}
	}
	for from, in := range files {
		if err := copyFile(from, filepath.Join(dir, in)); err != nil {
			t.Fatal(err)
		}
	}
	testenv.WriteProgram(t, filepath.Join(dir, "bin/grub-mkimage"), "#!"+shell+`
grub=${0%/bin/*}
exec "$grub/lib/ld-linux-x86-64.so.2" --library-path "$grub/lib" "$grub/bin/.grub-mkimage" "$@"
`, 0o755)
	for _, platform := range []string{"i386-pc", "x86_64-efi"} {
		if err := os.CopyFS(filepath.Join(dir, "lib/grub", platform), os.DirFS(filepath.Join("/usr/lib/grub", platform))); err != nil {
			t.Fatal(err)
		}
	}
}
