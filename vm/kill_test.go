package vm_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

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
	if _, err := vm.FindOVMF(); err == nil {
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
	}
	time.Sleep(time.Hour)
}

// TestKills kills that process at random moments, and looks for what is left.
func TestKills(t *testing.T) {
	judge(t, "qemu-system-x86_64")
	kills, atOnce := 100, 4
	if testing.Short() {
		kills = 10
	}
	var work sync.WaitGroup
	queue := make(chan int)
	for range atOnce {
		work.Go(func() {
			for i := range queue {
				killOnce(t, i)
			}
		})
	}
	for i := range kills {
		queue <- i
	}
	close(queue)
	work.Wait()
	t.Logf("%d kills at random moments, and nothing was left", kills)
}

func killOnce(t *testing.T, i int) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "disk.img"), make([]byte, 1<<20), 0o644); err != nil {
		t.Error(err)
		return
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), killedEnv+"="+dir)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Error(err)
		return
	}
	delay := time.Duration(rand.Int64N(int64(500 * time.Millisecond)))
	time.Sleep(delay)
	if err := cmd.Process.Kill(); err != nil {
		t.Errorf("kill %d after %v: %v", i, delay, err)
	}
	cmd.Wait() //nolint:errcheck // it was killed
	if said.Len() > 0 {
		t.Errorf("kill %d after %v: the machine did not run: %s", i, delay, said.String())
	}
	left := []string{"not looked yet"}
	for deadline := time.Now().Add(time.Minute); len(left) > 0 && time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		left = remains(t, dir, cmd.Process.Pid)
	}
	if len(left) > 0 {
		t.Errorf("kill %d after %v leaves %q", i, delay, left)
	}
}

// remains lists the processes that have to do with a folder, the sockets that a process
// has named, and what was not in the folder and should not be.
func remains(t *testing.T, dir string, pid int) (left []string) {
	processes, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, p := range processes {
		// All have inherited it. Of a process that has ended nothing can be read, even if
		// nobody has collected it.
		if env, err := os.ReadFile(p); err == nil && bytes.Contains(env, []byte(killedEnv+"="+dir+"\x00")) {
			line, _ := os.ReadFile(filepath.Join(filepath.Dir(p), "cmdline"))
			left = append(left, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	sockets, err := os.ReadFile("/proc/net/unix")
	if err != nil {
		t.Error(err)
	}
	for line := range strings.Lines(string(sockets)) {
		if strings.Contains(line, fmt.Sprintf("@ingot-%d-", pid)) || strings.Contains(line, dir) {
			left = append(left, line)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Error(err)
	}
	for _, f := range files {
		if f.Name() != "disk.img" && f.Name() != "vars" {
			left = append(left, f.Name())
		}
	}
	return left
}
