package vm_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"ingot/tests/kills"
	"ingot/tests/testenv"
	"ingot/vm"
)

const killedEnv = "INGOT_VM_TEST_KILLED"

// killed is a process that starts a machine with all that comes with children, sockets
// and files, and waits to be killed.
func killed(dir string) {
	c := vm.Config{
		Accel: vm.TCG, Disks: []vm.Disk{{Path: filepath.Join(dir, "disk.img")}}, Channels: []string{"org.example.port"},
		NICs: []vm.NIC{{User: &vm.UserNet{Forwards: []vm.Forward{{GuestPort: 80}}}}},
	}
	if vm.DefaultShare() == vm.VirtioFS {
		c.Shares = []vm.Share{{Tag: "one", Dir: dir}, {Tag: "two", Dir: dir, ReadOnly: true}}
	}
	if _, err := exec.LookPath("swtpm"); err == nil {
		c.TPM = &vm.TPM{}
	}
	if _, err := vm.FindUEFI(vm.X86_64); err == nil {
		c.Firmware, c.FirmwareVars = vm.UEFI, filepath.Join(dir, "vars")
	}
	m, err := vm.Start(context.Background(), c)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var failure *vm.FailureError
	if _, err := m.WaitFor(context.Background(), "never"); !errors.As(err, &failure) || failure.Kind != vm.NoBoot {
		fmt.Fprintln(os.Stderr, err) // to have nothing to boot is as it should be
		os.Exit(1)
	}
	time.Sleep(time.Hour)
}

// TestKills kills that process at random moments, and looks for what is left.
func TestKills(t *testing.T) {
	testenv.Judge(t, "qemu-system-x86_64", "qemu-system-x86")
	kills.Victim{
		Within: 500 * time.Millisecond, AtOnce: 4, Kept: []string{"vars"},
		Command: func(_ int, dir string) *exec.Cmd {
			if err := os.WriteFile(filepath.Join(dir, "disk.img"), make([]byte, 1<<20), 0o644); err != nil {
				t.Error(err)
			}
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), killedEnv+"="+dir, "TMPDIR="+dir)
			return cmd
		},
	}.Run(t)
}
