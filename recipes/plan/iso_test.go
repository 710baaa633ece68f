package plan

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ingot/recipes"
	"ingot/tests/fstest"
	"ingot/tests/testenv"
)

// TestWarnOfFAT plans ISOs on either side of what a file on FAT can be.
func TestWarnOfFAT(t *testing.T) {
	fstest.Judge(t, "grub-mkimage", "grub-common")
	program := fstest.Judge(t, "busybox", "busybox-static")
	dir := t.TempDir()
	big, err := os.Create(filepath.Join(dir, "big"))
	if err != nil {
		t.Fatal(err)
	}
	defer big.Close()
	text := fmt.Sprintf(`name: big
system: {kernel: %q}
disk:
  partitions:
    - {name: root, filesystem: ext4, size: fit, contents: {store: true, files: [{path: /big, source: big}]}}
bootloader: {grub: [bios]}
output: iso
`, testenv.Kernel(t))
	plan := func(size int64) *Plan {
		t.Helper()
		if err := big.Truncate(size); err != nil { // all hole
			t.Fatal(err)
		}
		r, err := recipes.Parse("big.yaml", dir, []byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		p, err := New(t.Context(), r, Host{Program: program, Path: filepath.SplitList(os.Getenv("PATH"))})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	const most, block = 1<<32 - 1, 4096
	rest := plan(5<<30).Disk.Map.Size() - 5<<30
	for _, x := range []struct {
		size int64
		warn bool
	}{{5 << 30, true}, {most + 1 - rest, true}, {most + 1 - rest - block, false}} {
		p := plan(x.size)
		size := p.Disk.Map.Size()
		said := strings.Join(p.Warnings, "\n")
		want := fmt.Sprintf("the ISO has %d bytes, and FAT, which most USB sticks have, holds files of up to 4 GiB less one byte", size)
		if x.warn != (size > most) {
			t.Fatalf("an ISO of a file of %d bytes has %d", x.size, size)
		}
		if strings.Contains(said, want) != x.warn {
			t.Errorf("an ISO of %d bytes: warnings %q; want %q: %v", size, said, want, x.warn)
		}
	}
}
