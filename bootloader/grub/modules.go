package grub

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"ingot/bootloader"
	"ingot/image"
)

// needed are the modules that a menu needs, offered those that users expect at GRUB's prompt. A
// GRUB may lack some of the latter.
var (
	needed = []string{
		"normal", "configfile", "linux", "boot", "search", "search_fs_uuid", "ext2", "fat", "part_gpt", "part_msdos",
		"test", "echo", "halt", "reboot", "terminal", "serial", "font", "gfxterm", "all_video", "gzio",
	}
	offered = []string{
		"search_label", "search_fs_file", "ls", "cat", "sleep", "true", "minicmd", "loadenv", "regexp", "probe", "help",
		"chain", "loopback", "iso9660", "read", "keystatus", "png", "gfxmenu", "video", "videoinfo", "date", "acpi",
	}
)

// menuModules returns the modules of a platform for menus and the prompt, with their
// dependencies, sorted.
func (g *Grub) menuModules(p bootloader.Platform) ([]string, error) {
	list, err := g.read(p, "moddep.lst")
	if err != nil {
		return nil, err
	}
	deps := parseModdep(string(list))
	for _, m := range needed {
		if _, ok := deps[m]; !ok {
			return nil, fmt.Errorf("grub for %s: module %s is missing in %s", p, m, g.modulesOf(p))
		}
	}
	seen := map[string]bool{}
	var add func(names []string)
	add = func(names []string) {
		for _, m := range names {
			if d, ok := deps[m]; ok && !seen[m] {
				seen[m] = true
				add(d)
			}
		}
	}
	add(needed)
	add(offered)
	add(platforms[p].modules)
	var out []string
	for m := range seen {
		out = append(out, m)
	}
	slices.Sort(out)
	return out, nil
}

// parseModdep reads moddep.lst: a module, a colon, and what it depends on.
func parseModdep(s string) map[string][]string {
	deps := map[string][]string{}
	for line := range strings.Lines(s) {
		if name, rest, ok := strings.Cut(line, ":"); ok {
			deps[strings.TrimSpace(name)] = strings.Fields(rest)
		}
	}
	return deps
}

// AddModules puts the modules of a platform into the Tree of the file system that
// holds GRUB's folder, with the lists by which GRUB finds the module of a command. It adds
// nothing for UEFI, whose programs contain their modules.
func (g *Grub) AddModules(t *image.Tree, p bootloader.Platform, at Place) error {
	if p.IsUEFI() {
		return nil
	}
	modules, err := g.menuModules(p)
	if err != nil {
		return err
	}
	folder := path.Join(at.folder(), nameOf(p))
	for _, m := range modules {
		if err := g.addFile(t, p, m+".mod", folder); err != nil {
			return err
		}
	}
	for _, list := range []string{"command.lst", "crypto.lst", "fs.lst", "moddep.lst", "partmap.lst", "parttool.lst", "terminal.lst", "video.lst"} {
		if err := g.addFile(t, p, list, folder); err != nil {
			return err
		}
	}
	return nil
}

func (g *Grub) addFile(t *image.Tree, p bootloader.Platform, name, folder string) error {
	from, err := g.file(p, name)
	if err != nil {
		return err
	}
	return addHostFile(t, from, path.Join(folder, name))
}

func addHostFile(t *image.Tree, from, to string) error {
	f, err := image.NewHostFile(from)
	if err != nil {
		return fmt.Errorf("grub: %w", err)
	}
	return t.Put(to, image.NewFile(0o644, f))
}

// AddFont puts the font of the graphical terminal into the Tree. A menu works without
// it, in text.
func (g *Grub) AddFont(t *image.Tree, at Place) error {
	font := g.font()
	switch {
	case font == "" && g.named:
		return fmt.Errorf("grub: no share/grub/unicode.pf2 is in %s: name a GRUB that has it, too, or have the menu in text", g)
	case font == "":
		return errors.New("grub: unicode.pf2 is missing: install grub-common (Debian), or have the menu in text")
	}
	return addHostFile(t, font, path.Join(at.folder(), "fonts/unicode.pf2"))
}
