package applet

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

func runTouch(c *Call) error {
	access := c.flags.BoolP("access", "a", false, "the time of the last read only")
	modified := c.flags.BoolP("modified", "m", false, "the time of the last write only")
	exists := c.flags.BoolP("no-create", "c", false, "make no file")
	date := option(c, "date", "d", time.Time{}, "this `TIME`: 2006-01-02 15:04:05, or @SECONDS", localTime)
	reference := c.flags.StringP("reference", "r", "", "the times of this file")
	names := c.parse(1, -1)
	times := []unix.Timespec{{Nsec: unix.UTIME_NOW}, {Nsec: unix.UTIME_NOW}} // of the last read, and of the last write
	switch {
	case c.flags.Changed("date") && *reference != "":
		return usageError{"-d and -r exclude one another"}
	case *reference != "":
		st, err := stat(*reference, true)
		if err != nil {
			return err
		}
		times = []unix.Timespec{st.Atim, st.Mtim}
	case c.flags.Changed("date"):
		at := unix.NsecToTimespec(date.UnixNano())
		times = []unix.Timespec{at, at}
	}
	if *access != *modified {
		times[btoi(*access)].Nsec = unix.UTIME_OMIT
	}
	return c.each(names, func(name string) error {
		err := unix.UtimesNanoAt(unix.AT_FDCWD, name, times, 0)
		if errors.Is(err, unix.ENOENT) && *exists {
			return nil
		}
		if errors.Is(err, unix.ENOENT) {
			f, openErr := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o666)
			if openErr != nil {
				return openErr
			}
			f.Close()
			err = unix.UtimesNanoAt(unix.AT_FDCWD, name, times, 0)
		}
		if err != nil {
			return &fs.PathError{Op: "utimes", Path: name, Err: err}
		}
		return nil
	})
}

func localTime(s string) (time.Time, error) { return parseTime(s, false) }
