package testenv

import (
	"os"
	"syscall"
	"testing"
)

// WriteProgram writes a file that is to be run, in a test beside which others start
// processes: such a process has the file open for writing, too, if it is forked just then,
// and until it has become another program the file is busy and does not run (ETXTBSY).
func WriteProgram(t testing.TB, path, text string, mode os.FileMode) {
	t.Helper()
	syscall.ForkLock.RLock() // nobody forks
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}
