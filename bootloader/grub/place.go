package grub

import (
	"fmt"
	"path"
	"strings"

	"ingot/internal/printable"
)

// DefaultFolder is where GRUB keeps its files in the file system that holds the root.
const DefaultFolder = "/boot/grub"

// Place is where GRUB finds its menu, modules and font.
type Place struct {
	// UUID is that of the file system, as blkid prints it.
	UUID string
	// Folder is the path within that file system; empty is [DefaultFolder]. Where /boot
	// is a file system of its own it is "/grub".
	Folder string
}

func (p Place) folder() string {
	if p.Folder == "" {
		return DefaultFolder
	}
	return path.Clean(p.Folder)
}

// check refuses a place that the parser before GRUB's scripts, which only knows words, would
// misread.
func (p Place) check() error {
	if err := checkUUID(p.UUID); err != nil {
		return err
	}
	f := p.folder()
	if !path.IsAbs(f) || strings.Trim(f, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._+@-") != "" {
		return fmt.Errorf("grub's folder %s: it must be an absolute path of letters, digits and ._+@-", printable.Quote(p.Folder))
	}
	return nil
}

func checkUUID(s string) error {
	if s == "" || len(s) > 36 || strings.Trim(s, "0123456789abcdefABCDEF-") != "" {
		return fmt.Errorf("%s is not the UUID of a file system: it has digits and dashes, such as 27c6c1a2-… (ext4) or ABCD-1234 (FAT)", printable.Quote(s))
	}
	return nil
}

// config is the script in the core image. GRUB then loads its module "normal" from the folder,
// which reads grub.cfg.
func (p Place) config() string {
	return fmt.Sprintf("search.fs_uuid %s root\nset prefix=($root)'%s'\n", p.UUID, p.folder())
}
