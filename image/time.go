package image

// Time is a moment as file systems store it: seconds since 1970-01-01T00:00:00Z,
// negative before that, and nanoseconds within the second (0 to 999,999,999).
// There is no zone and no clock: a Time is always given, never taken.
type Time struct {
	Sec  int64
	Nsec int32
}

// Epoch is the time that Nix and Guix give to every file of a store: one second
// after midnight on 1 January 1970. Zero is avoided since tools read it as "unknown".
var Epoch = Time{Sec: 1}

// Civil is a Time as a calendar in UTC shows it (proleptic Gregorian).
type Civil struct {
	Year                 int64
	Month, Day           int // from 1
	Hour, Minute, Second int
}

// Civil returns t in UTC.
//
// The arithmetic counts days from 0000-03-01, so that the leap day ends a year,
// and works for every int64 of seconds that a calendar year can name.
func (t Time) Civil() Civil {
	days, sec := t.Sec/86400, t.Sec%86400
	if sec < 0 {
		days, sec = days-1, sec+86400
	}
	days += 719468 // from 0000-03-01 to 1970-01-01
	era := days / 146097
	if days < 0 {
		era = (days - 146096) / 146097
	}
	doe := days - era*146097 // day of the 400-year era
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153 // month, counted from March
	c := Civil{
		Year: yoe + era*400, Month: int(mp) + 3, Day: int(doy-(153*mp+2)/5) + 1,
		Hour: int(sec / 3600), Minute: int(sec / 60 % 60), Second: int(sec % 60),
	}
	if c.Month > 12 {
		c.Month -= 12
	}
	if c.Month <= 2 {
		c.Year++
	}
	return c
}
