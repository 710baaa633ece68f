package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDangling gives links to nothing to what reads files, which says where they lead.
func TestDangling(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	const item = "/nix/store/00000000000000000000000000000000-gone"
	for name, target := range map[string]string{"result": item, "again": "result", "beside": "none", "loop": "loop"} {
		if err := os.Symlink(target, name); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ args, want string }{
		{"check ./result", "./result is a link to " + item + ", which is not there"},
		{"check again", "again is a link to " + item + ", which is not there"},
		{"check beside", "beside is a link to none, which is not there"},
		{"closure ./beside", "./beside is a link to none, which is not there"},
		{"closure --graph result", "result is a link to " + item + ", which is not there"},
		{"convert ./result -o x.qcow2", "./result is a link to " + item + ", which is not there"},
		{"check " + filepath.Join(dir, "result"), filepath.Join(dir, "result") + " is a link to " + item + ", which is not there"},
		{"check none", "none: no such file or directory"},
		{"check loop", "loop: too many levels of symbolic links"},
	} {
		code, _, errout := ingot(strings.Fields(c.args)...)
		if code == 0 || !strings.Contains(errout, c.want) || strings.Count(errout, "no such file") != strings.Count(c.want, "no such file") {
			t.Errorf("%s: status %d, %swant %s", c.args, code, errout, c.want)
		}
	}
}
