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
	"ingot/recipes"
	"ingot/storedb"
	"ingot/tests/fstest"
)

// plan plans a recipe of a data disk whose store is described by these lines.
func planStore(t *testing.T, dir, store string, h Host) (*Plan, error) {
	t.Helper()
	text := "name: x\nstore:\n" + store + "disk:\n  partitions:\n    - {name: root, filesystem: ext4, contents: {store: true}}\n"
	r, err := recipes.Parse("x.yaml", dir, []byte(text), nil)
	if err != nil {
		return nil, err
	}
	return New(t.Context(), r, h)
}

// TestUnpack adds what is in archives, and the folder that they were made of: all
// have one store path.
func TestUnpack(t *testing.T) {
	dir := t.TempDir()
	err := errors.Join(
		os.MkdirAll(dir+"/top/sub", 0o755), os.WriteFile(dir+"/top/sub/run", []byte("#!/bin/sh\n"), 0o755),
		os.WriteFile(dir+"/top/text", []byte("text\n"), 0o600), os.Symlink("sub/run", dir+"/top/link"),
	)
	if err != nil {
		t.Fatal(err)
	}
	n, err := image.Scan(dir+"/top", image.ScanOptions{Canonical: true})
	if err != nil {
		t.Fatal(err)
	}
	want, err := storedb.Nix.AddPath("thing", n)
	if err != nil {
		t.Fatal(err)
	}
	fstest.Run(t, "tar", "-C", dir, "-cJf", dir+"/a.tar.xz", "top")
	fstest.Run(t, "tar", "-C", dir+"/top", "-cf", dir+"/a.tar", ".")
	for _, source := range []string{"top", "a.tar.xz, unpack: true, strip: 1", "a.tar, unpack: true"} {
		p, err := planStore(t, dir, "  add:\n    - {name: thing, source: "+source+"}\n", Host{})
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		if got := p.items[0].Path; len(p.items) != 1 || got != want.Path {
			t.Errorf("%s: %s; want %s", source, got, want.Path)
		}
	}
	for source, want := range map[string]string{
		"a.tar, strip: 1":               "x.yaml:4:43: store.add[0].strip: 1 is no number of directories that an archive with unpack: true could lose",
		"a.tar, unpack: true, strip: 9": "x.yaml:4:29: store.add[0].source: " + dir + "/a.tar: holds no files more than 9 directories deep",
		"top/text, unpack: true":        "top/text: is neither a tarball, plain or compressed with gzip, xz, zstd, bzip2, lzip, lz4 or lzma, nor a Debian package",
		"no.deb, unpack: true":          "no.deb: no such file or directory",
	} {
		if _, err := planStore(t, dir, "  add:\n    - {name: thing, source: "+source+"}\n", Host{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\nwant %s", source, err, want)
		}
	}
}

// TestUnpackLeavesOut: what of an archive no item of a store can be is left out, with a
// warning for each of the first ones.
func TestUnpackLeavesOut(t *testing.T) {
	dir := t.TempDir()
	err := errors.Join(os.Mkdir(dir+"/top", 0o755), os.WriteFile(dir+"/top/text", []byte("text\n"), 0o644))
	if err != nil {
		t.Fatal(err)
	}
	n, err := image.Scan(dir+"/top", image.ScanOptions{Canonical: true})
	if err != nil {
		t.Fatal(err)
	}
	want, err := storedb.Nix.AddPath("thing", n)
	if err != nil {
		t.Fatal(err)
	}
	for i := range mostLeftOut + 2 {
		if err := unix.Mkfifo(fmt.Sprintf("%s/top/fifo%02d", dir, i), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fstest.Run(t, "tar", "-C", dir+"/top", "--sort=name", "-cf", dir+"/a.tar", ".")
	p, err := planStore(t, dir, "  add:\n    - {name: thing, source: a.tar, unpack: true}\n", Host{})
	if err != nil {
		t.Fatal(err)
	}
	if p.items[0].Path != want.Path {
		t.Errorf("%s; want %s", p.items[0].Path, want.Path)
	}
	first, last := "a.tar: ./fifo00 is a FIFO, which a store cannot hold, and is left out", "a.tar: and further entries"
	if w := p.Warnings; len(w) != mostLeftOut+1 || w[0] != first || w[mostLeftOut] != last {
		t.Errorf("the warnings are %q; want %q first and %q last", w, first, last)
	}
}

// TestPathInfoBesideGraph takes hashes and sizes out of path-info for what a graph has.
func TestPathInfoBesideGraph(t *testing.T) {
	dir := t.TempDir()
	it, err := storedb.Nix.AddText("app", "text\n")
	if err != nil {
		t.Fatal(err)
	}
	other := "/nix/store/" + strings.Repeat("0", 32) + "-other"
	info := `{"` + it.Path + `":{"narHash":"` + it.NarHash.SRI() + `","narSize":120,"references":[]},"` + other + `":{"narHash":"` + it.NarHash.SRI() + `","narSize":9,"references":[]}}`
	err = errors.Join(
		os.WriteFile(filepath.Join(dir, filepath.Base(it.Path)), []byte("text\n"), 0o444),
		os.WriteFile(dir+"/graph", []byte(it.Path+"\n\n0\n"), 0o644),
		os.WriteFile(dir+"/info.json", []byte(info), 0o644),
		os.WriteFile(dir+"/wrong.json", []byte(strings.Replace(info, ":120", ":128", 1)), 0o644),
	)
	if err != nil {
		t.Fatal(err)
	}
	p, err := planStore(t, dir, "  closures:\n    - {graph: graph, path-info: info.json, from: .}\n", Host{})
	if err != nil || len(p.items) != 1 || p.items[0].NarHash != it.NarHash {
		t.Errorf("Plan = %+v, %v", p, err)
	}
	if _, err := planStore(t, dir, "  closures:\n    - {graph: graph, path-info: wrong.json, from: .}\n", Host{}); err == nil || !strings.Contains(err.Error(), "its nar is 120 bytes long") {
		t.Errorf("with a wrong size: %v", err)
	}
}

func TestSourceErrors(t *testing.T) {
	p := "path: /nix/store/" + strings.Repeat("0", 32) + "-x"
	for closure, want := range map[string]string{
		"{from: x}":                                    "has neither graph, registration, path-info nor path",
		"{" + p + ", path-info: x}":                    "has both path and a graph, registration or path-info",
		"{cache: x, graph: y}":                         "store.closures[0].cache: is where the closure of a path comes from, and there is no path",
		"{" + p + ", cache: x, root: y}":               "store.closures[0].cache: is where the items come from, and so is root or from",
		"{" + p + ", keys: [x]}":                       "store.closures[0].keys: is for a cache, and there is none",
		"{" + p + ", unsigned: true}":                  "store.closures[0].unsigned: is for a cache, and there is none",
		"{" + p + ", cache: x, keys: [\"a:b\"]}":       `store.closures[0].keys[0]: public key "a:…": illegal base64`,
		"{" + p + ", cache: \"s3://x\"}":               `store.closures[0]: binary cache "s3://x": file, http and https are supported`,
		"{" + p + ", cache: nowhere}":                  "nowhere is not a binary cache: ",
		"{" + p + ", cache: \"file:///nonexistent/\"}": "/nonexistent/ is not a binary cache: ",
	} {
		_, err := planStore(t, t.TempDir(), "  closures:\n    - "+closure+"\n", Host{CacheDir: t.TempDir()})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\nwant %s", closure, err, want)
		}
	}
	if _, err := planStore(t, t.TempDir(), "  closures:\n    - {"+p+", cache: x}\n", Host{}); err == nil || !strings.Contains(err.Error(), "set XDG_CACHE_HOME or HOME") {
		t.Errorf("without a folder: %v", err)
	}
	dir := t.TempDir()
	text := strings.TrimPrefix(p, "path: ") + "\nsha256:" + strings.Repeat("0", 64) + "\n120\n\n0\n"
	if err := os.WriteFile(dir+"/registration", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := planStore(t, dir, "  closures:\n    - {graph: registration}\n", Host{}); err == nil || !strings.Contains(err.Error(), "; it looks like a registration: it belongs to the key registration") {
		t.Errorf("a registration as a graph: %v", err)
	}
}
