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

// TestPinned pins a file with a hole in it. The kernel tells only root where its pages lie.
func TestPinned(t *testing.T) {
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
	var p pinned
	runs := p.pin(f, size)
	if os.Geteuid() != 0 {
		if runs != nil {
			t.Errorf("pin = %v as an ordinary user; want nothing", runs)
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
		t.Errorf("pin = %d bytes, %d of them in holes; want %d and %d", all, holes, size, 1<<20+5)
	}
	// The kernel may move pages at any time, though it seldom does.
	for tries := 1; !p.end(); tries++ {
		if tries == 100 {
			t.Fatal("end says that something was moved, each time")
		}
		p.pin(f, size)
	}
	if p.pin(f, size) == nil {
		t.Fatal("it cannot be pinned again")
	}
	if err := unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 4096, 8192); err != nil {
		t.Fatal(err)
	}
	if p.end() {
		t.Error("end does not notice that pages have gone")
	}
}

// TestPinnedOnDisk: a file on a disk is not pinned, for the kernel may drop its pages.
func TestPinnedOnDisk(t *testing.T) {
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
	var p pinned
	if runs := p.pin(f, 1<<20); runs != nil {
		t.Errorf("pin = %v; want nothing", runs)
	}
}
