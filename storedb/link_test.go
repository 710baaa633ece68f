package storedb

import (
	"os"
	"path/filepath"
	"testing"
)

func TestFollow(t *testing.T) {
	const item = "/nix/store/00000000000000000000000000000001-a"
	dir := t.TempDir()
	link := func(name, target string) string {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.Symlink(target, name); err != nil {
			t.Fatal(err)
		}
		return name
	}
	result := link("result", item)
	far := link("far", "result") // by a second link, which is relative
	inside := link("inside", item+"/bin")
	loop := link("loop", "loop")
	elsewhere := link("elsewhere", dir)
	guix := link("guix", "/gnu/store/00000000000000000000000000000002-b")
	for _, x := range []struct{ path, item, file string }{
		{result, item, item},
		{far, item, item},
		{inside, item, item + "/bin"},
		{inside + "/hello", inside + "/hello", item + "/bin/hello"},
		{guix, "/gnu/store/00000000000000000000000000000002-b", "/gnu/store/00000000000000000000000000000002-b"},
		{item, item, item},
		{item + "/bin/x", item, item + "/bin/x"},
		{result + "/bin/hello", result + "/bin/hello", item + "/bin/hello"},
		{loop, loop, loop},
		{elsewhere, elsewhere, elsewhere},
		{filepath.Join(dir, "none"), filepath.Join(dir, "none"), filepath.Join(dir, "none")},
		{"hello-2.12", "hello-2.12", "hello-2.12"},
		{"/bin/sh", "/bin/sh", "/bin/sh"},
		{"", "", ""},
	} {
		if got := Follow(x.path); got != x.item {
			t.Errorf("Follow(%s) = %s; want %s", x.path, got, x.item)
		}
		if got := FollowFile(x.path); got != x.file {
			t.Errorf("FollowFile(%s) = %s; want %s", x.path, got, x.file)
		}
	}
}
