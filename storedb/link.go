package storedb

import (
	"os"
	"path/filepath"
	"strings"
)

// Follow returns the store path that a link such as ./result or /run/current-system leads
// to, as Nix's own tools take one. What leads elsewhere stays as it is, and so does a link
// to a file of the store, whose contents are what is meant: a graph, an image.
func Follow(path string) string {
	at := follow(path)
	item := ItemOf(at)
	if item == "" {
		return path
	}
	if info, err := os.Stat(item); at != path && err == nil && !info.IsDir() {
		return path
	}
	return item
}

// FollowFile is [Follow] for a file in what a link leads to: ./result/bin/hello.
func FollowFile(path string) string {
	clean := filepath.Clean(path)
	for dir := clean; ; dir = filepath.Dir(dir) {
		if at := follow(dir); ItemOf(at) != "" {
			return filepath.Join(at, strings.TrimPrefix(clean, dir))
		}
		if dir == filepath.Dir(dir) {
			return path
		}
	}
}

// follow returns the first path in a store that a link leads to; path, if there is none.
func follow(path string) string {
	at := path
	for range 40 { // MAXSYMLINKS of the kernel
		if ItemOf(at) != "" {
			return at
		}
		link, err := os.Readlink(at)
		if err != nil {
			return path
		}
		if !filepath.IsAbs(link) {
			link = filepath.Join(filepath.Dir(at), link)
		}
		at = link
	}
	return path
}

// ItemOf returns the store path that a path is or lies in, of either flavour, or "".
func ItemOf(path string) string {
	for _, f := range []Flavour{Nix, Guix} {
		base, ok := strings.CutPrefix(filepath.Clean(path), f.StoreDir()+"/")
		if !ok {
			continue
		}
		base, _, _ = strings.Cut(base, "/")
		if item := f.StoreDir() + "/" + base; f.CheckPath(item) == nil {
			return item
		}
	}
	return ""
}
