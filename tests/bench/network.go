package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// startRecipe is a system that powers itself off once it is up.
const startRecipe = `name: start
system: {kernel: %q}
disk:
  partitions:
    - name: root
      filesystem: ext4
      contents: {store: true, files: [{path: /etc/rc, mode: 0755, text: "#!/bin/sh\npoweroff\n"}]}
`

// network starts two machines together, against one alone: from the command to the
// power-off of the last.
func (b *bench) network() error {
	kernel := filepath.Join(filepath.Dir(b.ingot), "kernel")
	if _, err := os.Stat(kernel); err != nil {
		fmt.Printf("\nnetwork: left out, since there is no kernel in %s\n", kernel)
		return nil
	}
	dir, err := os.MkdirTemp("", "network") // a socket's path is short
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Setenv("XDG_RUNTIME_DIR", dir); err != nil {
		return err
	}
	for name, text := range map[string]string{
		"start.yaml": fmt.Sprintf(startRecipe, kernel),
		"two.yaml":   "machines: {a: {recipe: start.yaml}, b: {recipe: start.yaml}}\n",
		"one.yaml":   "machines: {a: {recipe: start.yaml}}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	file := func(name string) []string {
		return []string{"sh", "-c", `"$1" network "$2" > /dev/null`, "sh", b.ingot, filepath.Join(dir, name)}
	}
	results, err := race(b.runs, []contestant{
		{name: "two machines", args: file("two.yaml")},
		{name: "one machine", args: file("one.yaml"), aim: 1 / 1.3},
	})
	if err != nil {
		return err
	}
	table(os.Stdout, "network: machines from the command to their power-off, emulated (TCG)", results)
	return nil
}
