package lint

import (
	"ingot/bootloader"
	"ingot/bootloader/system"
	"ingot/partition/volume"
)

// A Severity says what a finding means for the boot.
type Severity uint8

// The severities.
const (
	Note    Severity = iota // the system starts
	Warning                 // the system may not start, or starts without a part
	Error                   // the system cannot start
)

// String returns the severity's name.
func (s Severity) String() string { return [...]string{"note", "warning", "error"}[s] }

// A Finding is one thing that is wrong with a disk and a system on it.
type Finding struct {
	// Name is one of [Rules], such as "root-label": by it, the finding can be silenced.
	Name     string
	Severity Severity
	Place    Place
	// What says what is wrong: who looks for what, and what is there instead.
	What string
	// Want is the value that would make it right; empty if no single value does.
	Want string
	// Out says what to do where neither Want nor the rule says it.
	Out string
	// System is the index of the first system that it is wrong for.
	System int
}

// A Place is the part of a disk that a finding is about.
type Place struct {
	// Partition is its index, or -1 for the disk as a whole.
	Partition int
	// Field is the property of the partition or the disk that is wrong; empty if it is missing
	// as a whole.
	Field Field
}

// A Field is a property of a partition, of a disk or of an ISO.
type Field string

// The fields.
const (
	Label      Field = "label"
	UUID       Field = "uuid"
	PartLabel  Field = "name"
	PartUUID   Field = "guid"
	FileSystem Field = "filesystem"
	Mount      Field = "mount"
	Signature  Field = "signature"
	VolumeID   Field = "volume"
	Store      Field = "store"
	System     Field = "system"
	Arch       Field = "arch"
	Encrypt    Field = "encrypt"
	LUKSUUID   Field = "luks-uuid"
	Subvolumes Field = "subvolumes"
)

// A Disk is what systems are to find, whether it is planned or read from an image.
type Disk struct {
	Partitions []Partition
	// ISO is set if the medium is an ISO; Partitions is then empty.
	ISO *Partition
	// Netboot means that the systems come by network. Partitions is then empty, and Look finds
	// the files that come with them.
	Netboot bool
	Look    bootloader.Lookup
	// Alone means that the image is a file system without a table, of a machine that has others
	// elsewhere.
	Alone bool
	// Arch is the processor architecture of the machine as recipes name it; empty if unknown.
	Arch string
	// Changes means that programs still change the disk: what it lacks may come.
	Changes bool
}

// A Partition is a part of a disk.
type Partition struct {
	Number int    // as the kernel counts, from 1
	Name   string // as the GPT has it
	// GUID is Linux's PARTUUID: the GUID in a GPT, or an MBR's signature and number.
	GUID string
	Type string // as package partition names it, or a GUID
	// FileSystem is what it holds; nil if that is unknown or nothing.
	FileSystem *volume.Kind
	// Opaque means that it holds something unknown, such as a file system from a file.
	Opaque bool
	Label  string
	UUID   string
	// Subvolumes are the paths of those of a btrfs, without a slash before them.
	Subvolumes []string
	// LUKS is the UUID of the container that the file system lies in; empty without.
	LUKS string
	// MountPoints are where it is meant to be mounted, as a whole or in parts; none if that is
	// unknown.
	MountPoints []string
	// Look finds its files; nil if it holds none.
	Look bootloader.Lookup
}

// A Checked is a system that the disk boots.
type Checked struct {
	System *system.System
	Wants  *system.Expectations
	// Err is why Wants is nil, or lacks the mounts of fstab.
	Err error
	// HasEtc means that the system has a folder etc.
	HasEtc bool
	// Title is that of its menu entry.
	Title string
	// Arguments are all of its kernel's. Default: the system's own.
	Arguments []string
}
