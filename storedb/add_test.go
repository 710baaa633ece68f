package storedb

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/image"
)

func TestAddPathIsWhatNixAdds(t *testing.T) {
	root := writable(t, t.TempDir())
	dir, scanned := onHost(t, odd(t))
	flat := filepath.Join(dir, "bin", "run")
	for _, c := range []struct {
		name, host string
		node       *image.Node
	}{
		{"tree", dir, scanned},
		{"run", flat, scanned.Child("bin").Child("run")},
		{"run", flat, image.NewFile(0o700, image.Bytes("#!/bin/sh\n"))}, // metadata do not count
	} {
		it, err := Nix.AddPath(c.name, c.node)
		if err != nil {
			t.Fatal(err)
		}
		want := strings.TrimSpace(nixStore(t, root, "", "--add", c.host))
		if it.Path != want {
			t.Errorf("AddPath(%s).Path = %s; want %s", c.name, it.Path, want)
		}
		row := sqlite(t, filepath.Join(root, Nix.DatabasePath()), "select hash, narSize, ca from ValidPaths where path = '"+want+"'")
		if got := it.NarHash.String() + "|" + itoa(it.NarSize) + "|" + it.CA; got != strings.TrimSpace(row) {
			t.Errorf("AddPath(%s) = %s; nix has %s", c.name, got, row)
		}
	}
}

func TestAddTextIsWhatNixAdds(t *testing.T) {
	root := writable(t, t.TempDir())
	expr := filepath.Join(t.TempDir(), "x.nix")
	text := `let a = builtins.toFile "a" "text\n"; in builtins.toFile "b" "see ${a}\n"`
	if err := os.WriteFile(expr, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	want := strings.Trim(nixTool(t, "nix-instantiate", root, "", "--eval", "--read-write-mode", expr), "\"\n")
	a, err := Nix.AddText("a", "text\n")
	if err != nil {
		t.Fatal(err)
	}
	b, err := Nix.AddText("b", "see "+a.Path+"\n", a.Path)
	if err != nil || b.Path != want {
		t.Errorf("AddText = %s, %v; want %s", b.Path, err, want)
	}
	row := sqlite(t, filepath.Join(root, Nix.DatabasePath()), "select hash, narSize, ca from ValidPaths where path = '"+want+"'")
	if got := b.NarHash.String() + "|" + itoa(b.NarSize) + "|" + b.CA; got != strings.TrimSpace(row) {
		t.Errorf("AddText = %s; nix has %s", got, row)
	}
}

// TestAddFlavours: the store directory is part of the fingerprint, so that the same
// contents have another hash in their path.
func TestAddFlavours(t *testing.T) {
	n := image.NewFile(0o644, image.Bytes("hello\n"))
	nix, err := Nix.AddPath("hello", n)
	if err != nil {
		t.Fatal(err)
	}
	guix, err := Guix.AddPath("hello", n)
	if err != nil {
		t.Fatal(err)
	}
	if nix.NarHash != guix.NarHash || !strings.HasPrefix(guix.Path, "/gnu/store/") || nix.Path[11:43] == guix.Path[11:43] {
		t.Errorf("AddPath = %s in Nix, %s in Guix", nix.Path, guix.Path)
	}
	if err := Guix.CheckPath(guix.Path); err != nil {
		t.Error(err)
	}
}

func TestAddRefusesNames(t *testing.T) {
	n := image.NewFile(0o644, nil)
	for name, want := range map[string]string{
		"":                       `"" cannot join the store: its name is empty`,
		"a b":                    `"a b" cannot join the store: its name holds ' '; letters, digits and +-._?= are allowed`,
		strings.Repeat("x", 212): "its name has 212 characters, the limit is 211",
	} {
		if _, err := Nix.AddPath(name, n); err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("AddPath(%q): %v; want %s", name, err, want)
		}
	}
	if _, err := Nix.AddPath(strings.Repeat("x", 211), n); err != nil {
		t.Error(err)
	}
}
