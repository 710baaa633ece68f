package run

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"ingot/bootloader/initramfs"
	"ingot/guest/wire"
	"ingot/image"
	"ingot/storedb"
)

// The files of a netboot folder.
const (
	netbootKernel  = "kernel"
	netbootInitrd  = "initrd"
	netbootCommand = "command-line"
)

// netbootRoots are the names of the root in a netboot folder, which has one of them.
var netbootRoots = []string{"root.squashfs", "root.erofs"}

// IsNetboot reports whether a path is that of a netboot folder.
func IsNetboot(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, netbootCommand))
	return err == nil && info.Mode().IsRegular()
}

// openNetboot reads a folder with kernel, initrd, a root and command-line. The
// root is a disk, as not-os has it; and it is in the initramfs, as iPXE brings it, for
// systems that look for it there.
func openNetboot(dir string) (*System, error) {
	s := &System{Name: SafeName(filepath.Base(filepath.Clean(dir))), What: dir, Firmware: []Boot{}}
	var files [3]*image.File
	for i, name := range []string{netbootKernel, netbootInitrd, netbootCommand} {
		var err error
		if files[i], err = netbootFile(dir, name); errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("%s is no netboot folder: it has no file %s", dir, name)
		} else if err != nil {
			return nil, err
		}
	}
	kernel, initrd, command := files[0], files[1], files[2]
	if command.Size() > maxCommand {
		return nil, fmt.Errorf("%s: has %d bytes, and no kernel takes more than %d", command.Path(), command.Size(), maxCommand)
	}
	words := make([]byte, command.Size())
	if _, err := command.ReadAt(words, 0); err != nil && err != io.EOF {
		return nil, err
	}
	s.Kernel, s.Initrd, s.Words = kernel, []image.Blob{initrd}, strings.Fields(string(words))
	for _, name := range netbootRoots {
		root, err := netbootFile(dir, name)
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

// maxCommand is more than any kernel's command line has, in bytes.
const maxCommand = 64 << 10

// netbootFile returns a file of a netboot folder. The folder's author may also control the
// machine, which sees the file. So a symbolic link to a file elsewhere is refused: it could
// name any file of the user. Links into a store are allowed, since everybody can read that.
func netbootFile(dir, name string) (*image.File, error) {
	path := filepath.Join(dir, name)
	within, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, err
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	if filepath.Dir(real) == within {
		return image.NewHostFile(filepath.Join(dir, filepath.Base(real)))
	}
	for _, f := range []storedb.Flavour{storedb.Nix, storedb.Guix} {
		if strings.HasPrefix(real, f.StoreDir()+"/") {
			return image.NewHostFile(real)
		}
	}
	return nil, fmt.Errorf("%s: leads out of the netboot folder, to %s, which the machine would see: replace the link by a copy if it should", path, real)
}

// addNetbootRoot gives the system its root: as a disk, or beside the initrd where the
// kernel's words ask for it there.
func (s *System) addNetbootRoot(name string, root *image.File) error {
	if live, _ := wire.LiveWord.In(s.Words); live == "/"+name {
		member, err := initramfs.Member(name, root)
		if err != nil {
			return err
		}
		s.Initrd = append(s.Initrd, member)
		return nil
	}
	s.Disks = []Base{{Map: image.MapOf(root, nil), Plain: true}}
	return nil
}
