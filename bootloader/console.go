package bootloader

import (
	"fmt"
	"strings"

	"ingot/internal/lazy"
	"ingot/internal/printable"
)

// Console is where the boot loader and the kernel print, and read keys.
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
	case c.Screen() && strings.Contains(s, ","):
		return c, fmt.Errorf("console %s: a screen has no speed", printable.Quote(s))
	case strings.Contains(s, ",") && !serialOption().MatchString(options):
		return c, fmt.Errorf("console %s: %s must be a speed, with parity and bits if need be, as in 115200 or 9600n8", printable.Quote(s), printable.Quote(options))
	}
	return c, nil
}

// Screen reports whether the console is a virtual terminal.
func (c Console) Screen() bool {
	n, ok := strings.CutPrefix(c.Device, "tty")
	return ok && strings.Trim(n, "0123456789") == ""
}

// Port returns the number of the PC's serial port, if it is one.
func (c Console) Port() (string, bool) { return strings.CutPrefix(c.Device, "ttyS") }

// Argument is the kernel's parameter.
func (c Console) Argument() string {
	options := c.Options
	if _, ok := c.Port(); ok && options == "" {
		options = defaultSpeed
	}
	if options != "" {
		options = "," + options
	}
	return "console=" + c.Device + options
}

// Line returns the speed of a serial port, its parity ("n", "o", "e") and its bits, the
// last two empty where the options do not say.
func (c Console) Line() (speed, parity, bits string) {
	m := serialOption().FindStringSubmatch(c.Options)
	if m == nil {
		return defaultSpeed, "", ""
	}
	return m[1], m[2], m[3]
}
