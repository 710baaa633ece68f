package image

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"

	"ingot/internal/grammar"
)

// A Difference is a place where the bytes of an image differ from those of a Map. All of
// them belong to one owner, or to a hole.
type Difference struct {
	Off   int64  `json:"offset"`          // of the first byte that differs
	Count int64  `json:"bytes"`           // how many bytes differ
	Owner string `json:"owner,omitempty"` // of the bytes; empty in a hole
	// Want and Got are the first byte that differs, as planned and as found.
	Want byte `json:"want"`
	Got  byte `json:"got"`
	// Missing means that the image ends here.
	Missing bool `json:"missing,omitempty"`
	// Beyond means that the image goes on where the Map ends.
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

// CompareLimit is the number of differences after which [Compare] stops.
const CompareLimit = 100

// Compare returns the first differences between the bytes of m and those of r, in
// order, [CompareLimit] at most. None means that r holds exactly m. Each run of an
// owner's bytes has a Difference of its own, and a run that spans several MiB of the image
// has one for each.
//
// If r is a file, Compare does not read its holes, and may move its offset.
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
	switch {
	case len(diffs) >= CompareLimit:
		return diffs[:CompareLimit], nil
	case len(diffs) > 0 && diffs[len(diffs)-1].Missing:
		return diffs, nil
	}
	if n, err := r.ReadAt(make([]byte, 1), m.size); n > 0 {
		diffs = append(diffs, Difference{Off: m.size, Beyond: true})
	} else if err != nil && err != io.EOF {
		return nil, err
	}
	return diffs, nil
}

// dataOf returns a function that finds the next data of r at or after an offset. All is
// data unless r is a file with holes. The end of a file counts as data, so that a file that
// is too short is noticed.
func dataOf(r io.ReaderAt) func(off int64) int64 {
	if f, ok := r.(*os.File); ok {
		if end, err := f.Seek(0, io.SeekEnd); err == nil {
			return func(off int64) int64 {
				from, _ := dataWithin(int(f.Fd()), off, end)
				return from
			}
		}
	}
	return func(off int64) int64 { return off }
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
