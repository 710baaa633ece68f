package system

import (
	"encoding/json"

	"ingot/bootloader"
	"ingot/storedb"
)

// A System is one NixOS or Guix system: the store item that NixOS calls a toplevel.
type System struct {
	Path    string // of the store item
	Flavour storedb.Flavour
	// Entry boots it, by its kernel, initial RAM disk and arguments. Its title is the label.
	Entry bootloader.Entry
	// Version is the contents of nixos-version; empty for Guix.
	Version string
	// ConfigurationName is the contents of configuration-name: boot.loader.grub.configurationName.
	ConfigurationName string
	// Arch is the processor architecture as recipes name it, such as "x86_64"; empty if the
	// closure does not say.
	Arch string
	// Init is the path of the program that stage 1 starts; empty for Guix.
	Init string
	// Secrets is the path of append-initrd-secrets, the program that adds the secrets of the
	// initial RAM disk when a boot loader is installed; empty if the system has none.
	Secrets string
	// SecretFiles are the secrets that this program adds, as far as its text shows them.
	SecretFiles []SecretFile
	// DeviceTree is the path of the device tree that the boot loader is to load; empty without.
	DeviceTree string
	// SortKey is that of org.nixos.systemd-boot.
	SortKey string
	// Specialisations stand in the order of their names.
	Specialisations []Specialisation
	// Extensions are the keys of the bootspec document that are not org.nixos.bootspec.v1 and
	// org.nixos.specialisation.v1.
	Extensions map[string]json.RawMessage
	// Menu are a Guix system's bootloader-menu-entries.
	Menu []MenuEntry
	// Locale is that of a Guix system's boot loader, such as "de_DE.utf8".
	Locale string
	// Notes are lines for people: where parts of the closure contradict each other, and which
	// one counts.
	Notes []string

	// Loader is the boot loader that the configuration names, as far as the closure shows it.
	Loader Loader

	doc        *bootspec   // of NixOS
	parameters *parameters // of Guix
}

// A SecretFile is one of boot.initrd.secrets.
type SecretFile struct {
	Path   string // in the initial RAM disk, as the configuration names it
	Source string // the file of the machine that NixOS would read
	InItem string // its path in the archive, such as ".initrd-secrets/etc/key"
}

// A Specialisation is a variant of a system with a menu entry of its own.
type Specialisation struct {
	Name   string
	System *System
}

// Title is what a menu calls a specialisation of a system: by its configuration-name as NixOS's
// installer of GRUB does, unless the system itself has that name, too.
func (sp Specialisation) Title(of *System) string {
	if name := sp.System.ConfigurationName; name != "" && name != of.ConfigurationName {
		return name
	}
	return sp.Name
}

// Expectations are what a system needs to find on its disk and in its initial RAM disk.
type Expectations struct {
	// Mounts are the file systems that the system mounts, in the order of fstab; what only the
	// initial RAM disk knows comes first.
	Mounts []Mount
	Swaps  []Mount
	LUKS   []LUKS
	// Root is what the kernel's arguments name as the root, in root=; zero if they leave that to
	// fstab or to the initial RAM disk.
	Root Device
	// Resume is the device that the system resumes from; zero without.
	Resume Device
	// Initrd is what the initial RAM disk holds; nil if the system has none, or one that could
	// not be read, for which Unread has the reason.
	Initrd *Initrd
	Unread error
	// BuiltIn are the drivers that the kernel has in it, with _ for -; nil if that is unknown.
	BuiltIn map[string]bool
	// Ignored are lines for people: what was found and has no effect on a disk.
	Ignored []string
}

// A DeviceKind says by what a device is found.
type DeviceKind uint8

// The kinds of [Device].
const (
	NoDevice    DeviceKind = iota
	ByLabel                // the file system's label
	ByUUID                 // the file system's UUID
	ByPartLabel            // the name in the GPT
	ByPartUUID             // the GUID in the GPT, or an MBR's signature and number
	ByPath                 // a path such as /dev/vda1 or /dev/mapper/root
	Virtual                // tmpfs, overlay, proc and the like: no device
	Remote                 // a file system of another machine
)

// A Device is how a system names a device.
type Device struct {
	Kind  DeviceKind
	Value string // without "/dev/disk/by-label/" or "LABEL=", unescaped
}

// A Mount is one line of fstab, or what the initial RAM disk knows in its place.
type Mount struct {
	Device  Device
	Point   string // "/boot"; empty for swap
	Type    string // "ext4", "vfat", "auto"
	Options []string
	// Early means that stage 1 mounts it: the root, and what NixOS calls neededForBoot.
	Early bool
	// Where says where it stands, for messages: "etc/fstab:3".
	Where string
}

// LUKS is an encrypted container that stage 1 opens.
type LUKS struct {
	Name   string // below /dev/mapper
	Device Device
	Where  string
}

// An InitrdKind says whose stage 1 an initial RAM disk holds.
type InitrdKind uint8

// The kinds of [Initrd].
const (
	UnknownInitrd InitrdKind = iota
	NixOSScripted            // NixOS's stage-1-init.sh
	NixOSSystemd             // systemd in the initial RAM disk
	GuixInitrd               // Guix's Guile
	IngotInitrd              // ingot's own
)

// An Initrd is what an initial RAM disk can do.
type Initrd struct {
	Kind InitrdKind
	// Modules are the names of the kernel modules in it, with _ for -.
	Modules map[string]bool
	// Needs are the modules that each module needs, as far as the initial RAM disk says it.
	Needs map[string][]string
	// Programs are the base names of the programs in it.
	Programs map[string]bool
	// Compression is that of the archive: "zstd", "gzip" or "".
	Compression string
	// ChecksNone means that stage 1 checks no file system that has a journal.
	ChecksNone bool
}
