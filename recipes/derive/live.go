package derive

import (
	"path"
	"slices"
	"strings"

	"ingot/bootloader/system"
)

// live is what a system says that runs from a medium which is not written: nixpkgs'
// iso-image.nix and netboot.nix, and Guix's `guix system image -t iso9660`.
type live struct {
	format string // iso or netboot; empty for a system of a disk
	store  string // the form of the store
	volume string
	uuid   string
	where  string
}

// findLive finds out whether the system is a live one.
func (d *deriver) findLive() {
	for _, m := range d.mounts {
		switch {
		case m.Point == "/iso" && slices.Contains([]string{"iso9660", "auto", ""}, m.Type), m.Point == "/" && m.Type == "iso9660":
			d.live.format, d.live.where = "iso", m.Where
			switch m.Device.Kind {
			case system.ByLabel:
				d.live.volume = m.Device.Value
			case system.ByUUID:
				d.live.uuid = m.Device.Value
			}
		case m.Type == "squashfs" && strings.HasPrefix(path.Base(m.Device.Value), "nix-store."):
			d.live.store = "squashfs" // of an ISO or, without one, in the initial RAM disk
			if d.live.format == "" {
				d.live.format, d.live.where = "netboot", m.Where
			}
		}
	}
	if d.live.volume+d.live.uuid == "" && d.live.format == "iso" {
		// nixpkgs' scripted stage 1 finds the medium by root=LABEL=…, as /dev/root.
		switch by := d.want.Root; by.Kind {
		case system.ByLabel:
			d.live.volume = by.Value
		case system.ByUUID:
			d.live.uuid = by.Value
		}
	}
	for _, m := range d.mounts {
		if d.live.format == "" && m.Point == "/" && m.Device.Kind == system.ByLabel {
			d.live.volume, d.live.where = m.Device.Value, m.Where // should it become an ISO
		}
	}
	if d.isLive() && !d.isText(d.live.volume+d.live.uuid, d.live.where) {
		d.live.volume, d.live.uuid = "", ""
	}
}

// format is that of the output, and where it comes from; empty if nothing decides it.
func (d *deriver) format() (format, why string) {
	if d.wishes.Format != "" {
		return d.wishes.Format, "as wished"
	}
	return d.live.format, d.live.where
}

// isLive reports whether the output is a live system, and no disk.
func (d *deriver) isLive() bool {
	format, _ := d.format()
	return slices.Contains([]string{"iso", "netboot", "kexec"}, format)
}
