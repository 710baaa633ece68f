package fat

import "ingot/image"

// The years that seven bits from 1980 on can name.
const firstYear, lastYear = 1980, 1980 + 127

// stamp is a time as directory entries have it.
type stamp struct {
	date, time uint16
	tenth      uint8 // 10 ms within the two seconds of time
}

// newStamp returns t in UTC, moved into the range that can be held.
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

// writeTime returns the time that a date and a time of day say. A day or hour that
// no calendar has, as found in damaged volumes, is counted on from the valid ones.
func writeTime(date, time uint16) image.Time {
	days := daysBefore(int64(firstYear+date>>9), int64(date>>5&15)) + int64(date&31) - 1
	return image.Time{Sec: days*86400 + int64(time>>11)*3600 + int64(time>>5&63)*60 + int64(time&31)*2}
}

// daysBefore counts the days from 1970-01-01 to the first of a month. Years are
// counted from March, so that the leap day ends them.
func daysBefore(year, month int64) int64 {
	if month <= 2 {
		year, month = year-1, month+12
	}
	return year*365 + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 - 719468
}
