package testenv

import (
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// Shared returns a folder that every user can reach, unlike that of t.TempDir.
// It is removed when the test ends.
func Shared(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ingot-shared-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// AsUser runs do in a thread whose system calls are another user's; those of goroutines that
// do starts are not. It takes root: without, it says so and returns false, and do is not run.
func AsUser(t testing.TB, uid int, do func()) bool {
	t.Helper()
	if os.Getuid() != 0 {
		t.Log("what another user does is left out, for it takes root")
		return false
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const keep = ^uintptr(0)
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, keep, uintptr(uid), keep); e != 0 {
		t.Fatalf("setresuid: %v", e)
	}
	defer func() {
		if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, keep, 0, keep); e != 0 {
			panic(e)
		}
	}()
	do()
	return true
}
