package kills

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"ingot/tests/testenv"
)

// TestLeft has a program make what could be left of it, and wants all of that found, but
// for what was there before or may stay.
func TestLeft(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command("sh", "-c", "mkdir made; touch made/file kept; sleep 1234 & sleep 1234")
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), variable+"="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // the one that sleeps, too
		_ = cmd.Wait()
	})
	l, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	v := Victim{Kept: []string{"kept"}}
	wanted := []string{"made", "made/file", "socket", "sleep 1234 ", filepath.Join(dir, "socket")}
	var left []string
	found := func(want string) bool {
		return slices.ContainsFunc(left, func(s string) bool { return s == want || strings.HasSuffix(s, " "+want) })
	}
	testenv.Eventually(t, func() error {
		if left, err = v.left(dir, cmd.Process.Pid, []string{"."}); err != nil {
			return err
		}
		if slices.ContainsFunc(wanted, func(want string) bool { return !found(want) }) {
			return fmt.Errorf("left = %q; want %q", left, wanted)
		}
		return nil
	})
	if found("kept") || found(".") {
		t.Errorf("left = %q; want neither what may stay nor what was there", left)
	}
}
