package main

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"ingot/storedb"
)

// inStore returns the store path that a link such as ./result or /run/current-system
// leads to, as Nix's own tools take one. What leads elsewhere stays as it is, and so does
// a link to a file of the store, whose contents are what is meant: a graph, an image.
func inStore(path string) string {
	at := path
	for range 40 { // MAXSYMLINKS of the kernel
		if item := itemOf(at); item != "" {
			if info, err := os.Stat(item); at != path && err == nil && !info.IsDir() {
				return path
			}
			return item
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

// itemOf returns the store path that a path is or lies in, or "".
func itemOf(path string) string {
	for _, f := range []storedb.Flavour{storedb.Nix, storedb.Guix} {
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

// storePaths is a flag whose values are store paths, or links to some.
type storePaths []string

// Set implements pflag.Value.
func (p *storePaths) Set(path string) error {
	*p = append(*p, inStore(path))
	return nil
}

var _ pflag.SliceValue = (*storePaths)(nil)

// Append implements pflag.SliceValue.
func (p *storePaths) Append(path string) error { return p.Set(path) }

// Replace implements pflag.SliceValue.
func (p *storePaths) Replace(paths []string) error { *p = paths; return nil }

// GetSlice implements pflag.SliceValue.
func (p *storePaths) GetSlice() []string { return *p }

// Type implements pflag.Value.
func (p *storePaths) Type() string { return "storePaths" }

func (p *storePaths) String() string { return strings.Join(*p, " ") }
