package fstest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ingot/image"
	"ingot/tests/testenv"
)

// HostTree returns the tree of a folder of the host with extended attributes, as
// the kernel shows it.
func HostTree(t T, dir string) *image.Tree {
	t.Helper()
	root, err := image.Scan(dir, image.ScanOptions{HardLinks: true, Xattrs: true})
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
	backing := backingFile(t, dir)
	t.Cleanup(func() {
		if out, err := run(umount, dir); err != nil {
			// The folder must not be removed with a file system still in it.
			out2, _ := run(umount, "-l", dir)
			t.Errorf("umount %s: %v\n%s%s", dir, err, out, out2)
		}
		// A mount namespace that was made meanwhile, as builds of Nix do in tests that run at
		// the same time, has the file system mounted, too. It goes from there with the folder.
		if err := os.Remove(dir); err != nil {
			t.Error(err)
		}
		testenv.Eventually(t, func() error {
			if attached(backing, img) {
				return fmt.Errorf("%s is unmounted, and still on a loop device", img)
			}
			return nil
		})
	})
	return dir
}

// backingFile returns the file of sysfs that tells what the loop device holds on which a
// mounted file system lies.
func backingFile(t *testing.T, dir string) string {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(dir, &st); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("/sys/dev/block/%d:%d/loop/backing_file", unix.Major(st.Dev), unix.Minor(st.Dev))
}

// attached says whether the image still is on its loop device: the kernel takes its time
// after umount(8), and has not written all before.
func attached(backing, img string) bool {
	b, err := os.ReadFile(backing)
	return err == nil && strings.TrimSpace(string(b)) == img
}
