package image

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"ingot/internal/grammar"
)

// A Difference is a place where bytes are not what a Map says: one owner's, or those
// of a hole.
type Difference struct {
	Off   int64  `json:"offset"`          // of the first byte that differs
	Count int64  `json:"bytes"`           // how many bytes differ
	Owner string `json:"owner,omitempty"` // whose bytes they are; empty in a hole
	// Want and Got are the first byte that differs, as planned and as found.
	Want byte `json:"want"`
	Got  byte `json:"got"`
	// Missing says that the image ends here: the bytes were not found at all.
	Missing bool `json:"missing,omitempty"`
	// Beyond says that the image goes on where the Map ends.
	Beyond bool `json:"beyond,omitempty"`
}

func (d Difference) String() string {
	owner := d.Owner
	if owner == "" {
		owner = "unused space"
	}
	switch {
	case d.Beyond:
		return fmt.Sprintf("byte %d: the image goes on where it should end", d.Off)
	case d.Missing:
		return fmt.Sprintf("byte %d: the image ends %s too early", d.Off, grammar.Count(d.Count, "byte"))
	case d.Count == 1:
		return fmt.Sprintf("byte %d: %s: is %#02x, not %#02x", d.Off, owner, d.Got, d.Want)
	}
	return fmt.Sprintf("byte %d: %s: %s differ, the first is %#02x, not %#02x", d.Off, owner, grammar.Count(d.Count, "byte"), d.Got, d.Want)
}

// CompareLimit is how many differences [Compare] looks for.
const CompareLimit = 100

// Compare returns the first differences between the bytes of m and those of r, in
// order, [CompareLimit] at most: none means that r holds exactly m. Differing bytes of one
// owner are one Difference for each run of the owner's bytes, and at least one for
// each MiB of the image in which they lie.
//
// Where r is a file, its holes are not read; its offset may be moved.
func Compare(ctx context.Context, m *Map, r io.ReaderAt, o WriteOptions) ([]Difference, error) {
	var diffs []Difference
	fill := func(c *chunk) (err error) {
		c.result, err = m.compare(c, r)
		return err
	}
	emit := func(c *chunk) error {
		o.progress(c.n)
		if more, ok := c.result.([]Difference); ok { // nothing has filled what is zero
			diffs = append(diffs, more...)
		}
		if len(diffs) >= CompareLimit || len(diffs) > 0 && diffs[len(diffs)-1].Missing {
			return errStop
		}
		return nil
	}
	other := dataOf(r)
	next := func(off int64) int64 { return min(m.nextData(off), other(off)) } // zero in both
	if err := inOrder(ctx, o, m.chunks(next), fill, emit); err != nil {
		return nil, err
	}
	if len(diffs) >= CompareLimit {
		return diffs[:CompareLimit], nil
	}
	if len(diffs) > 0 && diffs[len(diffs)-1].Missing {
		return diffs, nil
	}
	if n, err := r.ReadAt(make([]byte, 1), m.size); n > 0 {
		diffs = append(diffs, Difference{Off: m.size, Beyond: true})
	} else if err != nil && err != io.EOF {
		return nil, err
	}
	return diffs, nil
}

// dataOf returns a function that tells where r has its next data at or after an
// offset: all is data, unless r is a file with holes. Its end counts as data, so that
// it is looked at.
func dataOf(r io.ReaderAt) func(off int64) int64 {
	f, ok := r.(*os.File)
	if !ok {
		return func(off int64) int64 { return off }
	}
	return func(off int64) int64 {
		at, err := unix.Seek(int(f.Fd()), off, unix.SEEK_DATA)
		if err == unix.ENXIO { // none up to the end
			at, err = unix.Seek(int(f.Fd()), 0, unix.SEEK_END)
		}
		if err != nil {
			return off // a device, say
		}
		return max(at, off)
	}
}

// compare returns the differences within one chunk.
func (m *Map) compare(c *chunk, r io.ReaderAt) ([]Difference, error) {
	if _, err := m.ReadAt(c.buf, c.off); err != nil && err != io.EOF {
		return nil, err
	}
	got := make([]byte, c.n)
	n, err := r.ReadAt(got, c.off)
	if err != nil && err != io.EOF {
		return nil, err
	}
	var diffs []Difference
	if want := c.buf[:n]; !bytes.Equal(want, got[:n]) {
		at := int64(0)
		for l := range m.Leaves(c.off, int64(n)) {
			from, to := l.Off-c.off, l.End()-c.off
			diffs = differ(diffs, c.off, at, want[at:from], got[at:from], "")
			diffs = differ(diffs, c.off, from, want[from:to], got[from:to], l.Describe())
			at = to
		}
		diffs = differ(diffs, c.off, at, want[at:], got[at:n], "")
	}
	if int64(n) < c.n {
		diffs = append(diffs, Difference{Off: c.off + int64(n), Count: m.size - c.off - int64(n), Missing: true})
	}
	return diffs, nil
}

// differ appends what differs between want and got, which lie at base+at.
func differ(diffs []Difference, base, at int64, want, got []byte, owner string) []Difference {
	if bytes.Equal(want, got) {
		return diffs
	}
	d := Difference{Owner: owner}
	for i := range want {
		if want[i] == got[i] {
			continue
		}
		if d.Count == 0 {
			d.Off, d.Want, d.Got = base+at+int64(i), want[i], got[i]
		}
		d.Count++
	}
	return append(diffs, d)
}
