package main

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMachineName calls machines after what they show.
func TestMachineName(t *testing.T) {
	const item = "/nix/store/7bwi59mknz4x4zhk8vq6q1fvxv4zabcd-hello-2.12"
	dir := t.TempDir()
	fifo, link := filepath.Join(dir, "63"), filepath.Join(dir, "result")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(item, link); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		sources sourceFlags
		want    string
	}{
		{sourceFlags{}, "closure"},
		{sourceFlags{paths: storePaths{item}}, "hello-2.12"},
		{sourceFlags{paths: storePaths{item}, graphs: []string{"a.graph"}}, "hello-2.12"},
		{sourceFlags{graphs: []string{"x/web.graph"}, registrations: []string{"registration"}}, "web"},
		{sourceFlags{graphs: []string{"-"}}, "closure"},
		{sourceFlags{graphs: []string{fifo}}, "closure"},
		{sourceFlags{registrations: []string{"my registration"}}, "my-registration"},
		{sourceFlags{adds: []string{"motd=./x"}}, "motd"},
		{sourceFlags{unpacks: []string{"./linux.deb"}}, "linux.deb"},
	} {
		if got := c.sources.machineName(); got != c.want {
			t.Errorf("machineName of %q %q = %q; want %q", c.sources.paths, c.sources.graphs, got, c.want)
		}
	}
	var named sourceFlags
	if err := named.addArgs(t.Context(), []string{link}); err != nil || named.machineName() != "hello-2.12" {
		t.Errorf("machineName of a link to a store path = %q, %v; want hello-2.12", named.machineName(), err)
	}
}
