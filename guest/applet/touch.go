package applet

import (
	"context"
	"fmt"
	"time"

	"github.com/u-root/u-root/pkg/core/touch"
)

// runTouch reads the options as coreutils does, and has u-root's touch do it.
func runTouch(c *Call) error {
	f := c.flags()
	access := f.BoolP("access", "a", false, "the time of the last read only")
	modified := f.BoolP("modified", "m", false, "the time of the last write only")
	exists := f.BoolP("no-create", "c", false, "make no file")
	date := f.StringP("date", "d", "", "this time: 2006-01-02 15:04:05, or @SECONDS")
	stamp := f.StringP("stamp", "t", "", "this time: [[CC]YY]MMDDhhmm[.ss]")
	reference := f.StringP("reference", "r", "", "the times of this file")
	args, err := c.parse(f, 1, -1)
	if err != nil {
		return err
	}
	if btoi(*date != "")+btoi(*stamp != "")+btoi(*reference != "") > 1 {
		return usageError{"-d, -r and -t exclude one another"}
	}
	at := [2]time.Time{time.Now()} // of the last read, and of the last write
	switch {
	case *reference != "":
		st, err := stat(*reference, true)
		if err != nil {
			return err
		}
		at = [2]time.Time{time.Unix(st.Atim.Unix()), time.Unix(st.Mtim.Unix())}
	case *stamp != "":
		if at[0], err = parseStamp(*stamp); err != nil {
			return err
		}
	case *date != "":
		if at[0], err = parseTime(*date, false); err != nil {
			return err
		}
	}
	if at[1].IsZero() {
		at[1] = at[0]
	}
	if !*access && !*modified {
		*access, *modified = true, true
	}
	return c.each(args, func(name string) error {
		for i, on := range []bool{*access, *modified} {
			if !on {
				continue
			}
			options := []string{[]string{"-a", "-m"}[i], "-d", at[i].Format(time.RFC3339Nano), "--", name}
			if *exists {
				options = append([]string{"-c"}, options...)
			}
			if err := touch.New().RunContext(context.Background(), options...); err != nil {
				return err
			}
		}
		return nil
	})
}

// parseStamp reads [[CC]YY]MMDDhhmm[.ss].
func parseStamp(s string) (time.Time, error) {
	for _, layout := range []string{"200601021504", "200601021504.05", "0601021504", "0601021504.05"} {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return t, nil
		}
	}
	year := fmt.Sprint(time.Now().Year())
	for _, layout := range []string{"200601021504", "200601021504.05"} {
		if t, err := time.ParseInLocation(layout, year+s, time.Local); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not [[CC]YY]MMDDhhmm[.ss]", s)
}
