package recipes

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"

	"ingot/bootloader"
	"ingot/internal/printable"
)

func (r *Recipe) checkRaw(d *decoder) {
	for i, raw := range r.Disk.Raw {
		key := fmt.Sprintf("disk.raw[%d]", i)
		raw.Source.check(d, key+".source")
		if l := r.Bootloader.Loader; raw.At < bootloader.BootCode && slices.Contains(l.words(), "bios") {
			d.fail(key+".at", "%d lies in the boot code of %s for BIOS (bytes 0 to %d)", raw.At, l.Kind.Title, bootloader.BootCode-1)
		}
	}
}

func (s *Source) check(d *decoder, key string) {
	if s.File != "" && !filepath.IsLocal(s.File) {
		d.fail(key+".file", "%s is not a path below that of from", printable.Quote(s.File))
	}
}

// String names the file that is meant, for people.
func (s *Source) String() string {
	if s.File != "" {
		return path.Base(s.File)
	}
	return filepath.Base(s.From.Host)
}
