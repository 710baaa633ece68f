package boot

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/tests/fstest"
	"ingot/tests/nixtest"
)

// TestRootOnDisk has the init of a closure run on a root that was made for it, and on the
// same root a second time; beside it is a disk with a file system.
func TestRootOnDisk(t *testing.T) {
	parallel(t)
	c, flags := closureFlags(t)
	u := newUser(t)
	root := filepath.Join(t.TempDir(), "root.qcow2")
	flags = append(flags, "--init", c.Toplevel+"/init", "--overlay", root, "--disk-size", "256M", "--empty-disk", "64M:ext4:data")
	for _, x := range []struct{ typed, want string }{
		{"mkdir /etc; echo kept > /etc/hostname; mkdir /mnt; mount LABEL=data /mnt && df -P /mnt | tail -n 1", "/mnt\r\n"},
		{"cat /etc/hostname; df -P / | tail -n 1", "kept\r\n"},
	} {
		console := u.lives(x.typed+"; sync; mount -o remount,ro /; poweroff -f", flags...)
		for _, want := range []string{c.Marker(), "root is ext4 /dev/vda rw", nixtest.ContentsMatch, "found /nix/var/nix/db/db.sqlite", x.want} {
			if !strings.Contains(console, want) {
				t.Errorf("the console lacks %q:\n%s", want, console)
			}
		}
	}
	raw := filepath.Join(t.TempDir(), "root.img")
	fstest.Run(t, fstest.Judge(t, "qemu-img", "qemu-utils"), "convert", "-O", "raw", root, raw)
	fstest.Run(t, fstest.Judge(t, "e2fsck", "e2fsprogs"), "-fn", raw)
	if info, err := os.Stat(raw); err != nil || info.Size() != 256<<20 {
		t.Errorf("the root has %d bytes, %v; want 256 MiB", info.Size(), err)
	}
	if got := fstest.Run(t, "debugfs", "-R", "cat /etc/hostname", raw); !strings.Contains(string(got), "kept\n") {
		t.Errorf("on the root, /etc/hostname holds %q", got)
	}
}

// lives runs ingot run with the init of nixtest's closure, types a line into the shell that
// this becomes, and returns what the console has shown when the machine has powered off.
func (u *user) lives(line string, args ...string) string {
	u.t.Helper()
	cmd, console, keys := u.runs(nixtest.Done, args...)
	_, err := io.WriteString(keys, line+"\n")
	must(u.t, err)
	if err := cmd.Wait(); err != nil {
		u.t.Errorf("ingot run ended by %v; want 0, as the guest powered off\n%s", err, console)
	}
	return console.String()
}
