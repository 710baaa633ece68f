package iso9660

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"strings"

	"ingot/image"
	"ingot/internal/lazy"
)

// Options describes a volume. The zero value is a volume without a name that does not boot.
type Options struct {
	// VolumeID is the volume's name, of up to 32 characters: letters, digits and ._+-.
	// The standard allows upper case and the underscore alone, as Guix uses them
	// (GUIX_IMAGE); NixOS names its media nixos-minimal-…, and every system shows both
	// unchanged. Other characters would need quotes on a kernel's command line, for udev
	// or in a menu.
	VolumeID string
	// UUID is the volume's identifier for blkid and GRUB, the date of modification:
	// "1995-03-02-11-22-33-00". Default: derived from Seed.
	UUID string
	Seed image.Seed
	// Publisher and Application have up to 128 printable ASCII characters.
	Publisher, Application string
	// Time is the date of the volume's creation. Default: [image.Epoch].
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

// Check refuses options with which no volume can be made, whatever it holds.
func (o Options) Check() error {
	if err := checkTime(o.time()); err != nil {
		return fmt.Errorf("volume: %w", err)
	}
	return cmp.Or(checkVolumeID(o.VolumeID), checkUUID(o.UUID),
		checkText("publisher", o.Publisher), checkText("application", o.Application),
		o.checkTail(), o.checkBoot())
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

func checkTime(t image.Time) error {
	if t.Sec < firstTime || t.Sec > lastTime {
		return fmt.Errorf("time of %d seconds since 1970; ISO 9660 reaches from %d to %d, the years 1900 to 2155", t.Sec, int64(firstTime), int64(lastTime))
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

// uuidForm is the form in which blkid prints a date of modification.
var uuidForm = lazy.Regexp(`^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])-([01][0-9]|2[0-3])-[0-5][0-9]-[0-5][0-9]-[0-9]{2}$`)

func checkUUID(s string) error {
	if s != "" && (!uuidForm().MatchString(s) || strings.HasPrefix(s, "0000")) {
		return fmt.Errorf("UUID %q: that of ISO 9660 is a date of the form 1995-03-02-11-22-33-00, to hundredths of a second", s)
	}
	return nil
}

// VolumeUUID returns the volume's identifier as blkid prints it. It is known before the
// layout, so that a menu in the volume can name it.
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
	// Any valid date will do; these are past the epoch, and no leap days.
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
