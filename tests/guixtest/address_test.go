package guixtest

import (
	"path/filepath"
	"testing"

	"ingot/image"
	"ingot/storedb"
)

// TestContentAddress has ingot add what Guix has added, and expects the same store
// paths: folders by add-to-store, a text that refers to others by add-text-to-store.
func TestContentAddress(t *testing.T) {
	c := source(t)
	items := c.items(t, false)
	for name, from := range map[string]string{"tools-1.0": "tools", "linux-ingot-6.1": "kernel", "raw-initrd": "initrd"} {
		n, err := image.Scan(filepath.Join(c.shared, "input", from), image.ScanOptions{})
		if err != nil {
			t.Fatal(err)
		}
		it, err := storedb.Guix.AddPath(name, n)
		if err != nil {
			t.Fatal(err)
		}
		if want := pathOf(t, items, name); it.Path != want {
			t.Errorf("AddPath(%s) = %s; want %s", name, it.Path, want)
		}
	}
	lib := pathOf(t, items, "multi-2.1-lib")
	it, err := storedb.Guix.AddText("config.scm", "(use "+lib+")\n", lib)
	if err != nil {
		t.Fatal(err)
	}
	if want := pathOf(t, items, "config.scm"); it.Path != want {
		t.Errorf("AddText(config.scm) = %s; want %s", it.Path, want)
	}
}
