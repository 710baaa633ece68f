package partition

import (
	"fmt"
	"strconv"
	"strings"
)

// A Share is a part of what the disk has left, in hundredths of a percent: 40% is 4000.
type Share int

// AllOfIt is the share of a partition that takes all that is left.
const AllOfIt Share = 100_00

// ParseShare reads a percentage such as "40%" or "33.33%".
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

// String returns the percentage as [ParseShare] reads it.
func (s Share) String() string {
	return strconv.FormatFloat(float64(s)/100, 'f', -1, 64) + "%"
}

// of returns so much of n, rounded down to a multiple of align.
func (s Share) of(n, align int64) int64 {
	units := n / align
	return (units/int64(AllOfIt)*int64(s) + units%int64(AllOfIt)*int64(s)/int64(AllOfIt)) * align
}

// Divide returns the table with sizes in place of the shares of its partitions. What is
// left to be shared is what the disk's size leaves when everything else has its place: the
// table, the gaps of the alignment, the other partitions and the bytes outside of them. So
// shares of 40% and 60% fill the disk, and one of 100% takes the rest.
func (t Table) Divide() (Table, error) {
	asked := Share(0)
	for _, p := range t.Partitions {
		asked += p.Share
	}
	switch {
	case asked == 0:
		return t, nil
	case asked > AllOfIt:
		return t, fmt.Errorf("the shares of the disk's partitions come to %s: they are of what the other partitions leave, so 100%% is all", asked)
	case t.Size == 0:
		return t, fmt.Errorf("the disk has no size that partitions could have a share of: give it one")
	}
	l := &layout{Table: t, unshared: AllOfIt - asked}
	l.Partitions = append([]Partition(nil), t.Partitions...)
	if err := l.setDefaults(); err != nil {
		return t, err
	}
	if _, err := l.placeRaw(); err != nil { // whatever the shares are
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

// share gives every partition its share of left.
func (l *layout) share(left int64) {
	for i := range l.Partitions {
		if p := &l.Partitions[i]; p.Share != 0 {
			p.Size = p.Share.of(left, l.Align)
		}
	}
}

// left returns how many bytes there are to be shared: the most with which the partitions
// still fit. It tries, since positions that were given leave gaps of which first fit may
// or may not make use.
func (l *layout) left() (int64, error) {
	smallest := AllOfIt
	for _, p := range l.Partitions {
		if p.Share != 0 {
			smallest = min(smallest, p.Share)
		}
	}
	least := int64((AllOfIt+smallest-1)/smallest) * l.Align // with less, it would get nothing
	if err := l.fits(least); err != nil {
		return 0, fmt.Errorf("nothing is left of the disk's size of %s for the shares of partitions: %w", FormatBytes(l.Size), err)
	}
	most := roundUp(l.Size, l.Align) // with which it cannot fit, since the table takes some
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

// fits says why a disk on which so many bytes are shared has no room for its partitions,
// or for the share that nobody has.
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
