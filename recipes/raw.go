package recipes

import (
	"fmt"
	"path"
	"path/filepath"
	"slices"

	"ingot/internal/printable"
)

// grubBootCode is how many bytes at the start of a disk GRUB for BIOS takes.
const grubBootCode = 440

func (r *Recipe) checkRaw(d *decoder) {
	for i, raw := range r.Disk.Raw {
		key := fmt.Sprintf("disk.raw[%d]", i)
		raw.Source.check(d, key+".source")
		if raw.At < grubBootCode && slices.Contains(r.Bootloader.Grub.Platforms, "bios") {
			d.fail(key+".at", "%d lies in the boot code of GRUB for BIOS (bytes 0 to %d)", raw.At, grubBootCode-1)
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
