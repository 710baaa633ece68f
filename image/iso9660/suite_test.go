package iso9660

import (
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"ingot/image"
	"ingot/tests/fstest"
)

// features of ISO 9660 with Rock Ridge.
var features = fstest.Features{
	Block:      blockSize,
	MaxSymlink: maxSymlink,
	MaxLinks:   1<<32 - 1,
	Specials:   true,
	Modes:      true,
	Owners:     true,
	First:      firstTime, Last: lastTime,
	Time:      func(t image.Time) image.Time { return image.Time{Sec: t.Sec} },
	Labels:    []string{"NIXOS", "GUIX_IMAGE", "nixos-minimal-23.11-x86_64", strings.Repeat("A", 32), "a+b"},
	BadLabels: []string{strings.Repeat("A", 33), "A B", "A/B", "Ä", "A\x01", "A\"", "A;", "$A"},
	UUIDs:     []string{"1995-03-02-11-22-33-00", "2026-12-31-23-59-59-99", "1970-01-01-00-00-01-00"},
	BadUUIDs: []string{"1995-03-02", "1995-03-02-11-22-33-0x", "1995-13-02-11-22-33-00", "1995-03-32-11-22-33-00",
		"0000-00-00-00-00-00-00", "1995-03-02-24-22-33-00", "0b9b7f3c-1f0e-4d7c-8e43-0f6ad7b6b2a4", "ABCD-1234"},
}

// sized is ISO 9660 as a file system whose size one can ask for, which the suite does:
// what it needs is the least, and zeros follow.
type sized struct{ Options }

func (s sized) Layout(t *image.Tree, v image.Volume) (*image.Map, error) {
	if v.Size == (image.Size{}) {
		return nil, fmt.Errorf("a volume of 0 bytes")
	}
	o := s.Options
	o.VolumeID, o.UUID, o.Seed = v.Label, v.UUID, v.Seed
	if v.Size.Fit && v.Size.Bytes > 0 {
		o.Tail = v.Size.Bytes + 3*blockSize // for its record, and its alignment
	}
	m, err := Layout(t, o)
	if err != nil || v.Size.Fit {
		return m, err
	}
	if m.Size() > v.Size.Bytes {
		return nil, &image.TooSmallError{What: "bytes", Need: m.Size(), Have: v.Size.Bytes}
	}
	var b image.Builder
	b.Add(0, m, nil)
	return b.Map(v.Size.Bytes)
}

// clean has xorriso read the whole directory tree, which must not complain. It takes
// no symlink to 4095 bytes (and isoinfo crashes on it), so that it is told to read on
// where there is one.
func clean(t fstest.T, img string) {
	t.Helper()
	xorriso := fstest.Judge(t, "xorriso", "xorriso")
	out, err := exec.Command(xorriso, "-abort_on", "WARNING", "-report_about", "WARNING", "-indev", "stdio:"+img).CombinedOutput()
	if err == nil {
		return
	}
	if strings.Contains(string(out), "Error when adding file") && hasLongestSymlink(t, img) {
		out, _ = exec.Command(xorriso, "-error_behavior", "image_loading", "best_effort", "-abort_on", "FATAL", "-report_about", "WARNING", "-indev", "stdio:"+img).CombinedOutput()
		if bad := complaint.FindString(strings.ReplaceAll(string(out), "SORRY : Error when adding file", "")); bad == "" {
			return
		}
	}
	t.Fatalf("xorriso -indev: %v\n%.2000s", err, out)
}

// complaint is a line of xorriso's that is worse than a note.
var complaint = regexp.MustCompile(`(?m)^\w+ *: (WARNING|SORRY|MISHAP|FAILURE|FATAL|ABORT) .*`)

func hasLongestSymlink(t fstest.T, img string) (found bool) {
	t.Helper()
	f, err := image.NewHostFile(img)
	if err != nil {
		t.Fatalf("%v", err)
	}
	tree, err := readTree(f, f.Size())
	if err != nil {
		t.Fatalf("own reader: %v", err)
	}
	if err := tree.Walk(func(_ string, n *image.Node) error {
		found = found || len(n.Link) == maxSymlink
		return nil
	}); err != nil {
		t.Fatalf("%v", err)
	}
	return found
}

func readTree(r io.ReaderAt, size int64) (*image.Tree, error) {
	fs, err := Open(r, size)
	if err != nil {
		return nil, err
	}
	return fs.Tree()
}

func TestSuite(t *testing.T) { fstest.Suite(t, sized{}, features, clean, readTree) }
