package boot

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/tests/fstest"
	"ingot/tests/testenv"
)

// TestGRUBFails takes from a disk that would boot first the menu, then the file system
// that GRUB's files lie in. A boot test of it fails by the name of what GRUB does then.
func TestGRUBFails(t *testing.T) {
	parallel(t)
	fstest.Judge(t, "qemu-system-x86_64", "qemu-system-x86")
	s := &workplace{t: t, dir: t.TempDir(), run: t.TempDir()}
	must(t, os.WriteFile(filepath.Join(s.dir, "up.test"), []byte("start\nwait port 80\n"), 0o644))
	disk, plan := build(t, fmt.Sprintf(small, testenv.Kernel(t), words), "raw")
	root := rootOf(t, plan.Disk)
	for _, x := range []struct {
		what  string
		spoil func()
		want  []string
	}{
		{"no menu", func() {
			fstest.Run(t, fstest.Judge(t, "debugfs", "e2fsprogs"), "-w", "-R", "rm /boot/grub/grub.cfg", fmt.Sprintf("%s?offset=%d", disk, root.Start))
		}, []string{"GRUB found no menu: Minimal BASH-like line editing is supported", "grub>"}},
		{"no root", func() {
			f, err := os.OpenFile(disk, os.O_WRONLY, 0)
			must(t, err)
			_, err = f.WriteAt(make([]byte, 1<<20), root.Start)
			must(t, err)
			must(t, f.Close())
		}, []string{"GRUB f", "error: no such device", "grub rescue>"}},
	} {
		t.Run(x.what, func(t *testing.T) {
			x.spoil()
			out, err := s.command("test", disk, "--script", "up.test", "--boot", "bios", "--step-timeout", limit.String()).CombinedOutput()
			for _, want := range append(x.want, "FAIL  up", "up.test:2: ", "the console's last lines:") {
				if err == nil || !strings.Contains(string(out), want) {
					t.Errorf("ingot test: %v\n%s\nwant %q", err, out, want)
				}
			}
		})
	}
}
