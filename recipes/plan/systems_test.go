package plan

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ingot/image"
	"ingot/recipes"
	"ingot/tests/fstest"
	"ingot/tests/golden"
)

// specialised adds a specialisation to the systems of a folder.
func specialised(t *testing.T, dir, name string, of ...int) {
	t.Helper()
	for _, i := range of {
		at := filepath.Join(dir, "store", filepath.Base(store32(i, "system")))
		if err := os.MkdirAll(filepath.Join(at, "specialisation"), 0o755); err != nil {
			t.Fatal(err)
		}
		variant := store32(10+i, "variant")
		if err := os.Symlink(variant, filepath.Join(at, "specialisation", name)); err != nil {
			t.Fatal(err)
		}
		smallSystem(t, dir, variant, fmt.Sprintf("variant=%d", i), fmt.Sprintf("24.%02d", i))
		graph, err := os.ReadFile(filepath.Join(dir, "graph"))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "graph"), string(graph)+variant+"\n\n0\n")
	}
}

// checkMenu compares the menu with a golden, and has GRUB's own parser read it.
func checkMenu(t *testing.T, name, text string) {
	t.Helper()
	cmd := exec.Command(fstest.Judge(t, "grub-script-check", "grub-common"))
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("grub-script-check: %v\n%s\n%s", err, out, text)
	}
	golden.Check(t, filepath.Join("testdata", name), text)
}

// TestSpecialisations has an entry for each specialisation behind its system, in generations
// too.
func TestSpecialisations(t *testing.T) {
	dir := t.TempDir()
	systems(t, dir, 3)
	specialised(t, dir, "de+bug", 2, 3)
	p, err := plan(t, dir, generationsRecipe, "disk.partitions.root.uuid=27c6c1a2-0b1f-4c5e-9d2a-6d1e3c1a7a3e")
	if err != nil {
		t.Fatal(err)
	}
	checkMenu(t, "specialisations.cfg", menuOf(t, readRoot(t, p)))
	// One that the recipe has an entry for does not come twice.
	p, err = plan(t, dir, generationsRecipe, "bootloader.entries=[{title: Debugging, system: "+store32(13, "variant")+"}]")
	if err != nil {
		t.Fatal(err)
	}
	if text := menuOf(t, readRoot(t, p)); strings.Count(text, "variant=3") != 1 || !strings.Contains(text, "menuentry Debugging") {
		t.Errorf("the menu:\n%s", text)
	}
	if err := os.Remove(filepath.Join(dir, "store", filepath.Base(store32(13, "variant")), "kernel")); err != nil {
		t.Fatal(err)
	}
	if _, err = plan(t, dir, generationsRecipe); err == nil || !strings.Contains(err.Error(), "specialisation de+bug: ") {
		t.Errorf("without the kernel of a specialisation: %v", err)
	}
}

// TestGuixGenerations has Guix's words for generations.
func TestGuixGenerations(t *testing.T) {
	dir := t.TempDir()
	const linux = "/gnu/store/00000000000000000000000000000001-linux"
	graph := linux + "\n\n0\n"
	for i, name := range []string{"old", "middle", "new"} {
		item := fmt.Sprintf("0000000000000000000000000000000%d-system", i+2)
		write(t, filepath.Join(dir, "store", item, "parameters"), strings.Replace(guixParameters, "Linux-Libre 6.1", "Linux-Libre "+name, 1))
		graph += "/gnu/store/" + item + "\n\n1\n" + linux + "\n"
	}
	write(t, filepath.Join(dir, "store/00000000000000000000000000000001-linux/bzImage"), "kernel")
	write(t, filepath.Join(dir, "store/00000000000000000000000000000001-linux/initrd"), "initrd")
	write(t, filepath.Join(dir, "graph"), graph)
	p, err := plan(t, dir, `name: guix
system: /gnu/store/00000000000000000000000000000004-system
store: {flavour: guix, closures: [{graph: graph, from: store}]}
disk:
  table: mbr
  partitions:
    - {name: root, filesystem: ext4, label: Guix_image, contents: {store: true}}
bootloader:
  grub: [bios]
  console: [ttyS0]
  generations: [/gnu/store/00000000000000000000000000000002-system, {number: 5, path: /gnu/store/00000000000000000000000000000003-system}]
`)
	if err != nil {
		t.Fatal(err)
	}
	root := readRoot(t, p)
	checkMenu(t, "guix.cfg", menuOf(t, root))
	if n := root.Lookup("/var/guix/profiles/system"); n == nil || n.Link != "system-6-link" {
		t.Errorf("the profile is %+v; want a link to system-6-link", n)
	}
}

const secretScript = `#!/bin/bash -e
if [ x ]; then
  exit 0
fi

mkdir -p $(dirname "$tmp/.initrd-secrets//etc/key")
cp -a /root/key "$tmp/.initrd-secrets//etc/key"
mkdir -p $(dirname "$tmp/.initrd-secrets//etc/other")
cp -a /root/other "$tmp/.initrd-secrets//etc/other"
`

