package volume

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"ingot/image"
	"ingot/internal/grammar"
)

// Limits are the limits of volumes of a file system whose UUIDs have 128 bits.
type Limits struct {
	Name  string // of the file system, for messages
	Seed  string // the name that UUIDs are derived from, see [image.Seed.VolumeUUID]
	Label int    // bytes of a label, at most
	Least int64  // bytes of a volume of fixed size
	Most  int64  // bytes of a volume; 0: no limit
}

// Check refuses a volume with a label, a UUID or a size that the file system does not allow.
// For a size below Least the error is an [*image.TooSmallError].
func (l Limits) Check(v image.Volume) error {
	if len(v.Label) > l.Label {
		return fmt.Errorf("label %q: %d bytes long; %s holds at most %d", v.Label, len(v.Label), l.Name, l.Label)
	}
	if !utf8.ValidString(v.Label) || strings.ContainsFunc(v.Label, unicode.IsControl) {
		return fmt.Errorf("label %q: is not UTF-8 text without control characters", v.Label)
	}
	if _, err := l.ID(v); err != nil {
		return err
	}
	switch n := v.Size.Bytes; {
	case n < 0:
		return fmt.Errorf("size is %d bytes; it must not be negative", n)
	case l.Most > 0 && n > l.Most:
		return fmt.Errorf("size is %d bytes; %s allows %d", n, l.Name, l.Most)
	case !v.Size.Fit && n < l.Least:
		return fmt.Errorf("%s of %s: %w", l.Name, grammar.Count(n, "byte"), &image.TooSmallError{What: "bytes", Need: l.Least, Have: n})
	}
	return nil
}

// ID returns the UUID that a volume will have.
func (l Limits) ID(v image.Volume) (uuid.UUID, error) { return v.Seed.VolumeUUID(v.UUID, l.Seed) }

// UUID is [Limits.ID] as blkid prints it, or "" for a volume with a malformed UUID.
func (l Limits) UUID(v image.Volume) string {
	id, err := l.ID(v)
	if err != nil {
		return ""
	}
	return id.String()
}
