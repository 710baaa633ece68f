package fat

import (
	"testing"

	"pgregory.net/rapid"

	"ingot/image"
)

func TestStamp(t *testing.T) {
	for _, c := range []struct {
		time image.Time
		want stamp
	}{
		{image.Time{Sec: 315532800}, stamp{date: 1<<5 | 1}},
		{image.Time{Sec: 315532799, Nsec: 999_999_999}, stamp{date: 1<<5 | 1}},
		{image.Epoch, stamp{date: 1<<5 | 1}},
		{image.Time{Sec: -1 << 40}, stamp{date: 1<<5 | 1}},
		{image.Time{Sec: 315532801, Nsec: 239_999_999}, stamp{date: 1<<5 | 1, tenth: 123}},
		{image.Time{Sec: 951868799}, stamp{date: 20<<9 | 2<<5 | 29, time: 23<<11 | 59<<5 | 29, tenth: 100}},
		{image.Time{Sec: 4354819199, Nsec: 990_000_000}, stamp{date: 127<<9 | 12<<5 | 31, time: 23<<11 | 59<<5 | 29, tenth: 199}},
		{image.Time{Sec: 4354819200}, stamp{date: 127<<9 | 12<<5 | 31, time: 23<<11 | 59<<5 | 29, tenth: 199}},
		{image.Time{Sec: 1 << 40}, stamp{date: 127<<9 | 12<<5 | 31, time: 23<<11 | 59<<5 | 29, tenth: 199}},
	} {
		if got := newStamp(c.time); got != c.want {
			t.Errorf("newStamp(%v) = %+v; want %+v", c.time, got, c.want)
		}
	}
}

func TestWriteTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sec := rapid.Int64Range(315532800, 4354819199).Draw(t, "sec")
		s := newStamp(image.Time{Sec: sec})
		if got := writeTime(s.date, s.time); got.Sec != sec&^1 {
			t.Fatalf("writeTime of %d = %d", sec, got.Sec)
		}
	})
	if got := writeTime(0, 0); got.Sec != 315532800-32*86400 { // day 0 of month 0
		t.Errorf("writeTime(0, 0) = %d", got.Sec)
	}
}
