package fat

import "ingot/image"

// The range of seven bits that count years from 1980.
const firstYear, lastYear = 1980, 1980 + 127

// stamp is a time in a directory entry.
type stamp struct {
	date, time uint16
	tenth      uint8 // 10 ms within the two seconds of time
}

// newStamp returns t in UTC, or the nearest time in the range of FAT.
func newStamp(t image.Time) stamp {
	c := t.Civil()
	switch {
	case c.Year < firstYear:
		return stamp{date: 1<<5 | 1}
	case c.Year > lastYear:
		return stamp{date: (lastYear-firstYear)<<9 | 12<<5 | 31, time: 23<<11 | 59<<5 | 29, tenth: 199}
	}
	return stamp{
		date:  uint16(c.Year-firstYear)<<9 | uint16(c.Month)<<5 | uint16(c.Day),
		time:  uint16(c.Hour)<<11 | uint16(c.Minute)<<5 | uint16(c.Second/2),
		tenth: uint8(c.Second%2*100) + uint8(t.Nsec/10_000_000),
	}
}

// writeTime returns the time that a date and a time of day say, also in damaged volumes
// ([image.Civil.Seconds]).
func writeTime(date, time uint16) image.Time {
	return image.Time{Sec: image.Civil{
		Year: int64(firstYear + date>>9), Month: int(date >> 5 & 15), Day: int(date & 31),
		Hour: int(time >> 11), Minute: int(time >> 5 & 63), Second: int(time&31) * 2,
	}.Seconds()}
}
