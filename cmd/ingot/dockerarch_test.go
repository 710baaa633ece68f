package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDockerArchOfRecipe: the image of a recipe's files is for the recipe's architecture,
// unless --arch says another.
func TestDockerArchOfRecipe(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ recipe, flag, want string }{
		{"x86_64", "", "amd64"}, {"i686", "", "386"}, {"aarch64", "", "arm64"}, {"armhf", "", "arm"}, {"riscv64", "", "riscv64"}, {"aarch64", "amd64", "amd64"},
	} {
		name := filepath.Join(dir, "of.yaml")
		text := "name: of\narch: " + c.recipe + "\ndisk: {partitions: [{name: root, filesystem: ext4, contents: {files: [{path: /a, text: x}]}}]}\n"
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		args := []string{"convert", name, "-q", "--format", "docker", "-o", filepath.Join(dir, "out.tar")}
		if c.flag != "" {
			args = append(args, "--arch", c.flag)
		}
		code, _, errout := ingot(args...)
		archive, err := os.ReadFile(filepath.Join(dir, "out.tar"))
		if want := `"architecture":"` + c.want + `"`; code != 0 || err != nil || !strings.Contains(string(archive), want) {
			t.Errorf("arch: %s, --arch %q: status %d, %s, %v; want %s in the archive", c.recipe, c.flag, code, errout, err, want)
		}
	}
}
