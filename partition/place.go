package partition

import (
	"cmp"
	"fmt"
)

// Placement is first fit in order: partitions with a fixed position get it, and each of the
// others comes after its predecessor in the list, behind anything that is in the way.

// span is a run of bytes of the disk that is in use. That of a logical partition includes its
// extended boot record.
type span struct {
	start, end int64
	what       string // for messages
	raw        int    // 1 + the index in Table.Raw, if it is of there
}

func (s span) overlaps(t span) bool { return s.start < t.end && t.start < s.end }

// head returns how many bytes the table needs at the start of the disk, tail how many at the
// end.
func (l *layout) head() int64 {
	if l.Kind == MBR {
		return l.SectorSize
	}
	return 2*l.SectorSize + gptArraySize
}

func (l *layout) tail() int64 {
	if l.Kind == MBR {
		return 0
	}
	return gptArraySize + l.SectorSize
}

// place sets the positions of all partitions.
func (l *layout) place() error {
	l.ebr = make([]int64, len(l.parts))
	taken, err := l.placeRaw()
	if err != nil {
		return err
	}
	for i := range l.parts {
		if l.parts[i].Partition.Start == 0 {
			continue
		}
		s, err := l.fix(i)
		if err != nil {
			return err
		}
		for _, t := range taken {
			if s.overlaps(t) {
				return overlap(t, s)
			}
		}
		taken = append(taken, s)
	}
	cursor := l.head()
	for i := range l.parts {
		p := &l.parts[i]
		if p.Partition.Start != 0 {
			cursor = p.End()
			continue
		}
		s := l.next(i, cursor, taken)
		if s.end > maxBytes {
			return p.fail("ends beyond %s, the most that is supported", FormatBytes(maxBytes))
		}
		taken = append(taken, s)
		cursor = s.end
	}
	return l.checkExtended()
}

// fix sets the fixed position of partition i.
func (l *layout) fix(i int) (span, error) {
	p := &l.parts[i]
	p.Start = p.Partition.Start
	first, own := p.Start, l.Partitions[i].Align
	if p.Logical {
		first -= l.SectorSize
		l.ebr[i] = first
	}
	switch {
	case p.Start < 0 || p.Start > maxBytes || p.Start%l.SectorSize != 0:
		return span{}, p.fail("start at byte %d: it must be a multiple of the sector size %d, and at most %s", p.Start, l.SectorSize, FormatBytes(maxBytes))
	case own != 0 && p.Start%own != 0:
		return span{}, p.fail("start at byte %d is not a multiple of its own alignment, %s", p.Start, FormatBytes(own))
	case first < l.head():
		return span{}, p.fail("start at byte %d: the %s table needs the first %d bytes", p.Start, l.Kind, l.head()+p.Start-first)
	}
	return span{first, p.End(), "partition " + p.shown(), 0}, nil
}

// next places partition i at or after cursor, outside of all taken spans.
func (l *layout) next(i int, cursor int64, taken []span) span {
	p := &l.parts[i]
	lead := int64(0)
	if p.Logical {
		lead = p.Align
	}
	at := roundUp(cursor, p.Align)
	for moved := true; moved; {
		moved = false
		for _, t := range taken {
			if at < t.end && t.start < at+lead+p.Size {
				at, moved = roundUp(t.end, p.Align), true
			}
		}
	}
	p.Start, l.ebr[i] = at+lead, at
	return span{at, p.End(), "partition " + p.shown(), 0}
}

func overlap(a, b span) error {
	if a.start > b.start {
		a, b = b, a
	}
	err := fmt.Errorf("%s (bytes %d to %d) and %s (bytes %d to %d) overlap by %s: move one of them",
		a.what, a.start, a.end-1, b.what, b.start, b.end-1, exactly(min(a.end, b.end)-b.start))
	if raw := cmp.Or(a.raw, b.raw); raw != 0 {
		return &RawError{raw - 1, err}
	}
	return err
}

// settleSize sets the size of the disk, or checks that a given size is large enough.
func (l *layout) settleSize() error {
	need, last := l.head(), ""
	for _, p := range l.parts {
		if p.End() > need {
			need, last = p.End(), p.shown()
		}
	}
	for _, r := range l.Raw {
		if r.End() > need {
			need, last = roundUp(r.End(), l.SectorSize), r.what()
		}
	}
	need += l.spare + l.tail()
	if l.Size == 0 {
		l.Size = roundUp(need, l.Align)
		return nil
	}
	switch {
	case need <= l.Size:
		return nil
	case last == "":
		return fmt.Errorf("disk size %s: the %s table alone needs %s", exactly(l.Size), l.Kind, exactly(need))
	}
	return fmt.Errorf("partitions do not fit: the last one, %s, ends %s beyond the disk's size of %s: raise the disk's size, or omit it for the smallest that fits",
		last, exactly(need-l.Size), exactly(l.Size))
}

// checkReach refuses positions beyond the 32-bit sector numbers of an MBR.
func (l *layout) checkReach() error {
	reach := int64(mbrMaxLBA) * l.SectorSize
	if l.Kind == MBR && l.Size > reach {
		return fmt.Errorf("disk of %s: an mbr table reaches %s with sectors of %d bytes; use table gpt", exactly(l.Size), exactly(reach), l.SectorSize)
	}
	for _, p := range l.parts {
		if p.InMBR && p.End() > reach {
			return p.fail("ends at byte %d, but the MBR of a hybrid table reaches only %s: move it towards the start", p.End(), exactly(reach))
		}
	}
	return nil
}

// embedding returns the place for a boot loader's core image for BIOS.
func (l *layout) embedding() Region {
	if l.Kind != MBR {
		for _, p := range l.parts {
			if p.TypeGUID == biosBootGUID {
				return Region{p.Start, p.Size, "partition " + p.shown()}
			}
		}
		return Region{}
	}
	first, before := l.Size, "the disk's end"
	for _, r := range l.Raw {
		if r.Start >= l.SectorSize && r.Start < first {
			first, before = r.Start, r.what()
		}
	}
	for i, p := range l.parts {
		start := p.Start
		if p.Logical {
			start = l.ebr[i]
		}
		if start < first {
			first, before = start, "partition "+p.shown()
		}
	}
	return Region{l.SectorSize, first - l.SectorSize, "the gap before " + before}
}