// TestInitrdSecrets packs the secrets of a system into an initial RAM disk of their own.
func TestInitrdSecrets(t *testing.T) {
	dir := t.TempDir()
	systems(t, dir, 2)
	write(t, filepath.Join(dir, "store", filepath.Base(store32(2, "system")), "append-initrd-secrets"), secretScript)
	write(t, filepath.Join(dir, "key"), "the key\n")
	write(t, filepath.Join(dir, "empty"), "")
	recipe := func(system string) string {
		return strings.Replace(generationsRecipe[:strings.Index(generationsRecipe, "  generations:")], "system: "+store32(3, "system"), "lint: {ignore: [fstab-missing]}\nsystem: "+system, 1)
	}
	with := recipe("{path: " + store32(2, "system") + ", initrd-secrets: {/etc/key: {file: key}, /etc/other: {environment: OTHER}}}")
	planIn := func(text string, env map[string]string) (*Plan, error) {
		r, err := recipes.Parse("test.yaml", dir, []byte(text), nil)
		if err != nil {
			return nil, err
		}
		return New(t.Context(), r, Host{Path: filepath.SplitList(os.Getenv("PATH")), Getenv: func(name string) (string, bool) { v, ok := env[name]; return v, ok }})
	}
	p, err := planIn(with, map[string]string{"OTHER": "another"})
	if err != nil {
		t.Fatal(err)
	}
	root := readRoot(t, p)
	const place = "/boot/kernels/00000000000000000000000000000002-system-secrets"
	n := root.Lookup(place)
	if n == nil || n.Mode.Perm() != 0o600 || n.UID != 0 {
		t.Fatalf("%s = %+v; want a file of root's alone", place, n)
	}
	archive, err := image.ReadAll(n.Data)
	if err != nil {
		t.Fatal(err)
	}
	cpio := exec.Command(fstest.Judge(t, "cpio", "cpio"), "--quiet", "-itv")
	cpio.Stdin = strings.NewReader(string(archive))
	list, err := cpio.Output()
	if err != nil || !strings.Contains(string(list), ".initrd-secrets/etc/key") || strings.Count(string(list), "-rw-------") != 2 || !strings.Contains(string(archive), "the key\n") {
		t.Errorf("the archive: %v\n%s", err, list)
	}
	if text := menuOf(t, root); !strings.Contains(text, "initrd "+store32(2, "system")+"/initrd "+place+"\n") {
		t.Errorf("the menu:\n%s", text)
	}
	if !strings.Contains(p.Secret, place) || len(p.Warnings) != 0 {
		t.Errorf("Secret = %q, warnings %q", p.Secret, p.Warnings)
	}

	r, err := recipes.Parse("test.yaml", dir, []byte(recipe(store32(2, "system"))), []string{"system.initrd-secrets={/etc/key: {file: key}}"})
	if err != nil || string(r.System.Path) != store32(2, "system") || r.System.InitrdSecrets["/etc/key"].File.Text != "key" {
		t.Errorf("overridden: %+v, %v", r, err)
	}
	p, err = planIn(recipe(store32(2, "system")), nil)
	if err != nil || p.Secret != "" || len(p.Warnings) != 1 || !strings.Contains(p.Warnings[0], "system.initrd-secrets") || !strings.Contains(p.Warnings[0], "/etc/key (/root/key ") {
		t.Errorf("without its secrets: %v; secret %q, warnings %q", err, p.Secret, p.Warnings)
	}
	// One warning is enough for generations that want the same.
	write(t, filepath.Join(dir, "store", filepath.Base(store32(1, "system")), "append-initrd-secrets"), secretScript)
	p, err = planIn(recipe(store32(2, "system"))+"  generations: ["+store32(1, "system")+"]\n", nil)
	if err != nil || len(p.Warnings) != 1 || !strings.Contains(p.Warnings[0], "system and 1 other system want secrets") {
		t.Errorf("two systems without their secrets: %v; warnings %q", err, p.Warnings)
	}
	if err := os.Remove(filepath.Join(dir, "store", filepath.Base(store32(1, "system")), "append-initrd-secrets")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, text, want string }{
		{"no file", strings.Replace(with, "file: key", "file: gone", 1), "system.initrd-secrets./etc/key: secret /etc/key: open "},
		{"no variable", with, "system.initrd-secrets./etc/other: secret /etc/other: the variable OTHER, which has the secret, is not set"},
		{"empty", strings.Replace(with, "{environment: OTHER}", "{file: empty}", 1), "secret /etc/other: it is empty"},
		{"unknown", strings.Replace(strings.Replace(with, "/etc/key:", "/etc/keys:", 1), "{environment: OTHER}", "{file: key}", 1), "system.initrd-secrets./etc/keys: the system wants no such secret in its initial RAM disk, but /etc/key, /etc/other"},
		{"none wanted", recipe("{path: " + store32(1, "system") + ", initrd-secrets: {/a: {file: key}}}"), "the system has no secrets in its initial RAM disk"},
		{"relative", recipe("{path: " + store32(1, "system") + ", initrd-secrets: {a: {file: key}}}"), `"a" is not an absolute path`},
		{"itself", recipe("{path: " + store32(1, "system") + ", initrd-secrets: {/a: hunter2}}"), "a secret itself has no place in a recipe"},
		{"both", recipe("{path: " + store32(1, "system") + ", initrd-secrets: {/a: {file: key, environment: X}}}"), "either from a file or from a variable"},
		{"made", recipe("{kernel: host, initrd-secrets: {/a: {file: key}}}"), "system.initrd-secrets: is for a NixOS system, which path names"},
	} {
		if _, err := planIn(c.text, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want an error with %q", c.name, err, c.want)
		}
	}
}

