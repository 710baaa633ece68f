package image

// Time is a moment as file systems store it: seconds since 1970-01-01T00:00:00Z,
// negative before that, and nanoseconds within the second (0 to 999,999,999).
// It has no time zone, and never comes from a clock.
type Time struct {
	Sec  int64
	Nsec int32
}

// Epoch is the time that Nix and Guix give to every file of a store: one second
// after midnight on 1 January 1970. Tools read zero as "unknown".
var Epoch = Time{Sec: 1}

// Civil is a Time in the proleptic Gregorian calendar, in UTC.
type Civil struct {
	Year                 int64
	Month, Day           int // from 1
	Hour, Minute, Second int
}

// Both directions count days from 0000-03-01, so that the leap day ends a year. A year then
// has (153*month+2)/5 days before a month, with March as 0.
const (
	marchToEpoch  = 719468 // days from 0000-03-01 to 1970-01-01
	daysOf400     = 146097
	secondsPerDay = 86400
)

// Civil returns t in UTC, for every int64 of seconds that a calendar year can name.
func (t Time) Civil() Civil {
	day := floorDiv(t.Sec, secondsPerDay)
	sec := t.Sec - day*secondsPerDay
	day += marchToEpoch
	era := floorDiv(day, daysOf400)
	doe := day - era*daysOf400 // day of the 400-year era
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	month := (5*doy + 2) / 153
	c := Civil{
		Year: yoe + era*400, Month: int(month) + 3, Day: int(doy-(153*month+2)/5) + 1,
		Hour: int(sec / 3600), Minute: int(sec / 60 % 60), Second: int(sec % 60),
	}
	if c.Month > 12 {
		c.Year, c.Month = c.Year+1, c.Month-12
	}
	return c
}

// Seconds is the reverse of [Time.Civil]. Numbers that no calendar has, as in damaged
// volumes, count on from valid ones. Years are at least 0.
func (c Civil) Seconds() int64 {
	year, month := c.Year, int64(c.Month)
	if month <= 2 {
		year, month = year-1, month+12
	}
	days := year*365 + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 - marchToEpoch
	return (days+int64(c.Day)-1)*secondsPerDay + int64(c.Hour)*3600 + int64(c.Minute)*60 + int64(c.Second)
}

func floorDiv(a, b int64) int64 {
	if a%b < 0 {
		return a/b - 1
	}
	return a / b
}
