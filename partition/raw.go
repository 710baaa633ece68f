package partition

import (
	"fmt"

	"ingot/image"
)

// Raw are bytes outside of all partitions, at a place that firmware knows: the boot ROMs of
// many boards load their first program from there.
type Raw struct {
	// Name is for messages.
	Name string
	// Start is the position in bytes, not necessarily that of a sector.
	Start   int64
	Content image.Blob
}

// End returns the offset of the first byte after it.
func (r Raw) End() int64 { return r.Start + r.Content.Size() }

// what is the name of the bytes in messages.
func (r Raw) what() string { return "raw bytes " + r.Name }

// tables returns the space of the table without the boot code at its start. It includes the
// backup at the end of the disk once the disk's size is known.
func (l *layout) tables() []span {
	spans := []span{{mbrSignatureOffset, l.head(), "the " + l.Kind.String() + " table", 0}}
	if l.Size > 0 && l.tail() > 0 {
		spans = append(spans, span{l.Size - l.tail(), l.Size, "the backup of the " + l.Kind.String() + " table", 0})
	}
	return spans
}

// placeRaw checks the bytes outside of partitions and returns their spans.
func (l *layout) placeRaw() (taken []span, err error) {
	for i, r := range l.Raw {
		s := span{r.Start, r.End(), r.what(), i + 1}
		switch {
		case r.Content == nil || r.Content.Size() == 0:
			return nil, &RawError{i, fmt.Errorf("%s: there are none", s.what)}
		case r.Start < 0 || r.Start > maxBytes || r.Content.Size() > maxBytes:
			return nil, &RawError{i, fmt.Errorf("%s: %d bytes at byte %d: at most %s are supported", s.what, r.Content.Size(), r.Start, FormatBytes(maxBytes))}
		}
		for _, t := range append(l.tables(), taken...) {
			if s.overlaps(t) {
				return nil, overlap(t, s)
			}
		}
		taken = append(taken, s)
	}
	return taken, nil
}
