package plan

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ingot/image"
	"ingot/partition/ext4"
	"ingot/recipes"
	"ingot/tests/fstest"
)

// store32 is a store path whose hash is the number n.
func store32(n int, name string) string { return fmt.Sprintf("/nix/store/%032d-%s", n, name) }

// systems writes n small systems in NixOS's layout into dir/store, and their graph.
func systems(t *testing.T, dir string, n int) {
	t.Helper()
	var graph strings.Builder
	for i := 1; i <= n; i++ {
		path := store32(i, "system")
		fmt.Fprintf(&graph, "%s\n\n0\n", path)
		smallSystem(t, dir, path, fmt.Sprintf("number=%d", i), fmt.Sprintf("24.%02d", i))
	}
	write(t, filepath.Join(dir, "graph"), graph.String())
}

// smallSystem writes one of them, with its kernel's parameters and its version.
func smallSystem(t *testing.T, dir, path, parameters, version string) {
	t.Helper()
	for name, text := range map[string]string{
		"kernel": "kernel", "initrd": "initrd", "init": "#!/bin/sh\n", "kernel-params": parameters, "nixos-version": version,
	} {
		write(t, filepath.Join(dir, "store", filepath.Base(path), name), text)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

const generationsRecipe = `name: generations
system: /nix/store/00000000000000000000000000000003-system
store:
  closures: [{graph: graph, from: store}]
disk:
  table: mbr
  partitions:
    - {name: root, filesystem: ext4, contents: {store: true}}
bootloader:
  grub: [bios]
  console: [ttyS0]
  generations:
    - /nix/store/00000000000000000000000000000001-system
    - /nix/store/00000000000000000000000000000002-system
`

// plan plans a recipe with the host's tools.
func plan(t *testing.T, dir, text string, set ...string) (*Plan, error) {
	t.Helper()
	fstest.Judge(t, "grub-mkimage", "grub-common")
	r, err := recipes.Parse("test.yaml", dir, []byte(text), set)
	if err != nil {
		return nil, err
	}
	return New(t.Context(), r, Host{Path: filepath.SplitList(os.Getenv("PATH"))})
}

// readRoot reads the tree of the disk's only partition back.
func readRoot(t *testing.T, p *Plan) *image.Tree {
	t.Helper()
	content := p.Disk.Partitions[0].Content
	fs, err := ext4.Open(content, content.Size())
	if err != nil {
		t.Fatal(err)
	}
	tree, err := fs.Tree()
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// TestDefaultSpelledOut: a default that is the first entry all the same gives the same image.
func TestDefaultSpelledOut(t *testing.T) {
	dir := t.TempDir()
	systems(t, dir, 3)
	own := "  entries: [{title: Other, system: " + store32(2, "system") + "}]\n"
	for what, text := range map[string]string{
		"the system's": strings.Replace(generationsRecipe, "  generations:", own+"DEFAULT  generations:", 1),
		"the recipe's": "name: entries\n" + strings.Replace(generationsRecipe[strings.Index(generationsRecipe, "store:"):strings.Index(generationsRecipe, "  generations:")], "  console", own+"DEFAULT  console", 1),
	} {
		titled := func(title string) string {
			line := ""
			if title != "" {
				line = "  default: '" + title + "'\n"
			}
			p, err := plan(t, dir, strings.Replace(text, "DEFAULT", line, 1))
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			return digest(t, p)
		}
		first, other := "NixOS 24.03", "Other"
		if what == "the recipe's" {
			first, other = "Other", ""
		}
		want := titled("")
		if got := titled(first); got != want {
			t.Errorf("%s: default: %s gives another image than none", what, first)
		}
		if other != "" && titled(other) == want {
			t.Errorf("%s: default: %s gives the same image as none", what, other)
		}
	}
}

func TestGenerations(t *testing.T) {
	dir := t.TempDir()
	systems(t, dir, 3)
	p, err := plan(t, dir, generationsRecipe)
	if err != nil {
		t.Fatal(err)
	}
	root := readRoot(t, p)
	for i := 1; i <= 3; i++ {
		name := fmt.Sprintf("/nix/var/nix/profiles/system-%d-link", i)
		if n := root.Lookup(name); n == nil || n.Link != store32(i, "system") {
			t.Errorf("%s = %+v; want a link to %s", name, n, store32(i, "system"))
		}
	}
	if n := root.Lookup("/nix/var/nix/profiles/system"); n == nil || n.Link != "system-3-link" {
		t.Errorf("the profile is %+v; want a link to system-3-link", n)
	}
	text := menuOf(t, root)
	check := fstest.Judge(t, "grub-script-check", "grub-common")
	cmd := exec.Command(check)
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("grub-script-check: %v\n%s\n%s", err, out, text)
	}
	// In this order: the default, the submenu, the newest generation, the oldest.
	rest := text
	for _, want := range []string{
		"set default=entry-1", "menuentry 'NixOS 24.03' --id entry-1", "number=3",
		"submenu 'NixOS - All configurations'",
		"menuentry 'NixOS - Configuration 3 (24.03)' --id generation-3", "number=3",
		"menuentry 'NixOS - Configuration 2 (24.02)' --id generation-2", "number=2",
		"menuentry 'NixOS - Configuration 1 (24.01)' --id generation-1", "number=1", "console=ttyS0",
	} {
		_, after, ok := strings.Cut(rest, want)
		if !ok {
			t.Fatalf("the menu has no %q at its place:\n%s", want, text)
		}
		rest = after
	}
}

func menuOf(t *testing.T, root *image.Tree) string {
	t.Helper()
	n := root.Lookup("/boot/grub/grub.cfg")
	if n == nil {
		t.Fatal("there is no /boot/grub/grub.cfg")
	}
	text := make([]byte, n.Size())
	if _, err := n.Data.ReadAt(text, 0); err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestOldGenerationBoots(t *testing.T) {
	dir := t.TempDir()
	systems(t, dir, 3)
	p, err := plan(t, dir, generationsRecipe, "bootloader.default=NixOS - Configuration 2 (24.02)")
	if err != nil {
		t.Fatal(err)
	}
	if text, want := menuOf(t, readRoot(t, p)), "set default='submenu-1>generation-2'"; !strings.Contains(text, want) {
		t.Errorf("the menu has no %q:\n%s", want, text)
	}
}

func TestGenerationErrors(t *testing.T) {
	dir := t.TempDir()
	systems(t, dir, 3)
	for _, c := range []struct {
		name, old, new, want string
	}{
		{"not in the store", "00000002-system\n", "00000009-system\n",
			"test.yaml:14:7: bootloader.generations[1]: /nix/store/00000000000000000000000000000009-system is not in the closures of the store"},
		{"no system", "system: /nix/store/00000000000000000000000000000003-system\n", "",
			"bootloader.generations: come before the recipe's system, and there is no system"},
		{"a profile too", "store:\n", "store:\n  profile: /nix/store/00000000000000000000000000000001-system\n",
			"bootloader.generations: make the system profile, and so does store.profile; leave one of them out"},
		{"numbers", "    - /nix/store/00000000000000000000000000000002-system\n", "    - {number: 1, path: /nix/store/00000000000000000000000000000002-system}\n",
			"bootloader.generations[1]: has the number 1, and the generation before it 1: numbers grow"},
		{"a large number", "    - /nix/store/00000000000000000000000000000002-system\n", "    - {number: 2147483647, path: /nix/store/00000000000000000000000000000002-system}\n",
			"bootloader.generations: the profile has the generation 2147483648 behind 2147483647"},
		{"no path", "    - /nix/store/00000000000000000000000000000002-system\n", "    - {number: 7}\n", "bootloader.generations[1].path: is missing"},
		{"no loader", "  grub: [bios]\n", "", "bootloader: has no grub"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(generationsRecipe, c.old, c.new, 1)
			if text == generationsRecipe {
				t.Fatalf("%q is not in the recipe", c.old)
			}
			_, err := plan(t, dir, text)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Plan = %v\nwant %s", err, c.want)
			}
		})
	}
}

// TestNumberedGenerations takes over the generations of a profile with their numbers, of which
// some are missing, and one that is not the last is current.
func TestNumberedGenerations(t *testing.T) {
	dir := t.TempDir()
	systems(t, dir, 3)
	list := fmt.Sprintf("  generations: [{number: 7, path: %s}, {number: 12, path: %s}, {number: 13, path: %s}]\n", store32(1, "system"), store32(3, "system"), store32(2, "system"))
	p, err := plan(t, dir, generationsRecipe[:strings.Index(generationsRecipe, "  generations:")]+list)
	if err != nil {
		t.Fatal(err)
	}
	root := readRoot(t, p)
	for name, want := range map[string]string{"system": "system-12-link", "system-7-link": store32(1, "system"), "system-12-link": store32(3, "system"), "system-13-link": store32(2, "system")} {
		if n := root.Lookup("/nix/var/nix/profiles/" + name); n == nil || n.Link != want {
			t.Errorf("%s = %+v; want a link to %s", name, n, want)
		}
	}
	text := menuOf(t, root)
	for _, want := range []string{"'NixOS - Configuration 13 (24.02)' --id generation-13", "'NixOS - Configuration 7 (24.01)' --id generation-7"} {
		if !strings.Contains(text, want) {
			t.Errorf("the menu has no %s:\n%s", want, text)
		}
	}
	if n := strings.Count(text, "menuentry"); n != 4 {
		t.Errorf("the menu has %d entries; want 4", n)
	}
	// A configuration that came back is two generations; the last of them is current.
	list = fmt.Sprintf("  generations: [{number: 7, path: %s}, {number: 8, path: %s}, {number: 9, path: %[1]s}]\n", store32(3, "system"), store32(1, "system"))
	specialised(t, dir, "debug", 3)
	p, err = plan(t, dir, generationsRecipe[:strings.Index(generationsRecipe, "  generations:")]+list)
	if err != nil {
		t.Fatal(err)
	}
	root = readRoot(t, p)
	if n := root.Lookup("/nix/var/nix/profiles/system"); n == nil || n.Link != "system-9-link" {
		t.Errorf("the profile is %+v; want a link to system-9-link", n)
	}
	if text, n := menuOf(t, root), 3; strings.Count(text, "variant=3") != n || strings.Count(text, "menuentry") != 7 {
		t.Errorf("the menu has not %d entries of the specialisation:\n%s", n, text)
	}
}
