package recipes

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/iotest"

	"ingot/image"
)

// TestRedactor: secrets go out whatever pieces they come in, and nothing waits that is
// no part of one.
func TestRedactor(t *testing.T) {
	const text = "say hunter2 and hunter22, hunthunter2, hunt\nhunter\n"
	const want = "say [secret] and [secret], hunt[secret], hunt\nhunter\n"
	for size := 1; size <= len(text); size++ {
		var out bytes.Buffer
		said := newTail([]string{"hunter22", "hunter2"})
		said.to = &out
		w := said.writer()
		for p := []byte(text); len(p) > 0; p = p[min(size, len(p)):] {
			if _, err := w.Write(p[:min(size, len(p))]); err != nil {
				t.Fatal(err)
			}
		}
		err := said.explain("x", iotest.ErrTimeout)
		got := out.String()
		if got != want {
			t.Errorf("in pieces of %d: %q; want %q", size, got, want)
		}
		if !errors.Is(err, iotest.ErrTimeout) || !strings.HasSuffix(err.Error(), "it said:\n"+strings.TrimSpace(got)) {
			t.Errorf("explain = %v", err)
		}
	}
	var out bytes.Buffer
	said := newTail([]string{"hunter2"})
	said.to = &out
	fmt.Fprint(said.writer(), "no secret at all")
	fmt.Fprint(said.writer(), "; nor here")
	if got := out.String(); got != "no secret at all; nor here" {
		t.Errorf("before the end: %q; want all of it, in order", got)
	}
}

// TestForeignSize: what fits, what is fixed, and the limits.
func TestForeignSize(t *testing.T) {
	tree := image.NewTree()
	if err := tree.Put("/big", image.NewFile(0o644, image.Hole(1<<30))); err != nil {
		t.Fatal(err)
	}
	fs := (&Partition{Filesystem: "btrfs"}).fileSystem()
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
	if _, err := size(image.Exactly(1<<30 - 1)); !isTooSmall(err) {
		t.Errorf("a byte less than the file: %v; want a TooSmallError", err)
	}
}
