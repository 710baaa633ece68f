package plan

import (
	"path"
	"slices"

	"ingot/bootloader/system"
	"ingot/image/iso9660"
	"ingot/recipes"
)

// settleMedium fills in what the recipe of an ISO leaves open, by what the system's initial RAM
// disk looks for. NixOS's live systems (nixos/modules/installer/cd-dvd/iso-image.nix) mount the
// medium at /iso, by its volume identifier, and the store from the squashfs on it. With systemd in
// the initial RAM disk, fstab names the label; the scripted stage 1 takes it from root= by way of
// /dev/root, and knows findiso=.
//
// What does not fit a system is not decided here.
func (p *planner) settleMedium(at int) {
	if !p.IsISO() || p.store.system == "" || p.store.made != nil {
		return
	}
	s, err := p.readSystem(at, p.store.system)
	if err != nil {
		return // making the menu reports it
	}
	want, _ := p.expects(at, s) // without fstab it comes with the rest
	if want == nil {
		return
	}
	r := *p.Recipe
	if r.Output.Store == "" && wantsStoreImage(want) {
		r.Output.Store = recipes.InSquashfs
	}
	switch d := mediumOf(want); {
	case d.Kind == system.ByLabel && r.Output.Volume == "" && (iso9660.Options{VolumeID: d.Value}).Check() == nil:
		r.Output.Volume = d.Value
	case d.Kind == system.ByUUID && r.Output.UUID == "" && (iso9660.Options{UUID: d.Value}).Check() == nil:
		r.Output.UUID = d.Value
	}
	if i := want.Initrd; i != nil {
		p.noFile = i.Kind == system.NixOSSystemd || i.Kind == system.GuixInitrd
	}
	p.Recipe, p.out.Recipe = &r, &r
}

// wantsStoreImage reports whether stage 1 mounts the store from a squashfs on the medium.
func wantsStoreImage(want *system.Expectations) bool {
	return slices.ContainsFunc(want.Mounts, func(m system.Mount) bool {
		return m.Early && m.Type == recipes.InSquashfs && path.Base(m.Device.Value) == storeImage
	})
}

// mediumOf returns the device that stage 1 takes for the medium: that of /iso or, of a system
// whose root is the medium itself, that of /.
func mediumOf(want *system.Expectations) system.Device {
	for _, m := range want.Mounts {
		if m.Point != "/iso" && (m.Point != "/" || m.Type != "iso9660" && m.Type != "auto") {
			continue
		}
		if m.Device == (system.Device{Kind: system.ByPath, Value: "/dev/root"}) {
			return want.Root
		}
		return m.Device
	}
	return system.Device{}
}
