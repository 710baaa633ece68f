package boot

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"ingot/tests/fstest"
	"ingot/tests/kills"
	"ingot/tests/testenv"
)

// TestRunKilled kills ingot at random moments: while it plans a recipe, or while the guest
// of a recipe or of an image is in the middle of its boot.
func TestRunKilled(t *testing.T) {
	parallel(t)
	fstest.Judge(t, "qemu-system-x86_64", "qemu-system-x86")
	disk := filepath.Join(t.TempDir(), "disk.img")
	must(t, os.WriteFile(disk, nil, 0o644))
	must(t, os.Truncate(disk, 64<<20))
	common := []string{"--name", "victim", "--network=restricted", "--graphics", "vnc", "--accel", "tcg"}
	ofRecipe := append([]string{"run", "rescue", "--set", "system.kernel=" + testenv.Kernel(t), "--ssh"}, common...)
	ofImage := append([]string{"run", disk, "--boot", "bios"}, common...)
	kills.Victim{
		Within: 2 * time.Second, AtOnce: 2, Kept: []string{"ingot"},
		Command: func(i int, dir string) *exec.Cmd {
			args := ofRecipe
			if i%3 == 0 {
				args = ofImage
			}
			cmd := exec.Command(program(t), args...)
			cmd.Dir, cmd.Env = dir, append(os.Environ(), "XDG_RUNTIME_DIR="+dir, "TMPDIR="+dir)
			if _, err := cmd.StdinPipe(); err != nil { // somebody is there
				t.Error(err)
			}
			return cmd
		},
	}.Run(t)
}
