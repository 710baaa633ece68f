package plan

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ingot/image"
	"ingot/recipes/manifest"
)

// TestSecret: an image with a secret in it begins as its owner's alone, and one that
// replaces another is as that was.
func TestSecret(t *testing.T) {
	defer unix.Umask(unix.Umask(0o022))
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"open": 0o644, "owners": 0o600} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Repeat("x", 512)), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "folder"), 0o755), os.Link(filepath.Join(dir, "owners"), filepath.Join(dir, "folder/owners"))); err != nil {
		t.Fatal(err)
	}
	for i, x := range []struct {
		partitions string
		secret     string // part of it
	}{
		{"{name: a, filesystem: ext4, contents: {files: [{path: /a, text: x}]}}", ""},
		{"{name: a, filesystem: ext4, contents: {files: [{path: /a, text: x, mode: 0600}]}}", "/a, which not everybody may read there"},
		{"{name: a, filesystem: ext4, contents: {files: [{path: /a, text: x, mode: 0640}]}}", "/a, which"},
		{"{name: a, filesystem: ext4, contents: {files: [{path: /a, source: owners}]}}", "owners, which only its owner may read"},
		{"{name: a, filesystem: ext4, contents: {files: [{path: /a, source: owners, mode: 0644}]}}", ""},
		{"{name: a, filesystem: ext4, contents: {files: [{path: /root/.ssh/authorized_keys, text: x, mode: 0600}]}}", ""},
		{"{name: a, filesystem: ext4, contents: {files: [{path: /a, text: '', mode: 0600}]}}", ""},
		{"{name: a, filesystem: ext4, contents: {from: folder}}", "folder/owners, which only its owner may read"},
		{"{name: a, source: open}", ""},
		{"{name: a, source: owners}", "owners, which only its owner may read"},
	} {
		p, err := plan(t, dir, "name: secret\ndisk:\n  partitions:\n    - "+x.partitions+"\n")
		if err != nil {
			t.Errorf("%s: %v", x.partitions, err)
			continue
		}
		if (p.Secret == "") != (x.secret == "") || !strings.Contains(p.Secret, x.secret) {
			t.Errorf("%s: the secret is %q; want %q", x.partitions, p.Secret, x.secret)
		}
		out := filepath.Join(dir, fmt.Sprintf("out%d", i))
		emit := func() string {
			if _, err := p.Emit(t.Context(), out, EmitOptions{WriteOptions: image.WriteOptions{NoSync: true}}); err != nil {
				t.Fatal(err)
			}
			var modes []string
			for _, name := range []string{out, manifest.Path(out)} {
				info, err := os.Stat(name)
				if err != nil {
					t.Fatal(err)
				}
				modes = append(modes, fmt.Sprintf("%04o", info.Mode().Perm()))
			}
			return strings.Join(modes, " ")
		}
		want := "0644 0644"
		if x.secret != "" {
			want = "0600 0644"
		}
		if got := emit(); got != want {
			t.Errorf("%s: modes of the image and the manifest = %s; want %s", x.partitions, got, want)
		}
		if err := os.Chmod(out, 0o640); err != nil {
			t.Fatal(err)
		}
		if got := emit(); got != "0640 0644" {
			t.Errorf("%s: once more, over 0640: modes = %s; want 0640 0644", x.partitions, got)
		}
		p.Close()
	}
}

// TestManifestPath: no manifest lies beside an item of a store, which would be an item itself.
func TestManifestPath(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink("/gnu/store/b", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		file string
		o    EmitOptions
		want string
	}{
		{dir + "/a.img", EmitOptions{}, dir + "/a.img.manifest.json"},
		{dir + "/a.img", EmitOptions{Manifest: "m.json"}, "m.json"},
		{dir + "/a.img", EmitOptions{NoManifest: true}, ""},
		{"/nix/store/a.img", EmitOptions{}, ""},
		{"/nix/store/../store/a", EmitOptions{}, ""},
		{"/nix/store/a.img", EmitOptions{Manifest: "/nix/store/m"}, "/nix/store/m"},
		{"/nix/store/a/x.img", EmitOptions{}, "/nix/store/a/x.img.manifest.json"},
		{"/nix/stores/a", EmitOptions{}, "/nix/stores/a.manifest.json"},
		{dir + "/link", EmitOptions{}, ""},
	} {
		if got := c.o.ManifestPath(c.file); got != c.want {
			t.Errorf("%s, %+v: %q; want %q", c.file, c.o, got, c.want)
		}
	}
}
