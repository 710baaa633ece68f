package lint

import (
	"strings"

	"ingot/bootloader/system"
	"ingot/internal/printable"
	"ingot/storedb"
)

// What to do about a UUID in letters of the wrong case.
const (
	sameLetters  = "Write it in the configuration as the disk has it: small letters, and of a FAT capital ones."
	smallLetters = "Write it in the configuration in small letters."
)

// checkCase finds the GUID of a partition in capital letters, which no link below /dev/disk has:
// the kernel alone makes no difference.
func (c *checker) checkCase(m system.Mount, what, name string, s Severity, at int) {
	if m.Device.Kind != system.ByPartUUID || m.Device.Value == strings.ToLower(m.Device.Value) || strings.HasPrefix(m.Where, "kernel argument") {
		return
	}
	c.add(name, s, Place{at, PartUUID}, "", "the system looks for %s by %s (%s), and the links below /dev/disk have small letters", what, c.by(m.Device), m.Where)
	c.advise(smallLetters)
}

// checkBare finds that a kernel without an initial RAM disk looks for its root by what the kernel
// itself does not know (Documentation/admin-guide/kernel-parameters.txt, root=). Without root=,
// ingot writes the UUID.
func (c *checker) checkBare() {
	if len(c.System.Entry.Initrd) > 0 || c.onMedium() || c.System.Flavour != storedb.Nix {
		return
	}
	name, by := rootUUID, "a UUID"
	if v := c.argument("root"); v != "" {
		d, err := system.ParseDevice(v)
		switch {
		case err != nil || d.Kind == system.ByPath:
			return
		case d.Kind == system.ByLabel:
			name, by = rootLabel, "a label"
		case d.Kind == system.ByUUID:
		case len(c.find(d)) > 0:
			return
		default:
			name = map[system.DeviceKind]string{system.ByPartLabel: rootPartLabel, system.ByPartUUID: rootPartUUID}[d.Kind]
			c.add(name, Warning, Place{-1, System}, "", "%s has no initial RAM disk, and its kernel looks for the root by %s, which no partition of this disk has", printable.Name(c.System.Path), c.by(d))
			return
		}
	}
	c.add(name, Warning, Place{-1, System}, "", "%s has no initial RAM disk, and no kernel finds its root by %s itself: write root=PARTLABEL=NAME among its arguments, with the partition's name", printable.Name(c.System.Path), by)
}
