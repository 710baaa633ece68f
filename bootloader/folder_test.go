package bootloader

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"ingot/image"
)

// TestFolder follows the symlinks of a folder, but for what it is to skip.
func TestFolder(t *testing.T) {
	tree := image.NewTree()
	for name, n := range map[string]*image.Node{
		"/a/lib":         image.NewSymlink("/b"),
		"/b/plain":       image.NewFile(0o444, image.Bytes("plain")),
		"/b/link":        image.NewSymlink("../c/file"),
		"/b/dir":         image.NewSymlink("/c"),
		"/b/nowhere":     image.NewSymlink("/nonesuch"),
		"/b/build":       image.NewSymlink("/c"),
		"/c/file":        image.NewFile(0o444, image.Bytes("linked")),
		"/round/a/again": image.NewSymlink("/round"),
	} {
		if err := tree.Put(name, n); err != nil {
			t.Fatal(err)
		}
	}
	look := Lookup(tree.Lookup)
	dir, err := look.Folder("/a/lib", "build")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	if err := (&image.Tree{Root: dir}).Walk(func(name string, n *image.Node) error {
		if n.Mode.IsRegular() {
			data := make([]byte, n.Size())
			_, _ = n.Data.ReadAt(data, 0) // what is missing is seen below
			name += "=" + string(data)
		}
		got = append(got, name)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if want := "/ /dir /dir/file=linked /link=linked /plain=plain"; strings.Join(got, " ") != want {
		t.Errorf("Folder = %q; want %s", got, want)
	}
	for name, want := range map[string]error{"/nonesuch": fs.ErrNotExist, "/b/plain": fs.ErrNotExist, "/b/nowhere": fs.ErrNotExist} {
		if _, err := look.Folder(name); !errors.Is(err, want) {
			t.Errorf("Folder(%s): %v; want %v", name, err, want)
		}
	}
	if _, err := look.Folder("/round"); err == nil || !strings.Contains(err.Error(), "more than 32 folders in each other") {
		t.Errorf("a folder in itself: %v; want an end", err)
	}
}
