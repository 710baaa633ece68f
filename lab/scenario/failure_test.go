package scenario_test

import (
	"path/filepath"
	"strings"
	"testing"

	"ingot/tests/fstest"
	"ingot/vm"
)

// TestKernelFails has kernels, and ingot as their init, fail as they really do: what
// TestFailures has disks say, these systems mean.
func TestKernelFails(t *testing.T) {
	alone := guest(t, "root=/dev/none")
	alone.Initrd = nil
	// An ext4 with nothing on it, and so without an init.
	bare := filepath.Join(t.TempDir(), "bare.img")
	fstest.Run(t, fstest.Judge(t, "mke2fs", "e2fsprogs"), "-q", "-t", "ext4", "-L", "bare", bare, "8M")
	initless := guest(t, "root=LABEL=bare")
	initless.Disks = []vm.Disk{{Path: bare}}
	for _, x := range []struct {
		what       string
		config     vm.Config
		want, tail string
	}{
		{"no root", alone, "the root was not found: VFS: Unable to mount root fs on unknown-block(0,0)", "---[ end Kernel panic"},
		// As modprobe, process 1 refuses its arguments and ends. How long the kernel's trace is
		// differs from time to time, and with it what else the console's last lines hold.
		{"init dies", guest(t, "rdinit=/sbin/modprobe"), "the kernel panicked: Kernel panic - not syncing: Attempted to kill init!", "---[ end Kernel panic"},
		{"no device", guest(t, "root=LABEL=none rootwait=1"), "the system did not start: ingot: cannot start the system: root=: no device is ", "emergency shell"},
		{"no init", initless, "the system did not start: ingot: cannot start the system: ", "/sbin/init"},
	} {
		t.Run(x.what, func(t *testing.T) {
			r := play(t, x.config, "start\nwait port 80")
			if r.Err == nil || !strings.HasPrefix(r.Failed, "t.test:2: web: "+x.want) || !strings.Contains(r.Failed, x.tail) {
				t.Errorf("the test printed\n%s\nwant\n%s …\nwith %q", r.Failed, x.want, x.tail)
			}
		})
	}
}
