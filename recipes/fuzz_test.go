package recipes

import (
	"strings"
	"testing"
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
		if err != nil && !strings.HasPrefix(err.Error(), "in.yaml") && !strings.HasPrefix(err.Error(), "override ") {
			t.Errorf("the error does not say where: %v", err)
		}
	})
}
