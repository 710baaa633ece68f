package boot

import (
	"context"
	"fmt"
	"image"
	"image/color"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"ingot/internal/keyboard"
	"ingot/tests/fstest"
	"ingot/vm"
)

// brokenDisk makes an ext4 that e2fsck finds fault with: its only file has lost its
// inode's link count, and blocks in use are marked as free.
func brokenDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "precious"), []byte("still here\n"), 0o644))
	disk := ext4Disk(t, "broken.img", "broken", 32, dir)
	fstest.Run(t, "debugfs", "-w", "-R", "set_inode_field /precious links_count 9", disk)
	fstest.Run(t, "debugfs", "-w", "-R", "freeb 1 40", disk)
	if out, err := exec.Command("e2fsck", "-fn", disk).CombinedOutput(); err == nil {
		t.Fatalf("e2fsck finds no fault:\n%s", out)
	}
	return disk
}

// TestRescueRepairs boots the rescue system beside a broken disk, finds it, repairs it
// with the e2fsck that was taken from this machine, and reads what is on it. Who has the
// recipe's key logs in over the network, and there is a shell on the screen, too.
func TestRescueRepairs(t *testing.T) {
	parallel(t)
	for program, of := range map[string]string{"e2fsck": "e2fsprogs", "parted": "parted", "cryptsetup": "cryptsetup-bin", "ssh": "openssh-client", "mkfs.fat": "dosfstools", "nano": "nano", "mawk": "mawk", "sed": "sed", "diff": "diffutils", "less": "less"} {
		fstest.Judge(t, program, of)
	}
	signer, _ := newKey(t)
	keys := fmt.Sprintf("system.ssh.keys=[%q]", ssh.MarshalAuthorizedKey(signer.PublicKey()))
	disk, plan := buildWithTools(t, "raw", "system.network=dhcp", keys)
	broken := brokenDisk(t)
	m, ctx := start(t, vm.Config{
		Disks: []vm.Disk{{Path: disk}, {Path: broken, Writable: true}},
		NICs:  []vm.NIC{{User: &vm.UserNet{Restrict: true, Forwards: []vm.Forward{{GuestPort: 22}}}}},
	})
	if _, err := m.WaitFor(ctx, `ingot: ready on ttyS0`); err != nil {
		t.Fatal(err)
	}
	answers(t, ctx, m, [][2]string{
		{"dmesg -n 1; lsblk", "vdb"},
		{"blkid /dev/vdb", `LABEL="broken"`},
		{"e2fsck -fy /dev/vdb; echo status $?", "FILE SYSTEM WAS MODIFIED"},
		{"fsck -fn /dev/vdb && echo clean", "clean"},
		{"mount /dev/vdb /mnt && cat /mnt/precious", "still here"},
		{"fsck /dev/vdb 2>&1; echo status $?", "is mounted on /mnt"},
		{"umount /mnt && ssh -V 2>&1", "OpenSSH"},
		{"cat /etc/mke2fs.conf", "base_features"},
		{"truncate -s 8M /tmp/fat && mkfs.fat /tmp/fat && blkid /tmp/fat", `TYPE="vfat"`},
		{"parted -s /dev/vda print", "Partition Table: gpt"},
		{"truncate -s 20M /tmp/luks && echo secret | cryptsetup luksFormat -q --pbkdf pbkdf2 --pbkdf-force-iterations 1000 /tmp/luks - && cryptsetup luksDump /tmp/luks", "aes-xts"},
		{"readlink /nix/var/nix/profiles/system-1-link", "rescue-system"},
	})
	for _, w := range plan.Warnings {
		t.Log(w)
	}
	editsText(t, ctx, m)
	// The recipe's key lets its owner in.
	client := dial(t, ctx, m.Forwards()[0].Address(), signer)
	session, err := client.NewSession()
	must(t, err)
	out, err := session.CombinedOutput("hostname; e2fsck -V 2>&1; stat -c %a:%U /root/.ssh/authorized_keys")
	if err != nil || !strings.Contains(string(out), "rescue\n") || !strings.Contains(string(out), "e2fsck 1.") || !strings.Contains(string(out), "600:root") {
		t.Errorf("by ssh: %q, %v; want the host name and e2fsck's version", out, err)
	}
	// A shell on the screen has taken what is typed there.
	strokes, err := keyboard.Text("echo typed > /run/typed\n")
	must(t, err)
	must(t, m.Press(ctx, strokes))
	answers(t, ctx, m, [][2]string{
		{"i=0; until [ -s /run/typed ]; do i=$((i+1)); [ $i -lt 60 ] || break; sleep 1; done; cat /run/typed", "typed"},
	})
	screen, err := m.Screenshot(ctx)
	must(t, err)
	if lit := litPixels(screen); lit < 500 {
		t.Errorf("%d pixels are lit on a screen of %v; want a banner and a prompt", lit, screen.Bounds())
	}
	must(t, m.Send("poweroff"))
	must(t, m.Wait(ctx))
	fstest.Run(t, "e2fsck", "-fn", broken)
}

// editsText tries the tools for text, of which less says where terminfo lacks a terminal.
func editsText(t *testing.T, ctx context.Context, m *vm.Machine) {
	t.Helper()
	answers(t, ctx, m, [][2]string{
		{"editor --version | head -n 1", "GNU nano"},
		{"echo one two > /tmp/text; awk '{print $2}' /tmp/text | sed s/two/three/ > /tmp/other && cat /tmp/other", "three"},
		{"diff /tmp/text /tmp/other | head -n 1", "1c1"},
		{"less --version | head -n 1", "less 5"},
		{"for kind in linux vt220 xterm; do TERM=$kind script -q -c 'less -FX /tmp/text'; done", "!fully functional"},
		{"ls /lib/terminfo/l/linux /lib/terminfo/v/vt220 /lib/terminfo/x/xterm", "/lib/terminfo/x/xterm"},
	})
}

// litPixels counts the pixels that are not black.
func litPixels(m image.Image) int {
	n := 0
	for y := m.Bounds().Min.Y; y < m.Bounds().Max.Y; y++ {
		for x := m.Bounds().Min.X; x < m.Bounds().Max.X; x++ {
			if color.GrayModel.Convert(m.At(x, y)).(color.Gray).Y > 40 {
				n++
			}
		}
	}
	return n
}
