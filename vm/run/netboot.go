package run

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"ingot/image"
	"ingot/vm/initramfs"
)

// The files of a netboot folder.
const (
	netbootKernel  = "kernel"
	netbootInitrd  = "initrd"
	netbootCommand = "command-line"
)

// netbootRoots are the names of the root in a netboot folder, which has one of them.
var netbootRoots = []string{"root.squashfs", "root.erofs"}

// IsNetboot says whether a path is that of a netboot folder.
func IsNetboot(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, netbootCommand))
	return err == nil && info.Mode().IsRegular()
}

// openNetboot reads a folder with kernel, initrd, a root and command-line. The
// root is a disk, as not-os has it; and it is in the initramfs, as iPXE brings it, for
// systems that look for it there.
func openNetboot(dir string) (*System, error) {
	s := &System{Name: SafeName(filepath.Base(filepath.Clean(dir))), What: dir, Firmware: []Boot{}}
	file := func(name string) (*image.File, error) {
		f, err := image.NewHostFile(filepath.Join(dir, name))
		if errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("%s is no netboot folder: it has no file %s", dir, name)
		}
		return f, err
	}
	kernel, err := file(netbootKernel)
	if err != nil {
		return nil, err
	}
	initrd, err := file(netbootInitrd)
	if err != nil {
		return nil, err
	}
	words, err := os.ReadFile(filepath.Join(dir, netbootCommand))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s is no netboot folder: it has no file %s", dir, netbootCommand)
	}
	if err != nil {
		return nil, err
	}
	s.Kernel, s.Initrd, s.Words = kernel, []image.Blob{initrd}, strings.Fields(string(words))
	for _, name := range netbootRoots {
		root, err := image.NewHostFile(filepath.Join(dir, name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return s, s.addNetbootRoot(name, root)
	}
	return s, nil // all is in the initrd
}

// addNetbootRoot gives the system its root: as a disk, or beside the initrd where the
// kernel's words ask for it there.
func (s *System) addNetbootRoot(name string, root *image.File) error {
	if wordValue(s.Words, "ingot.live") == "/"+name {
		member, err := cpioMember(name, root)
		if err != nil {
			return err
		}
		s.Initrd = append(s.Initrd, member)
		return nil
	}
	m, err := concatenate(root)
	if err != nil {
		return err
	}
	s.Disks = []Base{{Map: m, Plain: true}}
	return nil
}

// cpioMember returns an initial RAM disk that holds one file at its root.
func cpioMember(name string, data image.Blob) (image.Blob, error) {
	tree := image.NewTree()
	if err := tree.Put("/"+name, image.NewFile(0o444, data)); err != nil {
		return nil, err
	}
	return initramfs.Pack(tree, initramfs.None)
}
