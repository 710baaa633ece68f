package fat

import (
	"io"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"ingot/image"
	"ingot/tests/fstest"
)

// features of FAT with sectors of 512 bytes.
var features = fstest.Features{
	Block:      512,
	HoldsName:  func(name string) bool { return checkName(name) == nil },
	Fold:       fold,
	MaxFile:    maxFileSize,
	MaxEntries: 20_000,
	First:      315532800 - 5*86400, Last: 4354819199 + 5*86400, // 1980 to 2107, and a little on either side
	Time:      keptTime,
	PlainRoot: true,
	Labels:    []string{"ESP", "GNU-ESP", "lower", "ELEVEN CHAR", "A B", "!#$%&'()-@^"},
	BadLabels: []string{"TWELVE CHARS", "NO NAME", "A/B", "Ä", " A", "A ", "A.B", "A\x01"},
	UUIDs:     []string{"ABCD-1234", "0000-0001", "FFFF-FFFF", "abcd-ef01"},
	BadUUIDs:  []string{"0000-0000", "ABCD1234", "ABCD-123", "ABCD-12345", "ABC--1234", "ABCD-123G", "0b9b7f3c-1f0e-4d7c-8e43-0f6ad7b6b2a4"},
}

// keptTime is a time in the steps of a directory's entry.
func keptTime(t image.Time) image.Time {
	const first, last = 315532800, 4354819198
	return image.Time{Sec: min(max(t.Sec, first), last) &^ 1}
}

// clean asks fsck.fat, which must say nothing but what it found.
func clean(t fstest.T, img string) {
	t.Helper()
	fsck := fstest.Judge(t, "fsck.fat", "dosfstools")
	b, err := exec.Command(fsck, "-n", img).CombinedOutput()
	out := string(b)
	if overflow.MatchString(out) {
		out, err = overflow.ReplaceAllString(out, ""), nil
		out = strings.Replace(out, "\nLeaving filesystem unchanged.\n", "", 1)
	}
	if lines := strings.Split(strings.TrimSpace(out), "\n"); err != nil || len(lines) != 2 || !strings.Contains(lines[1], " files, ") {
		t.Fatalf("fsck.fat -n: %v\n%s", err, b)
	}
}

// overflow is what fsck.fat 4.2 says of a file whose clusters make 4 GiB: it counts
// their bytes in 32 bits, and none are left.
var overflow = regexp.MustCompile(`(?m)^/.*\n  File size is 4294967295 bytes, cluster chain length is 0 bytes\.\n  Truncating file to 0 bytes\.\n`)

func readTree(r io.ReaderAt, size int64) (*image.Tree, error) {
	fs, err := Open(r, size)
	if err != nil {
		return nil, err
	}
	return fs.Tree()
}

func TestSuite(t *testing.T) { fstest.Suite(t, FileSystem{}, features, clean, readTree) }
