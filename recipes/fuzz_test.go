package recipes

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"ingot/vm/network"
)

// FuzzParse reads recipes, and overrides one of their keys. Errors are of one line each
// and say where, in the file or in what was set.
func FuzzParse(f *testing.F) {
	const web = "name: web\nkernel: {from: k}\ndisk:\n  size: 64MiB\n  partitions:\n    root: {filesystem: ext4, size: fit+8MiB}\noutput: qcow2\n"
	f.Add(web, "")
	f.Add(web, "disk.partitions.root.size=8GiB")
	f.Add(web, "output.compression=zstd")
	f.Add("closures: [{graph: g}]\nfiles:\n- {path: /etc/motd, text: hi, mode: \"0600\"}\nboot: {console: [ttyS0]}\n", "files[0].mode=0644")
	f.Add("a: &a [*a]\nb: !!binary x\n", "a[1].b=[1, {c: 2}]")
	f.Add("tests:\n- script: |\n    start\n    wait line /x/\n", "tests[0].name=x")
	f.Fuzz(func(t *testing.T, text, set string) {
		if len(text) > 4096 {
			return
		}
		var sets []string
		if set != "" {
			sets = []string{set}
		}
		r, err := Parse("in.yaml", ".", []byte(text), sets)
		if (r == nil) == (err == nil) {
			t.Fatalf("Parse = %v, %v", r, err)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "in.yaml") && !strings.HasPrefix(err.Error(), "--set ") {
			t.Errorf("the error does not say where: %v", err)
		}
	})
}

// FuzzNetwork reads files of networks, and plans the networks.
func FuzzNetwork(f *testing.F) {
	f.Add("machines:\n  client: {recipe: rescue, vlans: [1, 2]}\n  web: {recipe: web.yaml, forwards: [\"8080:80\"], addresses: {1: 10.0.0.1/24}}\nlinks:\n- {between: [client, web], state: delay 50ms loss 5%}\n")
	f.Add("machines: {a: {image: x.qcow2, memory: 1GiB, internet: true}}\nseed: 7\nlinks: [{between: [a], state: down}]\n")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4096 {
			return
		}
		var file network.File
		at, err := Decode("net.yaml", "network", []byte(text), &file)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "net.yaml") {
				t.Errorf("the error does not say where: %v", err)
			}
			return
		}
		plan, problems := file.Plan("net")
		for _, p := range problems {
			if err := at(p.Key, p.Err); !strings.HasPrefix(err.Error(), "net.yaml") {
				t.Errorf("the error does not say where: %v", err)
			}
		}
		if len(problems) > 0 {
			return
		}
		if got, want := len(plan.Machines), len(file.Machines); got != want {
			t.Errorf("%d machines are planned of %q", got, slices.Sorted(maps.Keys(file.Machines)))
		}
		seen := map[network.MAC]bool{}
		for _, m := range plan.Machines {
			for _, c := range m.Cards {
				if seen[c.MAC] {
					t.Errorf("two cards have the address %v", c.MAC)
				}
				seen[c.MAC] = true
			}
		}
	})
}
