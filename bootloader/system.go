package bootloader

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"ingot/image"
)

// System returns the entry that boots the system at a path, the store item that
// NixOS calls a toplevel and Guix a system. Its kernel, initial RAM disk and
// arguments are the system's own, and symlinks are followed within the image.
//
// NixOS's layout has kernel, initrd, init and kernel-params in it; Guix's has them
// named in a file parameters. What has neither a kernel nor parameters is refused.
func System(t *image.Tree, toplevel string) (Entry, error) {
	return Lookup(t.Lookup).System(toplevel)
}

// System is [System] for a disk whose store and root are not one Tree.
func (look Lookup) System(toplevel string) (Entry, error) {
	e, err := system(look, path.Clean(toplevel))
	if err != nil {
		return Entry{}, fmt.Errorf("system %s: %w", toplevel, err)
	}
	return e, nil
}

func system(look Lookup, toplevel string) (Entry, error) {
	if !path.IsAbs(toplevel) {
		return Entry{}, errors.New("its path is not absolute")
	}
	at, n, err := look.resolve(toplevel)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Entry{}, errors.New("it is not in the image: add its closure to the store")
	case err != nil:
		return Entry{}, err
	case n == nil || !n.IsDir():
		return Entry{}, fmt.Errorf("%s is not a directory", at)
	}
	switch {
	case n.Child("parameters") != nil:
		return guixSystem(look, at)
	case n.Child("kernel") != nil:
		return nixSystem(look, at)
	}
	return Entry{}, errors.New("it has no kernel: neither kernel (NixOS) nor parameters (Guix) is in it")
}

// nixSystem reads NixOS's layout.
func nixSystem(look Lookup, toplevel string) (Entry, error) {
	in := func(name string) string { return path.Join(toplevel, name) }
	kernel, _, err := look.file(in("kernel"))
	if err != nil {
		return Entry{}, fmt.Errorf("kernel: %w", err)
	}
	if _, _, err := look.file(in("init")); err != nil {
		return Entry{}, fmt.Errorf("init: %w", err)
	}
	e := Entry{Title: nixTitle(look, toplevel), Kernel: kernel}
	// A kernel with all its drivers built in has no initial RAM disk.
	if look(in("initrd")) != nil {
		initrd, _, err := look.file(in("initrd"))
		if err != nil {
			return Entry{}, fmt.Errorf("initrd: %w", err)
		}
		e.Initrd = []string{initrd}
	}
	params, err := look.text(in("kernel-params"))
	if err != nil {
		return Entry{}, fmt.Errorf("kernel-params: %w", err)
	}
	args, err := splitArguments(params)
	e.Arguments = append([]string{"systemConfig=" + toplevel, "init=" + in("init")}, args...)
	return e, err
}

// nixTitle is the line that NixOS's own installer writes, less the date.
func nixTitle(look Lookup, toplevel string) string {
	version, err := look.text(path.Join(toplevel, "nixos-version"))
	if version = strings.TrimSpace(version); err != nil || version == "" {
		return "NixOS"
	}
	return "NixOS " + version
}
