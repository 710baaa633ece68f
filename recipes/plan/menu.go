package plan

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"ingot/bootloader"
	"ingot/bootloader/kernel"
	"ingot/bootloader/system"
	"ingot/guest/wire"
	"ingot/image"
	"ingot/internal/printable"
	"ingot/recipes"
	"ingot/recipes/netboot"
	"ingot/storedb"
)

// menu makes the entries: the system's own first, then the recipe's.
func (p *planner) menu(at int) (bootloader.Menu, error) {
	m := bootloader.Menu{Timeout: recipes.DefaultTimeout, Default: p.Bootloader.Default, Consoles: p.Bootloader.Console}
	if p.Bootloader.Timeout != nil {
		m.Timeout = *p.Bootloader.Timeout
	}
	if p.store.system != "" {
		e, err := p.systemEntry(at, "", p.store.system)
		if err != nil {
			return m, p.At("system", err)
		}
		if p.store.made != nil {
			e.Title = p.madeTitle()
		}
		m.Entries = append(m.Entries, e)
	}
	for i, r := range p.Bootloader.Entries {
		e := bootloader.Entry{Title: r.Title, Kernel: r.Kernel, Initrd: r.Initrd, Submenu: r.Submenu}
		if r.System != "" {
			var err error
			if e, err = p.systemEntry(at, r.Title, string(r.System)); err != nil {
				return m, p.At(fmt.Sprintf("bootloader.entries[%d]", i), err)
			}
			e.Submenu = r.Submenu
		}
		if r.System == "" {
			_ = move(&e, func(name string) (string, error) { return p.inBoot(at, name), nil })
		}
		for _, file := range append([]string{e.Kernel}, e.Initrd...) {
			if p.trees[at].Lookup(file) == nil {
				return m, p.Errorf(fmt.Sprintf("bootloader.entries[%d]", i), "%s is not in partition %s", file, p.Disk.Partitions[at].Name)
			}
		}
		e.Arguments = append(e.Arguments, r.Arguments...)
		m.Entries = append(m.Entries, e)
	}
	if err := p.addGuix(at, &m); err != nil {
		return m, p.At("system", err)
	}
	generations, err := p.generations(at)
	if err != nil {
		return m, err
	}
	m.Entries = append(m.Entries, generations...)
	for i, e := range m.Entries {
		if e.Search == nil { // another system's is complete
			m.Entries[i].Arguments = p.arguments(at, e)
		}
	}
	return m, nil
}

// madeTitle is the title of a system that ingot makes.
func (p *planner) madeTitle() string {
	return fmt.Sprintf("%s (Linux %s)", p.Name, p.store.made.release)
}

// firstTitle returns the title of the first entry, which boots by itself where the recipe
// names none; empty if there is none, or if it cannot be read.
func (p *planner) firstTitle() string {
	switch {
	case p.store.made != nil:
		return p.madeTitle()
	case p.store.system == "" && len(p.Bootloader.Entries) > 0:
		return p.Bootloader.Entries[0].Title
	case p.store.system == "":
		return ""
	}
	at, err := p.bootPartition()
	if err != nil {
		return ""
	}
	if !p.Spreads() && p.trees[p.rootPartition(at)] == nil {
		return ""
	}
	s, err := system.Read(p.lookRoot(at), p.store.system)
	if err != nil {
		return "" // making the menu reports it
	}
	return s.Entry.Title
}

// allGenerations is the submenu of all that the system profile holds.
const allGenerations = "All generations"

// generations returns the entries of the submenu, the newest first as in the menus
// that Nix and Guix write themselves; none if there is only the recipe's system. Their
// IDs do not change when generations are added, so that GRUB's saved state stays true.
func (p *planner) generations(at int) ([]bootloader.Entry, error) {
	if len(p.Bootloader.Generations) == 0 {
		return nil, nil
	}
	var entries []bootloader.Entry
	for i, toplevel := range append(slices.Clone(p.Bootloader.Generations), recipes.StorePath(p.store.system)) {
		e, err := p.systemEntry(at, "", string(toplevel))
		if err != nil {
			return nil, p.At(fmt.Sprintf("bootloader.generations[%d]", i), err)
		}
		e.Title = fmt.Sprintf("Generation %d: %s", i+1, e.Title)
		e.ID, e.Submenu = fmt.Sprintf("generation-%d", i+1), allGenerations
		entries = append(entries, e)
	}
	slices.Reverse(entries)
	return entries, nil
}

// systemEntry picks up what a system's closure boots with.
func (p *planner) systemEntry(at int, title, toplevel string) (bootloader.Entry, error) {
	root := p.rootPartition(at)
	s, err := system.Read(p.lookRoot(at), toplevel)
	if err != nil {
		return bootloader.Entry{}, err
	}
	e := s.Entry
	if title != "" {
		e.Title = title
	}
	if warning := p.rootNotFound(toplevel, e.RootDevice, root); warning != "" {
		p.out.Warnings = append(p.out.Warnings, warning)
	}
	if root == at && !p.Spreads() {
		return e, nil
	}
	return e, p.loadFrom(&e, at, path.Join(p.bootFolder(at), "kernels"))
}

// rootNotFound says that a Guix system looks for another root than that of the image; it is
// empty if the system finds it.
func (p *planner) rootNotFound(system, device string, root int) string {
	if root < 0 {
		return "" // it is in memory, whatever the system says
	}
	part, label := p.Disk.Partitions[root], p.Disk.Partitions[root].Label
	if p.IsISO() {
		label = p.isoOptions().VolumeID
	}
	switch {
	case device == "", device == "tmpfs", device == "none", device == label, strings.EqualFold(device, p.uuid(root)):
		return ""
	case p.IsISO():
		return fmt.Sprintf("%s looks for its root by %s, but the ISO has the volume id %q and the UUID %s: "+
			"set output.volume or output.uuid to that, or the system will not find it", system, printable.Quote(device), label, p.uuid(root))
	}
	return fmt.Sprintf("%s looks for its root by %s, but partition %s has the label %q and the UUID %s: "+
		"give it that label or uuid, or the system will not find it", system, printable.Quote(device), part.Name, label, p.uuid(root))
}

