package guest

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"ingot/guest/wire/files"
)

// inMemory returns a file of a tmpfs, without a name.
func inMemory(t *testing.T) *os.File {
	t.Helper()
	fd, err := unix.MemfdCreate("test", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "test")
	t.Cleanup(func() { f.Close() })
	return f
}

// TestLoan lends a file with a hole in it. Where its pages lie is told to root alone.
func TestLoan(t *testing.T) {
	const size = 3<<20 + 5
	f := inMemory(t)
	for _, at := range []int64{0, 2 << 20} {
		if _, err := f.WriteAt(make([]byte, 1<<20), at); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	var l loan
	runs := l.lend(f, size)
	if os.Geteuid() != 0 {
		if runs != nil {
			t.Errorf("lend = %v as an ordinary user; want nothing", runs)
		}
		return
	}
	var all, holes int64
	for _, r := range runs {
		all += r.Length
		if r.Address == files.HoleAddress {
			holes += r.Length
		}
	}
	if all != size || holes != 1<<20+5 {
		t.Errorf("lend = %d bytes, %d of them in holes; want %d and %d", all, holes, size, 1<<20+5)
	}
	// The kernel may move pages at any time, though it seldom does.
	for tries := 1; !l.end(); tries++ {
		if tries == 100 {
			t.Fatal("end says that something was moved, each time")
		}
		l.lend(f, size)
	}
	if l.lend(f, size) == nil {
		t.Fatal("it cannot be lent again")
	}
	if err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 4096, 8192); err != nil {
		t.Fatal(err)
	}
	if l.end() {
		t.Error("end does not notice that pages have gone")
	}
}

// TestLoanOfDisk wants what can be read again at any time not to be lent.
func TestLoanOfDisk(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	if st.Type == unix.TMPFS_MAGIC {
		t.Skip("temporary files lie in memory here")
	}
	var l loan
	if runs := l.lend(f, 1<<20); runs != nil {
		t.Errorf("lend = %v; want nothing", runs)
	}
}
