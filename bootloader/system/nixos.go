package system

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"ingot/bootloader"
	"ingot/internal/printable"
	"ingot/storedb"
)

// readNixOS reads NixOS's layout. Where the links of the toplevel and its bootspec document say
// different things, the links count, as they do for NixOS's own installer of GRUB
// (nixos/modules/system/boot/loader/grub/install-grub.pl), which does not read the document;
// the System notes it. What only the document has (label, sort key, device tree) is taken from
// it, and so is what the toplevel has no link for.
func readNixOS(look bootloader.Lookup, toplevel string) (*System, error) {
	s, err := readAlone(look, toplevel, nil)
	if err != nil {
		return nil, err
	}
	return s, s.readSpecialisations(look)
}

// readAlone reads a system without its specialisations. doc is its part of another system's
// document, for a system that has none of its own.
func readAlone(look bootloader.Lookup, toplevel string, doc *bootspec) (*System, error) {
	own, err := readBootspec(look, toplevel)
	if err != nil {
		return nil, err
	}
	if own != nil {
		doc = own
	}
	if doc == nil {
		doc = &bootspec{}
	}
	s := &System{Path: toplevel, Flavour: storedb.Nix, doc: doc, Extensions: doc.extensions}
	for _, read := range []func(bootloader.Lookup) error{s.readKernel, s.readArguments, s.readExtensions, s.readSecrets, s.readLoader} {
		if err := read(look); err != nil {
			return nil, err
		}
	}
	s.readNames(look)
	return s, nil
}

func (s *System) in(name string) string { return path.Join(s.Path, name) }

// choose returns the file that a link of the toplevel leads to, or else the one that the
// document names; empty if neither has one.
func (s *System) choose(look bootloader.Lookup, link, documented string) (string, error) {
	if look(s.in(link)) == nil {
		if documented == "" {
			return "", nil
		}
		at, _, err := look.RegularFile(documented)
		if err != nil {
			return "", fmt.Errorf("%s: %s: %w", link, bootspecFile, err)
		}
		return at, nil
	}
	at, _, err := look.RegularFile(s.in(link))
	if err != nil {
		return "", fmt.Errorf("%s: %w", link, err)
	}
	if documented != "" {
		if other, _, err := look.Resolve(documented); err != nil || other != at {
			s.note("%s leads to %s, and %s names %s: the link counts, as for NixOS's own GRUB", link, at, bootspecFile, documented)
		}
	}
	return at, nil
}

func (s *System) note(format string, args ...any) {
	s.Notes = append(s.Notes, fmt.Sprintf(format, args...))
}

func (s *System) readKernel(look bootloader.Lookup) (err error) {
	if s.Entry.Kernel, err = s.choose(look, "kernel", s.doc.Kernel); err != nil {
		return err
	}
	if s.Entry.Kernel == "" {
		return fmt.Errorf("kernel: %s: %w", s.in("kernel"), fs.ErrNotExist)
	}
	// A kernel with all its drivers built in has no initial RAM disk.
	initrd, err := s.choose(look, "initrd", s.doc.Initrd)
	if initrd != "" {
		s.Entry.Initrd = []string{initrd}
	}
	return err
}

func (s *System) readArguments(look bootloader.Lookup) error {
	// The path itself is the argument, and not where it leads: stage 2 finds its system by it.
	s.Init = s.in("init")
	switch {
	case s.doc.Init == "" || s.doc.Init == s.Init:
	case look(s.Init) == nil:
		s.Init = s.doc.Init
	default:
		s.note("%s is that of another system: it names the init %s", bootspecFile, s.doc.Init)
	}
	if _, _, err := look.RegularFile(s.Init); err != nil {
		return fmt.Errorf("init: %w", err)
	}
	args := s.doc.KernelParams
	if look(s.in("kernel-params")) != nil || s.doc.KernelParams == nil {
		params, err := look.Text(s.in("kernel-params"))
		if err != nil {
			return fmt.Errorf("kernel-params: %w", err)
		}
		if args, err = bootloader.SplitArguments(params); err != nil {
			return err
		}
		if documented := s.doc.KernelParams; documented != nil && strings.Join(documented, " ") != strings.TrimSpace(params) {
			s.note("kernel-params and the kernelParams of %s differ: kernel-params counts, as for NixOS's own GRUB", bootspecFile)
		}
	} else {
		var err error
		if args, err = bootloader.SplitArguments(strings.Join(args, " ")); err != nil {
			return err
		}
	}
	s.Entry.Arguments = append([]string{"systemConfig=" + s.Path, "init=" + s.Init}, args...)
	return nil
}

// readNames reads title, version and architecture.
func (s *System) readNames(look bootloader.Lookup) {
	if version, err := look.Text(s.in("nixos-version")); err == nil {
		s.Version = strings.TrimSpace(version)
	}
	if name, err := look.Text(s.in("configuration-name")); err == nil {
		s.ConfigurationName = strings.TrimSpace(name)
	}
	// What the document calls the system, or else the line that NixOS's own installer of GRUB
	// writes, less the date.
	s.Entry.Title = cmp.Or(s.doc.Label, strings.TrimSpace("NixOS "+s.Version))
	platform := s.doc.System
	if platform == "" {
		platform, _ = look.Text(s.in("system"))
	}
	s.Arch = archOfPlatform(strings.TrimSpace(platform))
}

// archOfPlatform is the architecture of what Nix calls a system, such as "x86_64-linux".
func archOfPlatform(platform string) string {
	arch, os, _ := strings.Cut(platform, "-")
	switch {
	case os != "linux":
		return ""
	case strings.HasPrefix(arch, "armv"):
		return "armhf"
	}
	return arch
}

// maxSpecialisations bounds the menu that a system asks for.
const maxSpecialisations = 256

// readSpecialisations reads the specialisations: the links in the folder specialisation, as
// NixOS's installer of GRUB does, or else those of the document. Those of specialisations are
// not looked for.
func (s *System) readSpecialisations(look bootloader.Lookup) error {
	paths, err := s.specialisations(look)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(paths)) {
		alone, err := s.readSpecialisation(look, name, paths[name])
		if err != nil {
			return fmt.Errorf("specialisation %s: %w", printable.Name(name), err)
		}
		s.Specialisations = append(s.Specialisations, Specialisation{name, alone})
	}
	return nil
}

// specialisations returns where each specialisation lies, by name.
func (s *System) specialisations(look bootloader.Lookup) (map[string]string, error) {
	paths := map[string]string{}
	for name, doc := range s.doc.specialisations {
		paths[name] = doc.Toplevel
	}
	_, dir, err := look.Resolve(s.in("specialisation"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("specialisation: %w", err)
	case !dir.IsDir():
		return nil, fmt.Errorf("specialisation: %s is not a directory", s.in("specialisation"))
	default:
		for _, e := range dir.Entries() {
			paths[e.Name] = s.in("specialisation/" + e.Name)
		}
	}
	if len(paths) > maxSpecialisations {
		return nil, fmt.Errorf("specialisation: there are %d, and at most %d are read", len(paths), maxSpecialisations)
	}
	return paths, nil
}

func (s *System) readSpecialisation(look bootloader.Lookup, name, at string) (*System, error) {
	to, n, err := look.Resolve(at)
	switch {
	case err != nil:
		return nil, err
	case n == nil || !n.IsDir():
		return nil, fmt.Errorf("%s is not a directory", to)
	}
	return readAlone(look, to, s.doc.specialisations[name])
}