// arguments completes a kernel's own arguments: the root, unless they name one, and
// the recipe's. The menu adds the consoles.
func (p *planner) arguments(at int, e bootloader.Entry) []string {
	args := slices.Clone(e.Arguments)
	names := func(prefix string) bool {
		return slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, prefix) })
	}
	// A Guix system says where its root is, or that it does not say; what came by network
	// has it in memory.
	if root := p.rootPartition(at); root >= 0 && e.RootDevice == "" && !names("root=") && !names("--root=") && !p.IsNetboot() {
		args = append(args, "root=UUID="+p.uuid(root))
		if flags := p.rootFlags(); flags != "" && !names("rootflags=") {
			args = append(args, "rootflags="+flags)
		}
	}
	args = append(args, p.mountWords()...)
	args = append(args, p.unlockWords()...)
	if p.packsRoot() {
		args = append(args, wire.LiveWord.With("/"+p.RootImage()))
	}
	return essentialFirst(append(args, p.Bootloader.Arguments...))
}

// essential are the beginnings of words that a system does not start without: where its root
// is, and what runs there. Behind them are those of old Guix systems.
var essential = [][]string{
	{"root=", "--root="},
	{"init=", "systemConfig=", "gnu.system=", "gnu.load=", "--system=", "--load="},
	{string(wire.MountWord) + "=", string(wire.LUKSWord) + "=", string(wire.LiveWord) + "="},
}

// essentialFirst puts the words that a boot depends on before the others: a
// command line that is too long is cut at its end. Words behind -- are init's own, and stay
// there. Of a
// word that stands twice the last still counts.
func essentialFirst(args []string) []string {
	end := slices.Index(args, "--")
	if end < 0 {
		end = len(args)
	}
	rank := func(a string) int {
		i := slices.IndexFunc(essential, func(words []string) bool {
			return slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(a, w) })
		})
		if i < 0 {
			return len(essential)
		}
		return i
	}
	slices.SortStableFunc(args[:end], func(a, b string) int { return rank(a) - rank(b) })
	return args
}

// checkCommandLines refuses a menu with an entry whose kernel would not see all of its
// command line.
func (p *planner) checkCommandLines(at int, menu bootloader.Menu) error {
	look := bootloader.Lookup(p.trees[at].Lookup)
	for i, e := range menu.Entries {
		if e.Search != nil {
			continue
		}
		image, err := look.Data(e.Kernel)
		if err != nil {
			return p.At("bootloader", err)
		}
		h, err := kernel.ReadHeader(image)
		if err == nil && p.IsNetboot() {
			err = netboot.CheckCommandLine(menu, e, h)
		} else if err == nil {
			err = p.Bootloader.Loader.CheckCommandLine(menu, e, h, p.IsISO())
		}
		if err != nil {
			return p.At(p.argumentsKey(i), err)
		}
	}
	return nil
}

// argumentsKey returns the key of the recipe that says most about the arguments of an entry
// of the menu.
func (p *planner) argumentsKey(entry int) string {
	if p.store.system != "" {
		entry-- // the system's own comes first
	}
	switch {
	case entry >= 0 && entry < len(p.Bootloader.Entries) && len(p.Bootloader.Entries[entry].Arguments) > 0:
		return fmt.Sprintf("bootloader.entries[%d].arguments", entry)
	case len(p.Bootloader.Arguments) > 0:
		return "bootloader.arguments"
	case p.store.system != "":
		return "system"
	}
	return "bootloader"
}

// takeKernels puts the kernel and the initial RAM disks of an entry into a folder of another
// tree, and has the entry load them there. Their names are unique and flat, as NixOS and Guix
// themselves make them for a /boot of its own.
func takeKernels(e *bootloader.Entry, f storedb.Flavour, from bootloader.Lookup, to *image.Tree, folder string) error {
	return move(e, func(name string) (string, error) { return takeFile(from, f, name, to, folder) })
}

// takeFile puts one file there, and returns its path.
func takeFile(from bootloader.Lookup, f storedb.Flavour, name string, to *image.Tree, folder string) (string, error) {
	data, err := from.Data(name)
	if err != nil {
		return "", err
	}
	flat := strings.ReplaceAll(strings.TrimPrefix(strings.TrimPrefix(name, f.StoreDir()), "/"), "/", "-")
	place := path.Join(folder, flat)
	if to.Lookup(place) != nil {
		return place, nil
	}
	return place, to.Put(place, image.NewFile(0o444, data))
}

// move has an entry load its kernel and its initial RAM disks from elsewhere.
func move(e *bootloader.Entry, to func(name string) (string, error)) error {
	var err error
	if e.Kernel, err = to(e.Kernel); err != nil {
		return fmt.Errorf("kernel: %w", err)
	}
	e.Initrd = slices.Clone(e.Initrd)
	for i, name := range e.Initrd {
		if e.Initrd[i], err = to(name); err != nil {
			return fmt.Errorf("initrd: %w", err)
		}
	}
	return nil
}

// unlockWords are those of the kernel's command line by which ingot's init finds the
// container that its root is in.
func (p *planner) unlockWords() []string {
	i := encryptedRoot(p.Recipe)
	if i < 0 {
		return nil
	}
	return []string{wire.LUKSWord.With("UUID=" + p.luksUUID(i))}
}
