package squashfs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"ingot/image"
	"ingot/tests/testenv"
)

// folderOfChild is the variable that has a test process compress for ever.
const folderOfChild = "INGOT_SQUASHFS_CHILD"

// TestKilled ends a process with SIGKILL while it compresses: neither mksquashfs nor a
// file is left.
func TestKilled(t *testing.T) {
	if dir := os.Getenv(folderOfChild); dir != "" {
		tree := image.NewTree()
		if err := tree.Put("/big", image.NewFile(0o644, image.Hole(1<<44))); err != nil {
			t.Fatal(err)
		}
		_, err := find(t).Make(t.Context(), tree, dir, Options{})
		t.Fatalf("Make = %v; nobody expected it to end", err)
	}
	find(t)
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
	cmd.Env = append(os.Environ(), folderOfChild+"="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	child := 0
	testenv.Eventually(t, func() error {
		if child = childOf(cmd.Process.Pid); child == 0 {
			return errors.New("mksquashfs has not started")
		}
		return nil
	})
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	testenv.Eventually(t, func() error {
		if alive(child) {
			return fmt.Errorf("mksquashfs, process %d, outlives its parent", child)
		}
		return nil
	})
	if left, err := os.ReadDir(dir); len(left) > 0 || err != nil {
		t.Errorf("%v is left, %v", left, err)
	}
}

// childOf returns the mksquashfs that a process has started, or 0.
func childOf(parent int) int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		text, _ := os.ReadFile(name)
		comm, rest, ok := strings.Cut(string(text), ") ")
		if fields := strings.Fields(rest); ok && strings.HasSuffix(comm, "(mksquashfs") && fields[1] == strconv.Itoa(parent) {
			pid, _, _ := strings.Cut(comm, " ")
			n, _ := strconv.Atoi(pid)
			return n
		}
	}
	return 0
}

// alive says whether a process runs; one that has ended and waits for its parent does not.
func alive(pid int) bool {
	if unix.Kill(pid, 0) != nil {
		return false
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !bytes.Contains(text, []byte(") Z ")) && bytes.Contains(text, []byte("(mksquashfs)"))
}
