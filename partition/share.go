package partition

import (
	"fmt"
	"strconv"
	"strings"
)

// A Share is a part of the disk's remaining space, in hundredths of a percent: 40% is 4000.
type Share int

// AllOfIt is the share of all remaining space.
const AllOfIt Share = 100_00

// ParseShare parses a percentage such as "40%" or "33.33%".
func ParseShare(s string) (Share, error) {
	number, ok := strings.CutSuffix(strings.TrimSpace(s), "%")
	whole, decimals, _ := strings.Cut(strings.TrimSpace(number), ".")
	n, err := strconv.ParseUint(whole+(decimals + "00")[:max(2, len(decimals))], 10, 32)
	if !ok || err != nil || len(decimals) > 2 {
		return 0, fmt.Errorf("size %q is not a percentage: write one such as 40%%, with two decimals at most", s)
	}
	if n == 0 || n > uint64(AllOfIt) {
		return 0, fmt.Errorf("size %q: a share is more than 0%% and at most 100%%", s)
	}
	return Share(n), nil
}

// String formats the percentage for [ParseShare].
func (s Share) String() string {
	return strconv.FormatFloat(float64(s)/100, 'f', -1, 64) + "%"
}

// of returns this share of n, rounded down to a multiple of align.
func (s Share) of(n, align int64) int64 {
	units := n / align
	return (units/int64(AllOfIt)*int64(s) + units%int64(AllOfIt)*int64(s)/int64(AllOfIt)) * align
}

// Divide returns the table with sizes in place of its partitions' shares. They are shares of
// the space that remains when everything else has its place: the table, the gaps of the
// alignment, the other partitions and the bytes outside of them. So shares of 40% and 60%
// fill the disk, and one of 100% takes the rest.
func (t Table) Divide() (Table, error) {
	asked := Share(0)
	for _, p := range t.Partitions {
		asked += p.Share
	}
	switch {
	case asked == 0:
		return t, nil
	case asked > AllOfIt:
		return t, fmt.Errorf("the shares of the disk's partitions add up to %s: they are shares of the space that the other partitions leave, so 100%% is all", asked)
	case t.Size == 0:
		return t, fmt.Errorf("partitions have shares of the disk, but it has no size: give it one")
	}
	l := &layout{Table: t, unshared: AllOfIt - asked}
	l.Partitions = append([]Partition(nil), t.Partitions...)
	if err := l.setDefaults(); err != nil {
		return t, err
	}
	if _, err := l.placeRaw(); err != nil { // with any shares
		return t, err
	}
	left, err := l.left()
	if err != nil {
		return t, err
	}
	l.share(left)
	for i := range l.Partitions {
		l.Partitions[i].Share = 0
	}
	t.Partitions = l.Partitions
	return t, nil
}

// share sets the sizes of partitions to their shares of left.
func (l *layout) share(left int64) {
	for i := range l.Partitions {
		if p := &l.Partitions[i]; p.Share != 0 {
			p.Size = p.Share.of(left, l.Align)
		}
	}
}

// left returns the number of bytes to share: the largest with which the partitions still
// fit. It searches, since the gaps between fixed positions may or may not be usable.
func (l *layout) left() (int64, error) {
	smallest := AllOfIt
	for _, p := range l.Partitions {
		if p.Share != 0 {
			smallest = min(smallest, p.Share)
		}
	}
	least := int64((AllOfIt+smallest-1)/smallest) * l.Align // with less, the smallest share would be 0
	if err := l.fits(least); err != nil {
		return 0, fmt.Errorf("nothing is left of the disk's size of %s for the shares of partitions: %w", FormatBytes(l.Size), err)
	}
	most := roundUp(l.Size, l.Align) // too much, since the table takes some
	for most-least > l.Align {
		middle := least + roundUp((most-least)/2, l.Align)
		if l.fits(middle) == nil {
			least = middle
		} else {
			most = middle
		}
	}
	return least, nil
}

// fits returns an error if the disk has no room for its partitions, and for the unassigned
// share, when so many bytes are shared.
func (l *layout) fits(left int64) error {
	l.share(left)
	l.spare = l.unshared.of(left, l.Align)
	for _, step := range []func() error{l.describe, l.place, l.settleSize} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}
