package plan

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"ingot/bootloader"
	"ingot/bootloader/kernel"
	"ingot/guest/wire"
	"ingot/image"
	"ingot/recipes"
	"ingot/recipes/netboot"
	"ingot/storedb"
)

// menu makes the entries: the system's own first, with its specialisations and what it wants
// beside them, then the recipe's, then those of generations.
func (p *planner) menu(at int) (bootloader.Menu, error) {
	m := bootloader.Menu{Timeout: recipes.DefaultTimeout, Default: p.Bootloader.Default, Consoles: p.Bootloader.Console}
	if p.Bootloader.Timeout != nil {
		m.Timeout = *p.Bootloader.Timeout
	}
	p.entryKeys, p.ids = nil, nil
	add := func(key string, entries ...bootloader.Entry) {
		for _, e := range entries {
			m.Entries, p.entryKeys = append(m.Entries, e), append(p.entryKeys, key)
		}
	}
	if p.store.system != "" {
		entries, err := p.ownEntries(at)
		if err != nil {
			return m, p.At("system", err)
		}
		add("system", entries...)
	}
	for i := range p.Bootloader.Entries {
		key := fmt.Sprintf("bootloader.entries[%d]", i)
		entries, err := p.recipeEntries(at, &p.Bootloader.Entries[i])
		if err != nil {
			return m, p.At(key, err)
		}
		add(key, entries...)
	}
	guix, err := p.addGuix(at, &m)
	if err != nil {
		return m, p.At("system", err)
	}
	add("system", guix...)
	generations, err := p.generations(at)
	if err != nil {
		return m, err
	}
	add("system", generations...)
	for i, e := range m.Entries {
		if e.Search == nil { // another system's is complete
			m.Entries[i].Arguments = p.arguments(at, e)
		}
	}
	return m, p.checkSecrets()
}

// ownEntries are the entries of the recipe's system.
func (p *planner) ownEntries(at int) ([]bootloader.Entry, error) {
	as := place{}
	if p.store.made != nil {
		as.title = p.madeTitle()
	}
	return p.systemEntries(at, p.store.system, as)
}

// recipeEntries are those of one of the recipe's entries.
func (p *planner) recipeEntries(at int, r *recipes.Entry) ([]bootloader.Entry, error) {
	entries := []bootloader.Entry{{Title: r.Title, Kernel: r.Kernel, Initrd: r.Initrd, Submenu: r.Submenu}}
	if r.System == "" {
		_ = move(&entries[0], func(name string) (string, error) { return p.inBoot(at, name), nil })
	} else {
		var err error
		if entries, err = p.systemEntries(at, string(r.System), place{title: r.Title, submenu: r.Submenu}); err != nil {
			return nil, err
		}
	}
	for i := range entries {
		for _, file := range entries[i].Files() {
			if p.trees[at].Lookup(file) == nil {
				return nil, fmt.Errorf("%s is not in partition %s", file, p.Disk.Partitions[at].Name)
			}
		}
		entries[i].Arguments = append(slices.Clone(entries[i].Arguments), r.Arguments...)
	}
	return entries, nil
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
	s, err := p.readSystem(at, p.store.system)
	if err != nil {
		return "" // making the menu reports it
	}
	return s.Entry.Title
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
		if err == nil && p.IsKexec() {
			err = menu.CheckCommandLine(e, h, "kexec", 0)
		} else if err == nil && p.IsNetboot() {
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
	key := ""
	if entry < len(p.entryKeys) {
		key = p.entryKeys[entry]
	}
	number := -1
	if _, err := fmt.Sscanf(key, "bootloader.entries[%d]", &number); err != nil {
		number = -1
	}
	switch {
	case number >= 0 && len(p.Bootloader.Entries[number].Arguments) > 0:
		return key + ".arguments"
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

// takeFile puts one file there, and returns its path. A file that is there already stays.
func takeFile(from bootloader.Lookup, f storedb.Flavour, name string, to *image.Tree, folder string) (string, error) {
	if path.Dir(name) == folder && to.Lookup(name) != nil {
		return name, nil
	}
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

// move has an entry load its kernel, its initial RAM disks and its device tree from elsewhere.
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
	if e.DeviceTree != "" {
		if e.DeviceTree, err = to(e.DeviceTree); err != nil {
			return fmt.Errorf("device tree: %w", err)
		}
	}
	return nil
}

// unlockWords are those of the kernel's command line by which ingot's init finds the
// container that its root is in.
func (p *planner) unlockWords() []string {
	var words []string
	for _, i := range encryptedRoot(p.Recipe) {
		words = append(words, wire.LUKSWord.With("UUID="+p.luksUUID(i)))
	}
	return words
}
