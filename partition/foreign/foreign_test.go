package foreign

import (
	"errors"
	"testing"

	"ingot/image"
)

// TestSize: what fits, what is fixed, and the limits.
func TestSize(t *testing.T) {
	tree := image.NewTree()
	if err := tree.Put("/big", image.NewFile(0o644, image.Hole(1<<30))); err != nil {
		t.Fatal(err)
	}
	fs := Btrfs.FileSystem
	size := func(s image.Size) (int64, error) {
		m, err := fs.Layout(tree, image.Volume{Size: s})
		if err != nil {
			return 0, err
		}
		return m.Size(), nil
	}
	fit, err := size(image.Fit(0))
	if err != nil || fit < 1<<30+160<<20 || fit > 3<<29 {
		t.Errorf("fit = %d, %v; want a margin over 1 GiB", fit, err)
	}
	if more, err := size(image.Fit(1 << 30)); more != fit+1<<30 || err != nil {
		t.Errorf("fit+1GiB = %d, %v; want %d", more, err, fit+1<<30)
	}
	if exact, err := size(image.Exactly(2<<30 + 512)); exact != 2<<30+512 || err != nil {
		t.Errorf("2GiB+512 = %d, %v", exact, err)
	}
	if err := fs.Check(image.Volume{Size: image.Fit(0), Label: "a\u3000\u200db"}); err != nil { // as mkfs.btrfs
		t.Errorf("spaces that are not ASCII in a label: %v", err)
	}
	if _, err := size(image.Exactly(1<<30 - 1)); !errors.As(err, new(*image.TooSmallError)) {
		t.Errorf("a byte less than the file: %v; want a TooSmallError", err)
	}
}
