package helper_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestLargeResults takes files out of a guest's memory, of which some lies above 4 GiB.
func TestLargeResults(t *testing.T) {
	o := options(t)
	o.Machine.Memory = 3 << 30
	o.Machine.OpenMemory = true
	ctx, h := start(t, o)
	sums := run(t, ctx, h, "sh", "-c", `
		mkdir -p /root/out/dir; cd /root/out
		head -c 5000003 /dev/urandom > random
		ln random dir/again; ln -s ../random dir/link
		head -c 1000 /dev/urandom > small; chmod 600 small
		truncate -s 30000000 sparse
		head -c 2000000 /dev/urandom | dd of=sparse bs=1000000 seek=10 conv=notrunc status=none
		dd if=/dev/urandom of=/tmp/other bs=1000000 count=2 status=none; ln /tmp/other /tmp/third; mv /tmp/third dir/tmp
		sha256sum random small dir/again dir/tmp`)
	to := t.TempDir()
	if _, err := h.CopyOut(ctx, "/root/out", to); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(sums), "\n")
	if len(lines) != 4 {
		t.Fatalf("in the guest they are\n%s", sums)
	}
	for _, line := range lines {
		want, name, _ := strings.Cut(line, " ")
		name = strings.TrimLeft(name, " *")
		data, err := os.ReadFile(filepath.Join(to, name))
		if got := fmt.Sprintf("%x", sha256.Sum256(data)); err != nil || got != want {
			t.Errorf("%s has %d bytes and the digest %s, %v; want %s", name, len(data), got, err, want)
		}
	}
	if sum := digestIn(t, to, "sparse"); sum != strings.Fields(run(t, ctx, h, "sha256sum", "/root/out/sparse"))[0] {
		t.Errorf("sparse has the digest %s", sum)
	}
	var st syscall.Stat_t
	if err := syscall.Stat(filepath.Join(to, "sparse"), &st); err != nil || st.Size != 30_000_000 || st.Blocks*512 > 3_000_000 {
		t.Errorf("sparse has %d bytes and takes %d, %v; want 30000000 and little more than 2000000", st.Size, st.Blocks*512, err)
	}
	if err := syscall.Stat(filepath.Join(to, "random"), &st); err != nil || st.Nlink != 2 {
		t.Errorf("random has %d names, %v; want 2", st.Nlink, err)
	}
	if info, err := os.Stat(filepath.Join(to, "small")); err != nil || info.Mode() != 0o600 {
		t.Errorf("small is %v, %v; want 0600", info, err)
	}
	// The guest has its memory back, and goes on.
	if got := run(t, ctx, h, "sh", "-c", "rm -r /root/out; echo alive"); got != "alive\n" {
		t.Errorf("after that, it says %q", got)
	}
}

func digestIn(t *testing.T, dir, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(data))
}
