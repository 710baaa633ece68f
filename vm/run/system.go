package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"ingot/image"
	"ingot/image/diskfile"
	"ingot/image/iso9660"
	"ingot/image/qcow2"
	"ingot/inspect"
	"ingot/vm"
)

// A System is what a machine boots.
type System struct {
	Name string // what the machine is called unless told otherwise
	What string // how a person names it: web.yaml, nixos.qcow2

	// Numbered says that the name is just a guess: where a machine has it, this one has a
	// number behind it.
	Numbered bool

	Arch  vm.Arch // the host's if empty
	Disks []Base  // the first is the one that firmware boots and that changes are kept of

	// Kernel, Initrd and Words start it without a boot loader; where there is none,
	// NoKernel says why.
	Kernel   image.Blob
	Initrd   []image.Blob
	Words    []string // of the kernel's command line
	NoKernel error

	Shares   []vm.Share // folders of the host that it needs
	NoAgent  bool       // ingot's agent does not run in it, and takes its port for a promise that it does
	NoSSH    bool       // nothing in it takes the key of [Options.SSH]
	Toplevel string     // the store path of the system, if it has one
	Nix      bool       // it has a Nix, which may build for another one by ssh

	Memory   int64   // bytes, if the options name none; 512 MiB if it is 0, too
	OVMF     vm.OVMF // the firmware for UEFI, if the system names one
	NoOVMF   error   // why that cannot be used
	Firmware []Boot  // that the disk boots with, the preferred one first; both if empty
}

// A Base is a disk as it is before a machine writes to it.
type Base struct {
	Map    *image.Map      // served on demand, never written
	File   string          // or an image file: raw or qcow2
	Format diskfile.Format // of the file; Default: that which its name says.
	Bus    vm.Bus
	Serial string
	Plain  bool // what is written to it is discarded on exit, whatever is asked of the first disk
	Own    bool // the file that keeps changes becomes all of the disk, of which Map is but the start
}

// Boot is what a machine starts with.
type Boot string

const (
	Kernel Boot = "kernel" // the kernel itself, put into memory by QEMU
	BIOS   Boot = "bios"
	UEFI   Boot = "uefi"
)

// ParseBoot reads a way to boot; empty leaves the choice to the system.
func ParseBoot(text string) (Boot, error) {
	switch b := Boot(text); b {
	case "", Kernel, BIOS, UEFI:
		return b, nil
	}
	return "", wrong(OptionBoot, text, "must be kernel, bios or uefi")
}

// Open finds out what an image, an ISO or a netboot folder is. The name of an image may
// have a word for its format behind it, as package diskfile reads it. Recipes and closures
// are not for it: those who know them make a System by themselves.
func Open(text string) (*System, error) {
	name, err := diskfile.Parse(text)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(name.Path)
	switch {
	case err != nil:
		return nil, err
	case name.ReadOnly:
		return nil, fmt.Errorf("%s: what is written to its disk is discarded in any case: leave out the :ro", text)
	case info.IsDir() && name.Format != "":
		return nil, fmt.Errorf("%s: %s is a folder, and only a disk has a format", text, name.Path)
	case info.IsDir():
		return openNetboot(name.Path)
	}
	return openImage(name)
}

// stem is a file's name as a machine's.
func stem(path string) string {
	name := filepath.Base(path)
	return SafeName(strings.TrimSuffix(name, filepath.Ext(name)))
}

// numberedName is that of the machine of number n that has the same name.
func numberedName(name string, n int) string {
	number := fmt.Sprintf("-%d", n)
	return name[:min(len(name), maxName-len(number))] + number
}

// SafeName makes a machine's name of any text.
func SafeName(text string) string {
	name := strings.Map(func(r rune) rune {
		if r < 128 && (validName().MatchString(string(r)) || strings.ContainsRune("._-", r)) {
			return r
		}
		return '-'
	}, text)
	name = strings.TrimLeft(name, "._-")
	if len(name) > maxName {
		name = name[:maxName]
	}
	if name == "" {
		return "machine"
	}
	return name
}

// bootCode is how many bytes of a disk's first sector the boot code of a PC has.
const bootCode = 440

// openImage looks into an image file.
func openImage(name diskfile.Name) (*System, error) {
	path := name.Path
	s := &System{Name: stem(path), What: path, Disks: []Base{{File: path, Format: name.Format}},
		NoKernel: fmt.Errorf("%s is an image, and its kernel is inside: boot it with bios or uefi", path)}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	format, err := name.Decide(f, size)
	if undecided := (*diskfile.UndecidedError)(nil); errors.As(err, &undecided) && undecided.Format == diskfile.QCOW2 {
		format, err = diskfile.Raw, nil // as QEMU gets it, with a warning
	}
	if err != nil {
		return nil, err
	}
	if err := inspect.CheckText(name, f, size); err != nil {
		return nil, err
	}
	disk := image.BlobOf(f, size)
	switch {
	case format == diskfile.QCOW2:
		if _, err := qcow2.SelfContained(f); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		q, err := qcow2.Open(image.BlobOf(f, size))
		if err != nil {
			return s, nil // QEMU may read what ingot does not: extended L2 entries, say
		}
		disk = q
	case !format.Given():
		opened, err := inspect.Open(context.Background(), name.String())
		if err != nil {
			return nil, err
		}
		disk, s.Disks[0] = opened.Map, Base{Map: opened.Map}
	}
	if iso, err := isISO(disk); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	} else if iso {
		s.Disks[0].Bus = vm.CDROM
		return s, nil
	}
	code := make([]byte, bootCode)
	switch _, err := disk.ReadAt(code, 0); {
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("%s is too short to be an image of a disk", path)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", path, err)
	case len(bytes.Trim(code, "\x00")) == 0:
		s.Firmware = []Boot{UEFI, BIOS} // a BIOS would find nothing to run
	}
	return s, nil
}

// isISO reports whether a disk is a CD: one with partitions can begin with an ISO that holds
// nothing, so that firmware finds its ESP on a stick, too.
func isISO(disk image.Blob) (bool, error) {
	if !iso9660.Detect(disk) {
		return false, nil
	}
	i := inspect.Of(image.MapOf(disk, nil))
	err := i.Identify(context.Background())
	return err == nil && i.Table() == nil, err
}
