package iso9660

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"ingot/image"
	"ingot/tests/fstest"
)

// judgedSymlink is as long as symlinks are in the suite: xorriso refuses to read one
// whose path and target have about 4,000 bytes together ("Rock Ridge path too long").
// TestSymlinks has the longer ones.
const judgedSymlink = 1000

// features of ISO 9660 with Rock Ridge.
var features = fstest.Features{
	Block:       blockSize,
	MaxName:     LinuxName,
	MaxSymlink:  judgedSymlink,
	MaxFile:     maxSections * maxSection,
	MaxLinks:    1<<32 - 1,
	Specials:    true,
	HoldsDevice: func(d image.Dev) bool { return d.Major > 0 || d.Minor <= maxMinorOfZero },
	Modes:       true,
	Owners:      true,
	First:       firstTime, Last: lastTime,
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
	if err := t.Walk(func(path string, n *image.Node) error {
		if len(n.Link) > judgedSymlink {
			return fmt.Errorf("%s: too long for xorriso", path)
		}
		return nil
	}); err != nil {
		return nil, err
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

// clean has xorriso read the whole directory tree, which must not complain.
func clean(t fstest.T, img string) {
	t.Helper()
	fstest.Run(t, fstest.Judge(t, "xorriso", "xorriso"), "-abort_on", "WARNING", "-report_about", "NOTE", "-indev", "stdio:"+img)
}

func readTree(r io.ReaderAt, size int64) (*image.Tree, error) {
	fs, err := Open(r, size)
	if err != nil {
		return nil, err
	}
	return fs.Tree()
}

func TestSuite(t *testing.T) { fstest.Suite(t, sized{}, features, clean, readTree) }
