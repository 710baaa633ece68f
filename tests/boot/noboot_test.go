package boot

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/creack/pty"

	"ingot/tests/fstest"
	"ingot/tests/testenv"
)

// TestRunDoesNotBoot runs what does not boot. Where nobody is at the console that ends
// the machine, with a status and the failure's name; a person is told, and stays.
func TestRunDoesNotBoot(t *testing.T) {
	parallel(t)
	u := newUser(t)
	disk := filepath.Join(t.TempDir(), "disk.img")
	must(t, os.WriteFile(disk, nil, 0o644))
	must(t, os.Truncate(disk, 8<<20))
	// A GPT, and no boot loader for a BIOS: its protective MBR has a signature alone.
	table := filepath.Join(t.TempDir(), "table.img")
	must(t, os.WriteFile(table, nil, 0o644))
	must(t, os.Truncate(table, 8<<20))
	fstest.Run(t, fstest.Judge(t, "sgdisk", "gdisk"), "--new=1:2048:0", table)
	file := filepath.Join(t.TempDir(), "two.yaml")
	must(t, os.WriteFile(file, []byte("machines: {web: {image: "+table+", boot: bios, vlans: []}}\n"), 0o644))
	rescue := []string{"run", "rescue", "--set", "system.kernel=" + testenv.Kernel(t), "--network=none"}
	for _, test := range []struct {
		name string
		args []string
		want []string
	}{
		{"nothing to boot", []string{"run", disk, "--boot", "bios", "--network=none"}, []string{"the firmware found nothing to boot", "the console's last lines"}},
		{"no boot loader", []string{"run", table, "--boot", "bios", "--network=none"}, []string{"boot sector without a program, such as that of a disk for UEFI", "Booting from Hard Disk"}},
		{"no boot loader in a network", []string{"network", file}, []string{"web: the firmware has started a boot sector without a program", "Booting from Hard Disk"}},
		{"no root", append(rescue, "--append", "root=/dev/none rootwait=1"), []string{"ingot: ", "/dev/none"}},
		{"no init", append(rescue, "--append", "rdinit=/none init=/none"), []string{"Unable to mount root fs", "the console's last lines"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, errout, status := u.types("", test.args...)
			if status != 1 {
				t.Errorf("status %d; want 1\n%s", status, errout)
			}
			for _, want := range test.want {
				if !strings.Contains(errout, want) {
					t.Errorf("standard error has no %q:\n%s", want, errout)
				}
			}
			if got := u.left(); got != "" {
				t.Errorf("after it there is %s", got)
			}
		})
	}
	t.Run("on a terminal", func(t *testing.T) {
		cmd := u.command("run", disk, "--boot", "bios", "--network=none")
		tty, err := pty.Start(cmd)
		if err != nil {
			t.Fatal(err)
		}
		defer tty.Close()
		seen := &screen{}
		go io.Copy(seen, tty) //nolint:errcheck // it ends with the terminal
		eventually(t, "word of the failure", func() bool {
			return strings.Contains(seen.String(), "the firmware found nothing to boot") && strings.Contains(seen.String(), "Ctrl-] ends the machine")
		})
		if out, _, _ := u.types("", "ps"); !strings.Contains(out, "disk") {
			t.Errorf("the machine has gone: ps printed %s", out)
		}
		if _, err := io.WriteString(tty, "\x1d"); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("it was left, and ended by %v\n%s", err, seen)
		}
	})
}
