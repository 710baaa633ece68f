package bootloader

import (
	"context"

	"ingot/bootloader/kernel"
	"ingot/image"
	"ingot/partition"
	"ingot/partition/volume"
)

// A Kind is one boot loader, as everything that has to list boot loaders knows it. Package
// loaders has the list.
type Kind struct {
	Name  string // the key in recipes: "grub"
	Title string // in messages: "GRUB"
	About string // one line for the schema and the reference of recipes
	// New returns one with nothing set.
	New func() Loader
	// Reads reports whether the loader reads kernels from a file system.
	Reads func(*volume.Kind) bool
	// Partition returns the type of the partition that the loader needs for a platform on
	// such a disk, "esp" or "bios-boot"; empty if it needs none.
	Partition func(Platform, partition.Kind) string
}

// A Loader is a boot loader as one recipe wants it: a pointer to a struct, whose fields
// with a json tag are the keys that recipes may set. A field of the type [Path] or [Paths]
// names files of the host. In place of the whole, a recipe may give the list of the key platforms.
type Loader interface {
	// Firmware returns the words of the platforms that it is installed for.
	Firmware() []string
	// CheckArgument refuses an argument that the loader cannot pass to a kernel unchanged.
	CheckArgument(string) error
	// CheckCommandLine refuses an entry whose kernel would not see the end of its command
	// line. onISO means that the menu is that of an ISO.
	CheckCommandLine(m Menu, e Entry, h kernel.Header, onISO bool) error
	// Install puts the loader's files into the trees of the target. The error is a [MenuError]
	// if the menu itself is wrong.
	Install(context.Context, Target) (Installed, error)
}

// A Path is a path of the host as a recipe has it, and what it stands for.
type Path struct {
	Text string
	Host string
}

// Paths is one path of the host or a list of them.
type Paths []Path

// IsZero reports whether the key was left out.
func (p Path) IsZero() bool { return p.Text == "" }

// A Target is where a boot loader is installed.
type Target struct {
	Menu      Menu
	Platforms []Platform
	// Boot is the file system that holds the kernels: its files, its UUID, which file
	// system it is, and which of its folders is the system's /boot: "/" if it is mounted
	// there. Default: "/boot".
	Boot       *image.Tree
	UUID       string
	FileSystem *volume.Kind
	BootFolder string
	// ESP is the file system that UEFI starts programs from; nil without one.
	ESP *image.Tree
	// ISO means that the medium is an ISO, and not a disk.
	ISO bool
	// NoFile means that the system does not find its ISO where that is a file on another
	// medium: the boot loader then has no menu for those of sticks with many ISOs.
	NoFile bool
	// Path are folders of the host with programs.
	Path []string
}

// Installed holds a boot loader's parts beside its files.
type Installed struct {
	// Disk is for a disk, outside of its file systems; it may be nil.
	Disk Overlay
	// CD is for BIOS on an ISO; nil without BIOS.
	CD       *CD
	Warnings []string
}

// An Overlay is the part of a boot loader outside of a disk's file systems.
type Overlay interface {
	Install(*partition.Disk) (*image.Map, error)
	Size() int64 // in bytes, without boot code
}

// BootCode is how many bytes at the start of a disk hold the code that BIOS starts.
const BootCode = 440
