package system

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"ingot/bootloader"
	"ingot/bootloader/kernel"
)

// Read reads the system at a path: the store item that NixOS calls a toplevel and Guix a
// system, or a symlink to one. Its kernel, initial RAM disk and arguments are the system's own.
//
// NixOS's layout has kernel, initrd, init and kernel-params in it; Guix's has them named in a
// file parameters. What has neither is refused. A system whose store is not in the image is
// an error that wraps [fs.ErrNotExist].
func Read(look bootloader.Lookup, toplevel string) (*System, error) {
	s, err := read(look, path.Clean(toplevel))
	if err != nil {
		return nil, fmt.Errorf("system %s: %w", toplevel, err)
	}
	return s, nil
}

func read(look bootloader.Lookup, toplevel string) (*System, error) {
	if !path.IsAbs(toplevel) {
		return nil, errors.New("its path is not absolute")
	}
	at, n, err := look.Resolve(toplevel)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, missing{errors.New("it is not in the image: add its closure to the store")}
	case err != nil:
		return nil, err
	case n == nil || !n.IsDir():
		return nil, fmt.Errorf("%s is not a directory", at)
	}
	var s *System
	switch {
	case n.Child("parameters") != nil:
		s, err = readGuix(look, at)
	case n.Child("kernel") != nil || n.Child(bootspecFile) != nil:
		s, err = readNixOS(look, at)
	default:
		err = errors.New("it has no kernel: neither kernel (NixOS) nor parameters (Guix) is in it")
	}
	if err == nil && s.Arch == "" {
		s.Arch, err = archOf(look, s.Entry.Kernel)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// missing makes an error one of [fs.ErrNotExist], whose text would say nothing more.
type missing struct{ error }

func (missing) Is(target error) bool { return target == fs.ErrNotExist }

// archOf returns the architecture that a kernel is for; empty if it does not say.
func archOf(look bootloader.Lookup, name string) (string, error) {
	data, err := look.Data(name)
	if err != nil {
		return "", fmt.Errorf("kernel: %w", err)
	}
	h, err := kernel.ReadHeader(data)
	return h.Arch, err
}
