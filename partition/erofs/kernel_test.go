package erofs

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"ingot/image"
	"ingot/tests/fstest"
)

// everything is all boundary trees, each in a folder of its own, and random ones.
func everything(t *testing.T) *image.Tree {
	t.Helper()
	all, random := image.NewTree(), fstest.Trees(features)
	for i := range 60 {
		must(t, all.Put(fmt.Sprintf("/random%02d", i), random.Example(i).Root))
	}
	for _, c := range fstest.Boundaries(features) {
		if !c.Slow || c.Name == "large files" {
			must(t, all.Put("/"+c.Name, c.Tree().Root))
		}
	}
	return all
}

// TestKernel has Linux show what it reads: files over 4 GiB, extended attributes and
// all. Only xattrs that together are longer than listxattr returns, 64 KiB, it cannot show.
func TestKernel(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	tree := everything(t)
	dir := fstest.Mount(t, write(t, layout(t, tree, image.Volume{})), "erofs")
	fstest.Report(t, "mounted", fstest.Diff(tree, fstest.HostTree(t, dir), features))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// layout returns the smallest volume with a tree, whatever the size in v.
func layout(t testing.TB, tree *image.Tree, v image.Volume) *image.Map {
	t.Helper()
	v.Size = image.Fit(0)
	m, err := FileSystem{}.Layout(tree, v)
	must(t, err)
	return m
}

func write(t testing.TB, m *image.Map) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "img")
	must(t, fstest.Write(m, path))
	return path
}
