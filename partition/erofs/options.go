package erofs

import (
	"cmp"
	"fmt"

	"github.com/google/uuid"

	"ingot/image"
)

// Options says what is asked of a volume. The zero value is a volume without a label.
type Options struct {
	// Label is the volume's name: up to 15 bytes of UTF-8 that can be printed.
	Label string
	// UUID is the volume's identifier as blkid prints it. It is derived from Seed where it
	// is empty.
	UUID string
	Seed image.Seed
	// Time is when the volume was made; the zero value is [image.Epoch]. Files that have
	// this time, and no large number of anything, take half as much for their inode.
	Time image.Time
}

// Check says whether a volume can be made with the options, whatever it is to hold.
func (o Options) Check() error {
	_, err := o.volumeUUID()
	return cmp.Or(checkLabel(o.Label), err, checkTime("volume", o.time()))
}

func checkLabel(label string) error {
	if len(label) > maxLabel {
		return fmt.Errorf("label %q is %d bytes long; EROFS allows %d", label, len(label), maxLabel)
	}
	return image.CheckLabel(label)
}

func (o Options) volumeUUID() (uuid.UUID, error) { return o.Seed.VolumeUUID(o.UUID, "erofs") }

func (o Options) time() image.Time {
	if o.Time == (image.Time{}) {
		return image.Epoch
	}
	return o.Time
}

// checkTime refuses what is no time; EROFS itself has room for any.
func checkTime(what string, t image.Time) error {
	if t.Nsec < 0 || t.Nsec >= 1e9 {
		return fmt.Errorf("%s: time with %d nanoseconds; a second has 0 to 999999999", what, t.Nsec)
	}
	return nil
}
