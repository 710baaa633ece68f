package guixtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/bootloader/system"
	"ingot/image"
)

// TestParameters has Guix write the boot parameters of systems on roots of all kinds,
// and compares the entries that Guix makes of them with ingot's.
func TestParameters(t *testing.T) {
	c := source(t)
	out := c.run(t, "guix repl -- /mnt/entries.scm")
	entries := strings.Split(strings.TrimSuffix(out, "\n\n"), "\n\n")
	if len(entries) < 8 {
		t.Fatalf("entries.scm printed %d entries:\n%s", len(entries), out)
	}
	for i, entry := range entries {
		lines := strings.Split(entry, "\n")
		toplevel := fmt.Sprintf("/mnt/systems/%d", i)
		text, err := os.ReadFile(filepath.Join(c.shared, "systems", fmt.Sprint(i), "parameters"))
		if err != nil {
			t.Fatal(err)
		}
		tree := image.NewTree()
		for name, text := range map[string]string{lines[1]: "kernel", lines[2]: "initrd", toplevel + "/parameters": string(text)} {
			if err := tree.Put(name, image.NewFile(0o444, image.Bytes(text))); err != nil {
				t.Fatal(err)
			}
		}
		s, err := system.Read(tree.Lookup, toplevel)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		e := s.Entry
		got := append([]string{e.Title, e.Kernel}, e.Initrd...)
		got = append(got, strings.Join(e.Arguments, " "))
		// Guix's arguments go through GRUB's shell, which takes quotes away.
		want := append(lines[:3:3], strings.ReplaceAll(strings.Join(lines[3:], " "), `"`, ""))
		if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
			t.Errorf("%s:\n%s", text, differences(g, w))
		}
	}
}
