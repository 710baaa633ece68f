package fstest

import (
	"os"
	"path/filepath"
	"testing"

	"ingot/image"
)

// HostTree returns the tree of a folder of the host with extended attributes, as
// the kernel shows it.
func HostTree(t T, dir string) *image.Tree {
	t.Helper()
	root, err := image.Scan(dir, image.ScanOptions{Xattrs: true})
	if err != nil {
		t.Fatalf("%v", err)
	}
	return &image.Tree{Root: root}
}

// Mount mounts an image read-only by a loop device and returns the folder. Whoever
// is not root skips the test, since nobody else can mount. The mount and its loop
// device end with the test.
func Mount(t *testing.T, img, fstype string) string {
	t.Helper()
	return mount(t, img, "-t", fstype, "-o", "loop,ro")
}

// MountWritable is [Mount] for tests of what the kernel does to an image.
func MountWritable(t *testing.T, img, fstype string) string {
	t.Helper()
	return mount(t, img, "-t", fstype, "-o", "loop")
}

func mount(t *testing.T, img string, args ...string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	tool, umount := Judge(t, "mount", "mount"), Judge(t, "umount", "mount")
	dir := filepath.Join(t.TempDir(), "mnt")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	Run(t, tool, append(args, img, dir)...)
	t.Cleanup(func() {
		if out, err := run(umount, dir); err != nil {
			// The folder must not be removed with a file system still in it.
			out2, _ := run(umount, "-l", dir)
			t.Errorf("umount %s: %v\n%s%s", dir, err, out, out2)
		}
	})
	return dir
}
