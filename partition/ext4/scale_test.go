package ext4

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"ingot/image"
	"ingot/tests/fstest"
)

// TestManyExtents has e2fsck and the reader go through extent trees of each depth.
func TestManyExtents(t *testing.T) {
	for _, extents := range []int64{4, 5, 340, 341, 4 * 340, 4*340 + 1, 5_000} {
		t.Run(fmt.Sprint(extents), func(t *testing.T) {
			var runs [][2]int64
			for i := range extents {
				runs = append(runs, [2]int64{2 * i * blockSize, blockSize - i%2})
			}
			tree := image.NewTree()
			tree.Put("/sparse", image.NewFile(0o644, fstest.Sparse(1, 2*extents*blockSize, runs...)))
			tree.Put("/behind", image.NewFile(0o644, fstest.Content(2, 10_000)))
			img := lay(t, FileSystem{}, tree, image.Fit(0))
			h, err := os.Open(img)
			if err != nil {
				t.Fatal(err)
			}
			defer h.Close()
			st, _ := h.Stat()
			got, err := readBack(h, st.Size())
			if err != nil {
				t.Fatal(err)
			}
			fstest.Report(t, "read back", fstest.Diff(tree, got, features))
		})
	}
}

// TestMillionFiles lays out a million files, reads all that is not their contents,
// and looks at the most memory that the process ever had.
func TestMillionFiles(t *testing.T) {
	const marker = "INGOT_TEST_MILLION_FILES"
	if os.Getenv(marker) == "" {
		if testing.Short() {
			t.Skip("slow")
		}
		child := exec.Command(os.Args[0], "-test.run=^TestMillionFiles$", "-test.v")
		child.Env = append(os.Environ(), marker+"=1")
		out, err := child.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		t.Logf("%s", out)
		return
	}
	m, err := FileSystem{}.Layout(smallFiles(1_000_000), image.Volume{Size: image.Fit(0)})
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1<<20)
	for l := range m.Leaves(0, m.Size()) {
		if _, contents := l.Src.(image.Bytes); contents {
			continue
		}
		for off := int64(0); off < l.Len; off += int64(len(buf)) {
			if _, err := l.Src.ReadAt(buf[:min(int64(len(buf)), l.Len-off)], l.SrcOff+off); err != nil {
				t.Fatal(err)
			}
		}
	}
	if peak := peakKiB(t); peak > 1<<20 {
		t.Errorf("took %d MiB of memory; want less than 1024", peak>>10)
	} else {
		t.Logf("%d MiB of memory", peak>>10)
	}
}

// peakKiB is the most memory that the process has had.
func peakKiB(t *testing.T) (n int) {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip(err)
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	if _, err := fmt.Sscan(after, &n); err != nil {
		t.Fatal(err)
	}
	return n
}
