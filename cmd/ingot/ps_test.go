package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"ingot/vm/run"
)

// TestPrintMachines has what ps shows of machines: a table, and below each what leads into
// it, as it is to be typed.
func TestPrintMachines(t *testing.T) {
	started := time.Now()
	list := []run.Entry{
		{Name: "web", PID: 7, Started: started, Boot: "kernel", Memory: 512 << 20, What: "web.yaml", SSH: "ssh -i 'a key' -p 44239 root@127.0.0.1", Build: "nix-build --max-jobs 0"},
		{Name: "disk", PID: 12345, Started: started, Boot: "uefi", Memory: 1 << 30, What: "disk.img"},
	}
	var c cobra.Command
	var out bytes.Buffer
	c.SetOut(&out)
	if err := printMachines(&c, list); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	for i, want := range []string{"NAME ", "web ", "  ssh -i 'a key' -p 44239 root@127.0.0.1", "  nix-build --max-jobs 0", "disk ", ""} {
		if i >= len(lines) || !strings.HasPrefix(lines[i], want) {
			t.Errorf("line %d of\n%s\nwant %q", i+1, out.String(), want)
		}
	}
	if at := strings.Index(lines[0], "RUNS"); strings.Index(lines[1], "web.yaml") != at || strings.Index(lines[4], "disk.img") != at {
		t.Errorf("the columns do not stand one below the other:\n%s", out.String())
	}
}
