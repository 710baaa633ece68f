package bootloader

import (
	"fmt"
	"strings"

	"ingot/internal/printable"

	"ingot/internal/lazy"
)

// Console is where GRUB and the kernel speak.
type Console struct {
	// Device is the kernel's name: "tty0" is the screen, "ttyS0" the first serial port.
	Device string
	// Options are those of the kernel's parameter "console", such as "115200n8".
	Options string
}

// defaultSpeed is the serial speed where none is given. The kernel would take 9600,
// and a menu at another speed than the kernel's would be unreadable.
const defaultSpeed = "115200"

var (
	consoleName  = lazy.Regexp(`^(tty[A-Za-z]*[0-9]+|hvc[0-9]+|hvsi[0-9]+|xvc[0-9]+)$`)
	serialOption = lazy.Regexp(`^([1-9][0-9]{1,6})(?:([noe])([78])?(r)?)?$`)
)

// ParseConsole reads a console as the kernel's command line has it: "tty0", "ttyS0",
// "ttyS1,9600n8".
func ParseConsole(s string) (Console, error) {
	device, options, _ := strings.Cut(s, ",")
	c := Console{device, options}
	switch {
	case !consoleName().MatchString(device):
		return c, fmt.Errorf("console %s: it must be tty0, ttyS0, hvc0 or the like, and may have a speed, as in ttyS0,115200", printable.Quote(s))
	case c.screen() && strings.Contains(s, ","):
		return c, fmt.Errorf("console %s: a screen has no speed", printable.Quote(s))
	case strings.Contains(s, ",") && !serialOption().MatchString(options):
		return c, fmt.Errorf("console %s: %s must be a speed, with parity and bits if need be, as in 115200 or 9600n8", printable.Quote(s), printable.Quote(options))
	}
	return c, nil
}

// screen says whether the console is a virtual terminal.
func (c Console) screen() bool {
	n, ok := strings.CutPrefix(c.Device, "tty")
	return ok && strings.Trim(n, "0123456789") == ""
}

// port returns the number of the PC's serial port, if it is one.
func (c Console) port() (string, bool) { return strings.CutPrefix(c.Device, "ttyS") }

// argument is the kernel's parameter.
func (c Console) argument() string {
	options := c.Options
	if _, ok := c.port(); ok && options == "" {
		options = defaultSpeed
	}
	if options != "" {
		options = "," + options
	}
	return "console=" + c.Device + options
}

// serialCommand is GRUB's command that sets up the port.
func (c Console) serialCommand() string {
	port, _ := c.port()
	s := "serial --unit=" + port
	m := serialOption().FindStringSubmatch(c.Options)
	if m == nil {
		return s + " --speed=" + defaultSpeed
	}
	s += " --speed=" + m[1]
	if m[2] != "" {
		s += " --parity=" + map[string]string{"n": "no", "o": "odd", "e": "even"}[m[2]]
	}
	if m[3] != "" {
		s += " --word=" + m[3]
	}
	return s
}
