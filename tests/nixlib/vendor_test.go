package nixlib

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"ingot/image"
	"ingot/storedb"
	"ingot/tests/testenv"
)

var update = flag.Bool("update", false, "write vendorHash and the list of options")

// TestVendorHash compares the hash in package.nix with that of what go mod vendor writes: nixpkgs'
// buildGoModule (pkgs/build-support/go/module.nix) vendors in a derivation with a fixed output, and
// refuses another hash. It takes the modules from Go's cache, or from the network, as a build does.
func TestVendorHash(t *testing.T) {
	root := testenv.Root(t)
	dir := filepath.Join(t.TempDir(), "vendor")
	cmd := exec.Command("go", "mod", "vendor", "-o", dir)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go mod vendor: %v\n%s", err, out)
	}
	tree, err := image.Scan(dir, image.ScanOptions{})
	must(t, err)
	sum, _, err := storedb.HashNAR(tree)
	must(t, err)
	want := sum.SRI()

	file := filepath.Join(root, "nix/package.nix")
	text, err := os.ReadFile(file)
	must(t, err)
	hash := regexp.MustCompile(`vendorHash = "(.*)";`)
	got := hash.FindSubmatch(text)
	if got == nil {
		t.Fatal("nix/package.nix has no vendorHash")
	}
	if string(got[1]) == want {
		return
	}
	if *update {
		must(t, os.WriteFile(file, bytes.Replace(text, got[1], []byte(want), 1), 0o644))
		// Guix's package has it in its own form; tests/guixtest compares the two.
		file = filepath.Join(root, "guix/ingot/package.scm")
		text, err = os.ReadFile(file)
		must(t, err)
		text = regexp.MustCompile(`(%vendor-hash ")[^"]*`).ReplaceAll(text, []byte("${1}"+sum.Base32()))
		must(t, os.WriteFile(file, text, 0o644))
		return
	}
	t.Errorf("nix/package.nix: vendorHash is %s; want %s: go test ./tests/nixlib -run TestVendorHash -update", got[1], want)
}
