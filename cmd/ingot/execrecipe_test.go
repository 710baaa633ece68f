package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/bootloader/kernel"
	"ingot/tests/testenv"
)

// storeName makes the name of a store item.
func storeName(number int, name string) string { return fmt.Sprintf("%032d-%s", number, name) }

// link makes a symlink in the workplace's folder.
func (s *workplace) link(target, name string) {
	s.t.Helper()
	if err := os.Symlink(target, filepath.Join(s.dir, name)); err != nil {
		s.t.Fatal(err)
	}
}

// nixOS lays out a system as NixOS does, in a folder that is not /nix/store: what holds
// the modules together leads by absolute symlinks to where they are.
func (s *workplace) nixOS() (k *kernel.Kernel) {
	s.t.Helper()
	k, err := kernel.Find(testenv.Kernel(s.t))
	if err != nil {
		s.t.Fatal(err)
	}
	copied := func(from, to string) {
		data, err := os.ReadFile(from)
		if err != nil {
			s.t.Fatal(err)
		}
		s.file(to, string(data))
	}
	linux, aggregate, system := storeName(1, "linux"), storeName(2, "kernel-modules"), storeName(3, "nixos-system")
	copied(k.Path, "store/"+linux+"/bzImage")
	modules, err := k.Closure("virtio_pci", "virtio_console", "virtio_blk", "ext4", "overlay", "loop")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, m := range modules {
		copied(m.Path, filepath.Join("store", linux, "lib/modules", k.Release, m.Rel))
	}
	below := filepath.Join("lib/modules", k.Release)
	copied(filepath.Join(k.ModulesDir, "modules.builtin"), filepath.Join("store", aggregate, below, "modules.builtin"))
	s.link(filepath.Join("/nix/store", linux, below, "kernel"), filepath.Join("store", aggregate, below, "kernel"))
	s.link("/where/it/was/built", filepath.Join("store", aggregate, below, "build"))
	s.file("store/"+system+"/init", "#!/bin/sh\n")
	s.file("store/"+system+"/kernel-params", "quiet")
	s.link("/nix/store/"+linux+"/bzImage", "store/"+system+"/kernel")
	s.link("/nix/store/"+aggregate, "store/"+system+"/kernel-modules")
	var graph strings.Builder
	for _, item := range []string{linux, aggregate, system} {
		fmt.Fprintf(&graph, "/nix/store/%s\n\n0\n", item)
	}
	s.file("graph", graph.String())
	s.file("system.yaml", `name: system
system: /nix/store/`+system+`
store: {closures: [{graph: graph, from: store}]}
disk: {partitions: [{name: root, filesystem: ext4, contents: {store: true}}]}
`)
	return k
}

// TestExecRecipe runs a command with the kernel and the store of a recipe that nobody has
// built, on a machine without a kernel of its own.
func TestExecRecipe(t *testing.T) {
	s := newWorkplace(t)
	k := s.nixOS()
	s.env = append(s.env, "INGOT_KERNEL=/nonesuch")
	stdout, stderr, status := s.run("", "--recipe", "system.yaml",
		"uname -r; ls /nix/store; modprobe loop && lsmod | grep -c ^loop; test -s /nix/var/nix/db/db.sqlite && echo a database; echo new > /nix/store/new; exit 42")
	want := strings.Join([]string{k.Release, storeName(1, "linux"), storeName(2, "kernel-modules"), storeName(3, "nixos-system"), "1", "a database", ""}, "\n")
	if stdout != want || status != 42 {
		t.Errorf("printed %q, status %d; want %q, 42\n%s", stdout, status, want, stderr)
	}

	const data = "name: data\ndisk: {partitions: [{name: data, filesystem: ext4, size: 8MiB}]}\n"
	s.file("data.yaml", data)
	if err := os.MkdirAll(filepath.Join(s.dir, "store", storeName(2, "kernel-modules"), "lib/modules/6.99"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		want   string
		status int
		args   []string
	}{
		{"--recipe data.yaml: the recipe has neither a system nor an entry of a menu: there is no kernel to boot; --kernel PATH names another", 125, []string{"--recipe", "data.yaml", "true"}},
		{"--recipe system.yaml: modules: /nix/store/" + storeName(3, "nixos-system") + "/kernel-modules/lib/modules has those of 2 kernels", 125, []string{"--recipe", "system.yaml", "true"}},
		{"exec: --set needs --recipe", 2, []string{"--set", "name=x", "true"}},
		{"nonesuch.yaml", 125, []string{"--recipe", "nonesuch.yaml", "true"}},
		{`exec: --set disc: unknown key`, 2, []string{"--recipe", "data.yaml", "--set", "disc=1", "true"}},
	} {
		if stdout, stderr, status := s.run("", x.args...); status != x.status || !strings.Contains(stderr, x.want) || stdout != "" {
			t.Errorf("exec %q: status %d, %s%s; want %d and %q", x.args, status, stdout, stderr, x.status, x.want)
		}
	}
	// Flags go before the recipe.
	stdout, stderr, status = s.run("", "--recipe", "data.yaml", "--kernel", "kernel", "--dry-run", "true")
	if status != 0 || !strings.Contains(stdout, "/kernel/boot/vmlinuz-"+k.Release) || strings.Contains(stdout, "serial=") {
		t.Errorf("a kernel of another place, and no store: status %d, %s%s", status, stdout, stderr)
	}
}
