package guest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/storedb"
)

func TestLiveWords(t *testing.T) {
	for _, x := range []struct {
		line string
		want live
		root bool
	}{
		{"quiet", live{}, false},
		{"root=LABEL=x", live{}, true},
		{"root=LABEL=x findiso=", live{}, true}, // as menus pass it that were not started out of a file
		{"ingot.live=/root.squashfs", live{image: "/root.squashfs"}, true},
		{"findiso=/x.iso copytoram", live{iso: "/x.iso", inMemory: true}, true},
		{"netroot=10.0.2.2=root.squashfs realroot=tmpfs", live{netroot: "10.0.2.2=root.squashfs", realroot: "tmpfs"}, true},
	} {
		c := parseCmdline(x.line)
		if got := c.live(); got != x.want || c.hasRoot() != x.root || got.none() != (x.want == live{}) {
			t.Errorf("live words of %q = %+v, a root %v; want %+v, %v", x.line, got, c.hasRoot(), x.want, x.root)
		}
	}
}

func TestInitPath(t *testing.T) {
	for line, want := range map[string]string{
		"": "", "init=/x": "/x", "systemConfig=/nix/store/a": "/nix/store/a/init", "systemConfig=/nix/store/a init=/nix/store/b/init": "/nix/store/b/init",
	} {
		s := system{cmdline: parseCmdline(line)}
		if got := s.initPath(); got != want {
			t.Errorf("init of %q = %q; want %q", line, got, want)
		}
	}
}

func TestStoreIn(t *testing.T) {
	const item = "0123456789abcdfghijklmnpqrsvwxyz-thing"
	for _, x := range []struct {
		name, folder, init string
		flavour            storedb.Flavour
		dir                string
		root               bool
	}{
		{"root of Nix", "nix/store/" + item, "", storedb.Nix, "/nix/store", true},
		{"root of Guix", "gnu/store/" + item, "", storedb.Guix, "/gnu/store", true},
		{"items", item, "/nix/store/" + item + "/init", storedb.Nix, "", false},
		{"items of Guix", item, "/gnu/store/" + item + "/boot", storedb.Guix, "", false},
		{"no store", "etc/init", "", storedb.Nix, "/nix/store", true},
		{"almost an item", "e" + item[1:], "", storedb.Nix, "/nix/store", true},
	} {
		lower := t.TempDir()
		if err := os.MkdirAll(filepath.Join(lower, x.folder), 0o755); err != nil {
			t.Fatal(err)
		}
		store, root := storeIn(lower, x.init)
		if store.flavour != x.flavour || store.dir != lower+x.dir || (root == lower) != x.root {
			t.Errorf("%s: store %+v, root %q; want %v at %s, a root %v", x.name, store, root, x.flavour, lower+x.dir, x.root)
		}
	}
}

func TestWithin(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "out")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/file", "file", "/../file", "//file"} {
		if got, err := within(dir, name); err != nil || got != filepath.Join(dir, "file") {
			t.Errorf("within(%s) = %s, %v; want the file", name, got, err)
		}
	}
	for _, name := range []string{"/none", "/out", "/"} {
		if got, err := within(dir, name); err == nil {
			t.Errorf("within(%s) = %s; want an error", name, got)
		}
	}
}

func TestNetrootRefused(t *testing.T) {
	for _, word := range []string{"10.0.2.2", "=file", "host="} {
		s := system{}
		if _, err := s.fetchRoot(word); err == nil || !strings.Contains(err.Error(), "is not HOST=FILE") {
			t.Errorf("netroot=%s: %v; want how it is written", word, err)
		}
	}
}
