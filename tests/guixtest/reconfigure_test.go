package guixtest

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/recipes"
	"ingot/recipes/plan"
	"ingot/tests/fstest"
	"ingot/vm"
)

// TestReconfigure makes a new generation in the root of a disk, by Guix's own code, and boots it;
// then 'guix system' rolls it back, and deletes it. Guix finds everything as if it had installed
// the system itself, and GRUB, as ingot has installed it, reads Guix's menu.
func TestReconfigure(t *testing.T) {
	if testing.Short() {
		t.Skip("boots guests without acceleration")
	}
	c := source(t)
	fstest.Judge(t, "qemu-system-x86_64", "qemu-system-x86")
	dir := t.TempDir()
	p := c.plan(t, dir, fmt.Sprintf(recipe, c.system, c.graph, filepath.Join(c.root, "gnu/store"), "mbr", "", "bios"))
	d := disk{path: filepath.Join(dir, "disk.raw"), root: filepath.Join(dir, "root.ext4"), start: p.Disk.Partitions[0].Start, size: p.Disk.Partitions[0].Size}
	if _, err := p.Emit(t.Context(), d.path, plan.EmitOptions{NoManifest: true}); err != nil {
		t.Fatal(err)
	}
	d.take(t)
	in := newPlace(t, d.root)
	c.addInputs(t, in)

	generations := func(want ...string) {
		t.Helper()
		out := in.run(t, "guix system list-generations")
		var got []string
		for line := range strings.Lines(out) {
			for _, field := range []string{"Generation ", "  canonical file name: ", "  label: ", "  bootloader: ", "  root device: "} {
				if strings.HasPrefix(line, field) {
					line = strings.TrimSpace(line)
					if number, rest, dated := strings.Cut(line, "\t"); dated {
						line = number
						if strings.Contains(rest, "(current)") {
							line += " (current)"
						}
					}
					got = append(got, line)
				}
			}
		}
		if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
			t.Errorf("guix system list-generations:\n%s", differences(g, w))
		}
	}
	of := func(number, system, label string) []string {
		return []string{"Generation " + number, "canonical file name: " + system, "label: " + label, "bootloader: grub", `root device: label: "guix-root"`}
	}
	const first = `GNU with "ingot"\λ`
	generations(of("1 (current)", c.system, first)...)

	tools := pathOf(t, c.items(t, false), "tools-1.0")
	system := lastLine(in.run(t, "guix repl -- /mnt/reconfigure.scm "+tools+" /mnt/root"))
	generations(append(of("1", c.system, first), of("2 (current)", system, "Reconfigured")...)...)
	verify := func() {
		t.Helper()
		if out := in.run(t, "guix gc >&2; guix gc --verify=contents 2>&1; ls -d "+c.system); strings.Contains(out, "error") || strings.Contains(out, "modified") {
			t.Errorf("guix gc --verify=contents: %s", out)
		}
	}
	verify()
	d.boots(t, system, system)

	in.run(t, "guix repl -- /mnt/guix-system.scm /mnt/root roll-back")
	generations(append(of("1 (current)", c.system, first), of("2", system, "Reconfigured")...)...)
	// Guix reads the parameters of an older generation by its link.
	d.boots(t, c.system, "/var/guix/profiles/system-1-link")

	in.run(t, "guix repl -- /mnt/guix-system.scm /mnt/root delete-generations 2")
	generations(of("1 (current)", c.system, first)...)
	verify()
	if out := in.run(t, "ls -d "+system+" 2>&1 || true"); !strings.Contains(out, "No such file") {
		t.Errorf("guix gc left the deleted generation %s", system)
	}
}

// disk is a disk whose root partition is also a file of its own, in turn.
type disk struct {
	path, root  string
	start, size int64
}

// take copies the root partition from the disk, and give back to it.
func (d disk) take(t testing.TB) { copyBytes(t, d.path, d.start, d.root, 0, d.size) }
func (d disk) give(t testing.TB) { copyBytes(t, d.root, 0, d.path, d.start, d.size) }

// boots boots the disk with the root as it is: a system starts, by a name of it.
func (d disk) boots(t *testing.T, system, name string) {
	t.Helper()
	d.give(t)
	m, err := vm.Start(t.Context(), vm.Config{Firmware: vm.BIOS, Disks: []vm.Disk{{Path: d.path}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Kill)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for _, want := range []string{"ingot-test: loaded " + system + "/boot", "ingot-test: system is " + name, "ingot-test: done"} {
		if _, err := m.WaitFor(ctx, want); err != nil {
			t.Fatal(err)
		}
	}
	if err := m.Wait(ctx); err != nil {
		t.Error(err)
	}
	d.take(t) // the guest has written to it
}

// plan plans a recipe, which has to be without warnings.
func (c *closure) plan(t testing.TB, dir, text string, set ...string) *plan.Plan {
	t.Helper()
	r, err := recipes.Parse("guix.yaml", dir, []byte(text), set)
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.New(t.Context(), r, plan.Host{Path: filepath.SplitList(os.Getenv("PATH"))})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Warnings) > 0 {
		t.Errorf("warnings: %q", p.Warnings)
	}
	return p
}

// addInputs puts the inputs of the closure where the scripts take them from, with what Guix's
// menus need of a GRUB.
func (c *closure) addInputs(t testing.TB, to place) {
	t.Helper()
	in := filepath.Join(to.shared, "input")
	if err := os.CopyFS(in, os.DirFS(filepath.Join(c.shared, "input"))); err != nil {
		t.Fatal(err)
	}
	messages := filepath.Join(in, "grub/share/locale/en@quot/LC_MESSAGES/grub.mo")
	if err := os.MkdirAll(filepath.Dir(messages), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(messages, nil, 0o644); err != nil {
		t.Fatal(err)
	}
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

// copyBytes copies a part of a file into another, or makes that.
func copyBytes(t testing.TB, from string, at int64, to string, start, size int64) {
	t.Helper()
	r, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.NewOffsetWriter(w, start), io.NewSectionReader(r, at, size)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}
