package plan

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"ingot/bootloader"
	"ingot/bootloader/system"
	"ingot/internal/printable"
	"ingot/storedb"
)

// The menu of NixOS and Guix systems has the lines that their own installers write
// (nixos/modules/system/boot/loader/grub/install-grub.pl, gnu/bootloader/grub.scm), so that the
// first switch of the running system changes no habits. The dates of generations are missing:
// they would be those of the image's making.
const (
	nixGenerations  = "NixOS - All configurations"
	guixGenerations = "GNU system, old configurations..."
	madeGenerations = "All generations" // of systems that ingot makes
)

// NixOS's installer of GRUB notes in /boot/grub/state which GRUB it has installed, by name,
// version, firmware and devices, and runs grub-install when that changes. ingot leaves the file
// out: the GRUB on the disk is the host's or that of the recipe, with the modules that a menu
// needs and not all of them. The first switch then installs the system's own GRUB over it, and
// writes the file; until then the disk boots by ingot's. With the file, the installer would take
// ingot's GRUB for its own until the version changes.

// readSystem reads a system, and keeps it: several entries may be about it.
func (p *planner) readSystem(at int, toplevel string) (*system.System, error) {
	if s := p.systems[toplevel]; s != nil {
		return s, nil
	}
	s, err := system.Read(p.lookRoot(at), toplevel)
	if err != nil {
		return nil, err
	}
	if p.systems == nil {
		p.systems = map[string]*system.System{}
	}
	p.systems[toplevel] = s
	for _, note := range s.Notes {
		p.warn("%s: %s", toplevel, note)
	}
	return s, nil
}

// warn adds a warning, unless it is there already: two entries may boot one system.
func (p *planner) warn(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(p.out.Warnings, text) {
		p.out.Warnings = append(p.out.Warnings, text)
	}
}

// A place is where the entries of a system stand in the menu, and what they are called.
type place struct {
	title   string // default: the system's own
	id      string // default: derived
	submenu string
}

// systemEntries are the entries of a system: its own, and behind it those of its
// specialisations, which a recipe may also name by entries of their own.
func (p *planner) systemEntries(at int, toplevel string, as place) ([]bootloader.Entry, error) {
	s, err := p.readSystem(at, toplevel)
	if err != nil {
		return nil, err
	}
	e, err := p.entryOf(at, s)
	if err != nil {
		return nil, err
	}
	e.Title, e.ID, e.Submenu = cmp.Or(as.title, e.Title), as.id, as.submenu
	entries := []bootloader.Entry{e}
	for _, sp := range s.Specialisations {
		if p.namesEntry(sp.System.Path) {
			continue
		}
		variant, err := p.entryOf(at, sp.System)
		if err != nil {
			return nil, fmt.Errorf("specialisation %s: %w", printable.Name(sp.Name), err)
		}
		variant.Title = e.Title + " - " + sp.Title(s)
		variant.ID, variant.Submenu = p.specialisationID(as.id, sp.Name), as.submenu
		entries = append(entries, variant)
	}
	return entries, nil
}

// namesEntry reports whether the recipe has an entry for a system.
func (p *planner) namesEntry(toplevel string) bool {
	for _, e := range p.Bootloader.Entries {
		if string(e.System) == toplevel {
			return true
		}
	}
	return false
}

// specialisationID makes the ID of an entry of the name of a specialisation, which may have
// characters that an ID cannot have. A number keeps two of them apart.
func (p *planner) specialisationID(of, name string) string {
	word := strings.Map(func(r rune) rune {
		if strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", r) {
			return r
		}
		return '_'
	}, name)
	id := strings.TrimPrefix(of+"-specialisation-"+word, "-")
	for n := 2; p.ids[id]; n++ {
		id = fmt.Sprintf("%s-specialisation-%s-%d", of, word, n)
		id = strings.TrimPrefix(id, "-")
	}
	if p.ids == nil {
		p.ids = map[string]bool{}
	}
	p.ids[id] = true
	return id
}

// entryOf picks up what a system's closure boots with.
func (p *planner) entryOf(at int, s *system.System) (bootloader.Entry, error) {
	root := p.rootPartition(at)
	e := s.Entry
	e.Initrd = slices.Clone(e.Initrd)
	if p.Arch != "x86_64" && p.Arch != "i686" { // whose firmware has no device trees
		e.DeviceTree = s.DeviceTree
	}
	if root != at || p.Spreads() {
		if err := p.loadFrom(&e, at, path.Join(p.bootFolder(at), "kernels")); err != nil {
			return e, err
		}
	}
	return e, p.addSecrets(at, s, &e)
}

// generations returns the entries of the submenu, the newest first as in the menus that NixOS
// and Guix write themselves; none if there is only the recipe's system. Their IDs do not change
// when generations are added, so that GRUB's saved state stays true.
func (p *planner) generations(at int) ([]bootloader.Entry, error) {
	if len(p.Bootloader.Generations) == 0 {
		return nil, nil
	}
	all, current, err := p.Profile(p.store.system).Numbered()
	if err != nil {
		return nil, p.At("bootloader.generations", err)
	}
	var entries []bootloader.Entry
	for i := len(all) - 1; i >= 0; i-- {
		if p.store.flavour == storedb.Guix && all[i].Number == current {
			continue // only the others are old
		}
		more, err := p.generation(at, all[i])
		if err != nil {
			key := "system"
			if i < len(p.Bootloader.Generations) {
				key = fmt.Sprintf("bootloader.generations[%d]", i)
			}
			return nil, p.At(key, err)
		}
		entries = append(entries, more...)
	}
	return entries, nil
}

func (p *planner) generation(at int, g storedb.Generation) ([]bootloader.Entry, error) {
	s, err := p.readSystem(at, g.Path)
	if err != nil {
		return nil, err
	}
	as := place{id: fmt.Sprintf("generation-%d", g.Number)}
	switch {
	case p.store.made != nil:
		as.submenu, as.title = madeGenerations, fmt.Sprintf("Generation %d: %s", g.Number, s.Entry.Title)
	case s.Flavour == storedb.Guix:
		as.submenu, as.title = guixGenerations, fmt.Sprintf("%s (#%d)", s.Entry.Title, g.Number)
	default:
		as.submenu, as.title = nixGenerations, fmt.Sprintf("NixOS - Configuration %d", g.Number)
		if s.Version != "" {
			as.title += " (" + s.Version + ")"
		}
	}
	return p.systemEntries(at, g.Path, as)
}
