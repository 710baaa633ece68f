package ext4

import (
	"io"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ingot/image"
	"ingot/partition/volume"
	"ingot/tests/fstest"
)

var features = fstest.Features{
	MaxSymlink: volume.MaxSymlink,
	MaxLinks:   maxLinks,
	Specials:   true,
	Modes:      true,
	Owners:     true,
	MaxXattr:   4040, // a block without its header, the end, and the entry
	Holes:      true,
	MaxFile:    maxLogicalBlocks * blockSize,
	Adds:       []string{"/lost+found"},
	Labels:     []string{"root", "Größe & Maß", "sixteen bytes ok"},
	BadLabels:  []string{"seventeen bytes !", "new\nline", "a\x00b", "\xff"},
	UUIDs:      []string{"f222513b-ded1-49fa-b591-20ce86a2fe7f", "F222513B-DED1-49FA-B591-20CE86A2FE7F"},
	BadUUIDs:   []string{"ABCD-1234", "{f222513b-ded1-49fa-b591-20ce86a2fe7f}", "f222513bded149fab59120ce86a2fe7f", "00000000-0000-0000-0000-000000000000"},
}

func TestSuite(t *testing.T) { fstest.Suite(t, FileSystem{}, features, fsck, readBack) }

// TestSuiteForOldBootLoaders is the same without the features that can be left out.
func TestSuiteForOldBootLoaders(t *testing.T) {
	fstest.Suite(t, FileSystem{No64Bit: true, NoMetadataCsum: true}, features, fsck, readBack)
}

func readBack(r io.ReaderAt, size int64) (*image.Tree, error) {
	fs, err := Open(r, size)
	if err != nil {
		return nil, err
	}
	return fs.Tree()
}

// lateTimes is a guess of e2fsck's, not a fault: kernels before 3.14 stored times
// before 1970 as those from 2310 on are stored.
var lateTimes = regexp.MustCompile(`Timestamp\(s\) on inode \d+ beyond 2310-04-04 are likely pre-1970\.\nFix\? no\n\n`)

// fsck asks e2fsck, which must have nothing to say but the names of its passes and
// what it counted.
func fsck(t fstest.T, img string) {
	t.Helper()
	b, err := exec.Command(fstest.Judge(t, "e2fsck", "e2fsprogs"), "-fn", img).CombinedOutput()
	said := lateTimes.ReplaceAllString(string(b), "")
	silent := !slices.ContainsFunc(slices.Collect(strings.Lines(said)), func(line string) bool {
		return !strings.HasPrefix(line, "Pass ") && !strings.HasPrefix(line, "e2fsck 1.") && !strings.HasSuffix(line, " blocks\n")
	})
	if err != nil || !silent {
		t.Fatalf("e2fsck -fn: %v\n%s", err, b[max(0, len(b)-3000):])
	}
}
