package boot

import (
	"os/exec"
	"strings"
	"testing"

	"ingot/tests/fstest"
	"ingot/vm"
)

// TestEROFS boots the rescue system with its root in an EROFS: from an ISO, and as it comes
// by network. Linux 6.1 reads what is in it, whose order and places differ from those of
// every other maker.
func TestEROFS(t *testing.T) {
	parallel(t)
	said := map[string]string{
		"mount":                        "on /run/live/image type erofs (ro",
		"touch /written && ls /":       "written",
		"stat -c '%a %Y' /nix/store":   "1775 1",
		"ls /nix/var/nix/db/db.sqlite": "db.sqlite",
		"cat /proc/cmdline":            "ingot.live=/root.erofs",
		"find /run/live/image -type f -exec cat {} + >/dev/null && echo all is read": "all is read",
	}
	t.Run("ISO", func(t *testing.T) {
		iso, _ := buildRescue(t, "iso", "output.store=erofs")
		m, ctx := bootMedium(t, iso, vm.Virtio, vm.BIOS, shellReady)
		says(t, ctx, m, said)
	})
	t.Run("netboot", func(t *testing.T) {
		folder, _ := buildRescue(t, "netboot", "output.store=erofs")
		out, err := exec.Command(fstest.Judge(t, "fsck.erofs", "erofs-utils"), "--extract", folder+"/root.erofs").CombinedOutput()
		if err != nil || strings.Contains(string(out), "rror") {
			t.Errorf("fsck.erofs: %v\n%s", err, out)
		}
		m, ctx := startUntil(t, fetched(t, folder, "root.erofs", "root.erofs"), shellReady)
		says(t, ctx, m, said)
	})
}
