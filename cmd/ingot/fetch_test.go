package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"ingot/storedb"
	"ingot/storedb/closures"
)

// binaryCache makes a signed cache of two paths, serves it, and returns its URL, the
// path that refers to the other, and the key.
func binaryCache(t *testing.T) (url, top, key string) {
	t.Helper()
	dir := t.TempDir()
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	key = "test-1:" + base64.StdEncoding.EncodeToString(private.Public().(ed25519.PublicKey))
	lib, err := storedb.Nix.AddText("lib", "library\n")
	if err != nil {
		t.Fatal(err)
	}
	app, err := storedb.Nix.AddText("app", "uses "+lib.Path+"\n", lib.Path)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{"nix-cache-info": []byte("StoreDir: /nix/store\n")}
	for _, it := range []*storedb.Item{lib, app} {
		var nar bytes.Buffer
		if err := storedb.WriteNAR(&nar, it.Node); err != nil {
			t.Fatal(err)
		}
		info := storedb.NarInfo{Item: *it}
		sig := base64.StdEncoding.EncodeToString(ed25519.Sign(private, []byte(info.Fingerprint())))
		var refs []string
		for _, r := range it.References {
			refs = append(refs, path.Base(r))
		}
		base := path.Base(it.Path)
		files[base+".nar"] = nar.Bytes()
		files[base[:32]+".narinfo"] = fmt.Appendf(nil, "StorePath: %s\nURL: %s.nar\nCompression: none\nNarHash: %s\nNarSize: %d\nReferences: %s\nSig: test-1:%s\n",
			it.Path, base, it.NarHash, it.NarSize, strings.Join(refs, " "), sig)
	}
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(server.Close)
	return server.URL, app.Path, key
}

// cacheHome gives the test a folder of caches of its own, and lets it be removed.
func cacheHome(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", dir)
	t.Cleanup(func() { removable(dir) })
	return dir
}

func removable(dir string) {
	filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			os.Chmod(p, 0o755)
		}
		return nil
	})
}

func TestRegisterFromCache(t *testing.T) {
	url, top, key := binaryCache(t)
	home, root := cacheHome(t), filepath.Join(t.TempDir(), "root")
	t.Cleanup(func() { removable(root) })
	args := []string{"register", "--root", root, "--cache", url, "--path", top, "--key", key}
	if status, _, talk := ingot(append(args, "--gc-root", "app", "--quiet")...); status != 0 {
		t.Fatalf("status %d: %s", status, talk)
	}
	b, err := os.ReadFile(filepath.Join(root, top))
	if err != nil || !strings.HasPrefix(string(b), "uses /nix/store/") {
		t.Errorf("%s = %q, %v", top, b, err)
	}
	items, err := storedb.Nix.ReadDatabase(t.Context(), filepath.Join(root, storedb.Nix.DatabasePath()), top)
	if err != nil || len(items) != 2 {
		t.Fatalf("the database has %d of it, %v; want 2", len(items), err)
	}
	for _, it := range items {
		if len(it.Sigs) != 1 || !strings.HasPrefix(it.Sigs[0], "test-1:") {
			t.Errorf("%s: signatures %q were not kept", it.Path, it.Sigs)
		}
	}
	if entries, _ := os.ReadDir(home); len(entries) > 0 {
		t.Errorf("it went by way of the folder of caches: %v", entries)
	}
	if status, _, talk := ingot("check", "--root", root); status != 0 && os.Geteuid() == 0 {
		t.Errorf("check: status %d: %s", status, talk)
	}
}

func TestClosureOfCache(t *testing.T) {
	url, top, key := binaryCache(t)
	home := cacheHome(t)
	status, out, talk := ingot("closure", "--cache", url, "--path", top, "--key", key, "--sort", "closure")
	if status != 0 || !strings.Contains(out, top) || strings.Count(out, "\n") != 3 {
		t.Errorf("status %d: %s%s", status, out, talk)
	}
	if entries, _ := os.ReadDir(home); len(entries) > 0 {
		t.Error("to list a closure, it was fetched")
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--cache", url, "--path", top}, "it is signed by test-1, and trusted are cache.nixos.org-1"},
		{[]string{"--cache", url}, "--cache needs --path STORE-PATH, which says what to fetch"},
		{[]string{"--path", top, "--key", key}, "--key needs --cache"},
		{[]string{"--path", top, "--unsigned"}, "--unsigned needs --cache"},
		{[]string{"--cache", url, "--path", top, "--from", "x"}, "excludes --from and --store-root"},
		{[]string{"--cache", url, "--path", top, "--key", "x"}, `--key: public key "x": is not of the form NAME:BASE64`},
		{[]string{"--cache", url + "/no", "--path", top}, "/no is not a binary cache: "},
	} {
		status, _, talk := ingot(append([]string{"closure"}, c.args...)...)
		if status == 0 || !strings.Contains(talk, c.want) {
			t.Errorf("closure %v: status %d: %s\nwant %s", c.args, status, talk, c.want)
		}
	}
}

// TestFetch brings a closure into the folder of caches, for those who need its files.
func TestFetch(t *testing.T) {
	url, top, key := binaryCache(t)
	home := cacheHome(t)
	for range 2 {
		s := sourceFlags{Source: closures.Source{Caches: []string{url}, Paths: []string{top}}, keys: []string{key}}
		closure, err := s.closure(t.Context(), io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.fetch(t.Context(), io.Discard, true, closure); err != nil {
			t.Fatal(err)
		}
		if err := closure.Load(t.Context(), storedb.LoadOptions{Verify: true}); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(filepath.Join(home, "ingot", "nix-store", path.Base(top))); err != nil {
			t.Error(err)
		}
	}
}

// TestBuildFromCache builds one disk out of a server and out of a folder: where items
// come from does not reach the image.
func TestBuildFromCache(t *testing.T) {
	url, top, key := binaryCache(t)
	cacheHome(t)
	dir := t.TempDir()
	build := func(name, closure string) string {
		recipe := filepath.Join(dir, name+".yaml")
		text := `name: x
store:
  closures:
    - ` + closure + `
disk:
  partitions:
    - {name: root, filesystem: ext4, size: fit, contents: {store: true}}
`
		if err := os.WriteFile(recipe, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(dir, name+".img")
		if status, _, talk := ingot("build", recipe, "-o", out, "--quiet", "--no-sync"); status != 0 {
			t.Fatalf("%s: status %d: %s", name, status, talk)
		}
		b, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	one := build("server", fmt.Sprintf("{path: %s, cache: %s, keys: [%q]}", top, url, key))
	two := build("again", fmt.Sprintf("{path: %s, cache: [%s], unsigned: true}", top, url))
	if one != two {
		t.Error("two builds differ")
	}
}
