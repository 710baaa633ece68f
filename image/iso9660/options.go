package iso9660

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"strings"

	"ingot/image"
)

// Options says what is asked of a volume. The zero value is a volume without a name
// that does not boot.
type Options struct {
	// VolumeID is the volume's name, of up to 32 characters: letters, digits and ._+-.
	// The standard has upper case and the underscore alone, which is Guix's way
	// (GUIX_IMAGE); NixOS names its media nixos-minimal-…, and every system shows both
	// as they are. Spaces and what a kernel's command line, udev or a menu would have to
	// quote are refused.
	VolumeID string
	// UUID is the volume's identifier as blkid and GRUB have it, which is the date of
	// modification: "1995-03-02-11-22-33-00". It is derived from Seed where it is empty.
	UUID string
	Seed image.Seed
	// Publisher and Application have up to 128 printable ASCII characters.
	Publisher, Application string
	// Time is the date of the volume's creation; the zero value is [image.Epoch].
	Time image.Time
	// Joliet adds a second hierarchy, with the names that Windows shows.
	Joliet bool
	// Boot are the images of the El Torito catalog. The first one is its default.
	Boot []Boot
	// Tail is how many bytes are left zero at the end; it is rounded up to 2 KiB.
	Tail int64
}

const (
	maxVolumeID = 32
	maxText     = 128 // publisher and application
)

// Check says whether a volume can be made with the options, whatever it is to hold.
func (o Options) Check() error {
	return cmp.Or(checkVolumeID(o.VolumeID), checkUUID(o.UUID),
		checkText("publisher", o.Publisher), checkText("application", o.Application),
		checkTime(&image.Owner{Name: "volume"}, o.time()), o.checkTail(), o.checkBoot())
}

func checkVolumeID(s string) error {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.+-"
	if len(s) > maxVolumeID {
		return fmt.Errorf("volume id %q: %d bytes long; ISO 9660 holds at most %d", s, len(s), maxVolumeID)
	}
	for _, r := range s {
		if !strings.ContainsRune(alphabet, r) {
			return fmt.Errorf("volume id %q: has %q; it may have letters, digits and _.+-", s, r)
		}
	}
	return nil
}

func checkText(what, s string) error {
	if len(s) > maxText {
		return fmt.Errorf("%s %.20q…: %d bytes long; ISO 9660 holds at most %d", what, s, len(s), maxText)
	}
	for _, r := range s {
		if r < ' ' || r > '~' {
			return fmt.Errorf("%s %q: has %q; ISO 9660 holds printable ASCII characters", what, s, r)
		}
	}
	if s != strings.TrimSpace(s) {
		return fmt.Errorf("%s %q: begins or ends with a space, which ISO 9660 does not keep", what, s)
	}
	return nil
}

func checkTime(what fmt.Stringer, t image.Time) error {
	if t.Sec < firstTime || t.Sec > lastTime {
		return fmt.Errorf("%s: time of %d seconds since 1970; ISO 9660 reaches from %d to %d, the years 1900 to 2155", what, t.Sec, int64(firstTime), int64(lastTime))
	}
	return nil
}

func (o Options) checkTail() error {
	if o.Tail < 0 || o.Tail > maxBlocks*blockSize {
		return fmt.Errorf("a tail of %d bytes; it can have 0 to %d", o.Tail, int64(maxBlocks*blockSize))
	}
	return nil
}

func (o Options) time() image.Time {
	if o.Time == (image.Time{}) {
		return image.Epoch
	}
	return o.Time
}

// uuidForm is how blkid writes a date of modification: digits where it has zeros.
const uuidForm = "0000-00-00-00-00-00-00"

func checkUUID(s string) error {
	if s == "" {
		return nil
	}
	ok := len(s) == len(uuidForm)
	for i := 0; ok && i < len(s); i++ {
		ok = (s[i] == '-') == (uuidForm[i] == '-') && (s[i] == '-' || s[i] >= '0' && s[i] <= '9')
	}
	if !ok {
		return fmt.Errorf("UUID %q: that of ISO 9660 is a date of the form 1995-03-02-11-22-33-00", s)
	}
	number := func(from, to int) (n int) {
		for _, c := range s[from:to] {
			n = 10*n + int(c-'0')
		}
		return n
	}
	month, day := number(5, 7), number(8, 10)
	if number(0, 4) == 0 || month < 1 || month > 12 || day < 1 || day > 31 || number(11, 13) > 23 || number(14, 16) > 59 || number(17, 19) > 59 {
		return fmt.Errorf("UUID %q: is not a date; that of ISO 9660 has a year, month, day, hour, minute, second and hundredths", s)
	}
	return nil
}

// VolumeUUID returns the identifier that the volume will have, as blkid prints it. It
// is known before the volume is laid out, so that a menu in it can name it.
func (o Options) VolumeUUID() string {
	if o.UUID != "" {
		return o.UUID
	}
	id := o.Seed.UUID("iso9660 volume")
	n := binary.BigEndian.Uint64(id[:8])
	take := func(of uint64) uint64 {
		r := n % of
		n /= of
		return r
	}
	// Any date will do that is one; these are past the epoch, and no leap days.
	return fmt.Sprintf("%04d-%02d-%02d-%02d-%02d-%02d-%02d",
		1980+take(60), 1+take(12), 1+take(28), take(24), take(60), take(60), take(100))
}

// modification returns the date that is the UUID.
func (o Options) modification() (d volumeDate) {
	copy(d[:], strings.ReplaceAll(o.VolumeUUID(), "-", ""))
	return d
}

func newVolumeDate(t image.Time) (d volumeDate) {
	c := t.Civil()
	copy(d[:], fmt.Sprintf("%04d%02d%02d%02d%02d%02d%02d", c.Year, c.Month, c.Day, c.Hour, c.Minute, c.Second, t.Nsec/10_000_000))
	return d
}