// TestDeviceTree: a board gets the device tree that the system's bootspec names, beside its
// kernel; a PC has none.
func TestDeviceTree(t *testing.T) {
	dir := t.TempDir()
	systems(t, dir, 1)
	top := store32(1, "system")
	write(t, filepath.Join(dir, "store", filepath.Base(top), "board.dtb"), "tree")
	write(t, filepath.Join(dir, "store", filepath.Base(top), "boot.json"), fmt.Sprintf(`{"org.nixos.bootspec.v1": {"init": "%[1]s/init", "initrd": "%[1]s/initrd", "kernel": "%[1]s/kernel",
 "kernelParams": ["number=1"], "label": "NixOS", "system": "aarch64-linux", "toplevel": "%[1]s"}, "org.nixos.specialisation.v1": {}, "org.nixos.systemd-boot": {"sortKey": "nixos", "devicetree": "%[1]s/board.dtb"}}`, top))
	for arch, want := range map[string]string{"aarch64": "/kernels/00000000000000000000000000000001-system-board.dtb", "x86_64": ""} {
		r, err := recipes.Parse("test.yaml", dir, fmt.Appendf(nil, `name: board
arch: %s
system: %s
store: {closures: [{graph: graph, from: store}]}
disk:
  partitions:
    - {name: boot, filesystem: ext4, mount: /boot, size: 8MiB}
    - {name: root, filesystem: ext4, contents: {store: true}}
`, arch, top), nil)
		if err != nil {
			t.Fatal(err)
		}
		p := newPlanner(r)
		if err := p.fill(t.Context(), Host{}); err != nil {
			t.Fatal(err)
		}
		m, err := p.menu(0)
		if err != nil || len(m.Entries) != 1 || m.Entries[0].DeviceTree != want || want != "" && p.trees[0].Lookup(want) == nil || len(p.out.Warnings) != 0 {
			t.Errorf("%s: menu() = %+v, %v, warnings %q; want the device tree %q", arch, m.Entries, err, p.out.Warnings, want)
		}
	}
}

// TestGoesOn lists what the tools of a running NixOS look for on its disk.
func TestGoesOn(t *testing.T) {
	dir := t.TempDir()
	systems(t, dir, 3)
	p, err := plan(t, dir, generationsRecipe)
	if err != nil {
		t.Fatal(err)
	}
	root := readRoot(t, p)
	for name, want := range map[string]string{
		"/etc/NIXOS":                            "-rw-r--r-- 0 0", // switch-to-configuration refuses to work without it
		"/nix/store":                            "dtrwxrwxr-x 0 30000",
		"/nix/var/nix/profiles/system":          "Lrwxrwxrwx 0 0 system-3-link",
		"/nix/var/nix/gcroots/profiles":         "Lrwxrwxrwx 0 0 /nix/var/nix/profiles",
		"/nix/var/nix/profiles/per-user/root":   "drwxr-xr-x 0 0",
		"/nix/var/nix/gcroots/per-user/root":    "drwxr-xr-x 0 0",
		"/nix/var/nix/temproots":                "drwxr-xr-x 0 0",
		"/nix/var/nix/db/db.sqlite":             "-rw-r--r-- 0 0",
		"/boot/grub/state":                      "", // see systems.go
		"/etc/machine-id":                       "", // systemd makes it at the first boot
		"/run/current-system":                   "",
		"/nix/var/nix/gcroots/current-system":   "", // the activation's
		"/nix-path-registration":                "",
		"/nix/var/nix/profiles/system-4-link":   "",
		"/nix/var/nix/profiles/system-profiles": "",
	} {
		got := ""
		if n := root.Lookup(name); n != nil {
			got = strings.TrimSpace(fmt.Sprintf("%v %d %d %s", n.Mode, n.UID, n.GID, n.Link))
		}
		if got != want {
			t.Errorf("%s: %q; want %q", name, got, want)
		}
	}
}
