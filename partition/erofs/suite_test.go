package erofs

import (
	"io"
	"os"
	"strings"
	"testing"

	"ingot/image"
	"ingot/partition/volume"
	"ingot/tests/fstest"
)

// features of EROFS.
var features = fstest.Features{
	MaxSymlink: volume.MaxSymlink,
	MaxLinks:   1<<32 - 1,
	Specials:   true,
	Modes:      true,
	Owners:     true,
	MaxXattr:   maxXattrValue,
	Time:       func(t image.Time) image.Time { return t }, // any time at all
	Labels:     []string{"nix-store", "a label", strings.Repeat("A", 15), "täglich"},
	BadLabels:  []string{strings.Repeat("A", 16), "ä234567890123456", "A\x01", "\xff"},
	UUIDs:      []string{"eb176051-bd15-49b7-9e6b-462e0b467019", "EB176051-BD15-49B7-9E6B-462E0B467019"},
	BadUUIDs:   []string{"eb176051", "eb176051bd1549b79e6b462e0b467019", "00000000-0000-0000-0000-000000000000", "{eb176051-bd15-49b7-9e6b-462e0b467019}"},
}

// clean has fsck.erofs read everything: inodes, names and data. (Its version 1.5 dies of
// data of 4 GiB in one run; TestKernel has that. And it reads the header of extended
// attributes behind an inode that has none, which may be where the volume ends: there is a
// block more while it looks.)
func clean(t fstest.T, img string) {
	t.Helper()
	st, err := os.Stat(img)
	if err != nil {
		t.Fatalf("%v", err)
	}
	args := []string{img}
	if st.Size() < 4<<30 {
		args = []string{"--extract", img}
		if err := os.Truncate(img, st.Size()+blockSize); err != nil {
			t.Fatalf("%v", err)
		}
		defer os.Truncate(img, st.Size())
	}
	if out := fstest.Run(t, fstest.Judge(t, "fsck.erofs", "erofs-utils"), args...); strings.Contains(out, "rror") {
		t.Fatalf("fsck.erofs: %s", out)
	}
}

func readTree(r io.ReaderAt, size int64) (*image.Tree, error) {
	v, err := Open(r, size)
	if err != nil {
		return nil, err
	}
	return v.Tree()
}

func TestSuite(t *testing.T) { fstest.Suite(t, FileSystem{}, features, clean, readTree) }
