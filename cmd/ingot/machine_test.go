package main

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"ingot/storedb/closures"
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
		{sourceFlags{Source: closures.Source{Paths: []string{item}}}, "hello-2.12"},
		{sourceFlags{Source: closures.Source{Paths: []string{item}, Graphs: []string{"a.graph"}}}, "hello-2.12"},
		{sourceFlags{Source: closures.Source{Graphs: []string{"x/web.graph"}, Registrations: []string{"registration"}}}, "web"},
		{sourceFlags{Source: closures.Source{Graphs: []string{"-"}}}, "closure"},
		{sourceFlags{Source: closures.Source{Graphs: []string{fifo}}}, "closure"},
		{sourceFlags{Source: closures.Source{Registrations: []string{"my registration"}}}, "my-registration"},
		{sourceFlags{adds: []string{"motd=./x"}}, "motd"},
		{sourceFlags{unpacks: []string{"./linux.deb"}}, "linux.deb"},
	} {
		if got := c.sources.machineName(); got != c.want {
			t.Errorf("machineName of %q %q = %q; want %q", c.sources.Paths, c.sources.Graphs, got, c.want)
		}
	}
	var named sourceFlags
	if err := named.addArgs(t.Context(), []string{link}); err != nil || named.machineName() != "hello-2.12" {
		t.Errorf("machineName of a link to a store path = %q, %v; want hello-2.12", named.machineName(), err)
	}
}
