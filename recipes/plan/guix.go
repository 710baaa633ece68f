package plan

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"ingot/bootloader"
	"ingot/bootloader/system"
	"ingot/internal/printable"
	"ingot/storedb"
)

// addGuix adds to a menu what a Guix system's parameters say of it beside the system itself: the
// locale. It returns the entries of its bootloader-configuration.
func (p *planner) addGuix(at int, m *bootloader.Menu) ([]bootloader.Entry, error) {
	if p.store.system == "" || p.store.flavour != storedb.Guix || p.store.made != nil {
		return nil, nil
	}
	s, err := p.readSystem(at, p.store.system)
	if err != nil {
		return nil, err
	}
	m.Locale = s.Locale
	var entries []bootloader.Entry
	for _, from := range s.Menu {
		e, err := p.guixEntry(at, from)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", from.What(), err)
		}
		if e != nil {
			entries = append(entries, *e)
		}
	}
	return entries, nil
}

// guixEntry makes the entry that make-grub-configuration in gnu/bootloader/grub.scm makes: nil if
// it cannot be made.
func (p *planner) guixEntry(at int, from system.MenuEntry) (*bootloader.Entry, error) {
	e := from.Entry
	if from.Multiboot {
		p.out.Warnings = append(p.out.Warnings, fmt.Sprintf("the menu lacks %s of the Guix system: it starts by multiboot, as the Hurd does, and ingot's menus start Linux or another boot loader", from.What()))
		return nil, nil
	}
	if p.IsNetboot() {
		return nil, nil // its script boots one system
	}
	if at := e.Kernel + from.ChainLoader; !strings.HasPrefix(at, "/") {
		p.out.Warnings = append(p.out.Warnings, fmt.Sprintf("the menu lacks %s of the Guix system: %s names a disk by the number that GRUB gives it, and the disks of the machine are not known; give the entry a device (uuid or file-system-label)", from.What(), printable.Quote(at)))
		return nil, nil
	}
	// What belongs to the image itself is looked up there, as for any other entry.
	if from.Device.Kind == system.NoDevice && e.Kernel != "" && p.lookRoot(at)(e.Kernel) != nil {
		if p.rootPartition(at) == at && !p.Spreads() {
			return &e, nil
		}
		return &e, p.loadFrom(&e, at, path.Join(p.bootFolder(at), "kernels"))
	}
	e.ChainLoader = belowMount(from.MountPoint, from.ChainLoader)
	e.Kernel = belowMount(from.MountPoint, e.Kernel)
	for i, initrd := range e.Initrd {
		e.Initrd[i] = belowMount(from.MountPoint, initrd)
	}
	switch d := from.Device; d.Kind {
	case system.ByUUID, system.ByLabel:
		if d.Value == "" {
			return nil, errors.New("device: it is empty")
		}
	}
	switch d := from.Device; d.Kind {
	case system.ByUUID:
		e.Search = &bootloader.Search{UUID: d.Value}
	case system.ByLabel:
		e.Search = &bootloader.Search{Label: d.Value}
	default: // GRUB knows nothing of /dev
		e.Search = &bootloader.Search{File: e.Kernel + e.ChainLoader}
	}
	return &e, nil
}

// belowMount returns a path as it is in the file system that is mounted at point.
func belowMount(point, name string) string {
	if point == "" || path.Clean(point) == "/" {
		return name
	}
	if rest, ok := strings.CutPrefix(name, path.Clean(point)+"/"); ok {
		return "/" + rest
	}
	return name
}
