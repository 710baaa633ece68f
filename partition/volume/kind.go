package volume

import (
	"cmp"

	"ingot/image"
)

// A Kind is a kind of file system, or of something else that can be in a partition or on a
// whole disk. Package filesystems lists all kinds.
type Kind struct {
	// Name is the name in recipes and on command lines, and also blkid's unless Type differs.
	Name string
	// Type is the name that mount(8), blkid(8) and the kernel's module have. Default: Name.
	Type string
	// Title is the name in messages. Default: Name.
	Title string
	// Class is the kind's purpose.
	Class Class

	// Identify reports whether a volume begins like one of this kind, and returns its
	// identifiers. It accepts damaged volumes: the reader finds the damage.
	Identify func(*Probe) (ID, bool)
	// Open returns the reader of a volume. It is nil if ingot has none.
	Open func(image.Blob) (Reader, error)

	// FileSystem makes volumes with the default options. It is nil if ingot makes none.
	FileSystem FileSystem
	// Options returns the default options as a new value. It is nil for a kind without options
	// in recipes.
	Options func() Options
	// Foreign marks a file system that only its own tools make, in a virtual machine. Its
	// Layout estimates the size.
	Foreign bool

	// Keeps are the properties of files that it stores, beside names and contents.
	Keeps Attributes
	// ReadOnly is true if the kernel never writes to it.
	ReadOnly bool
	// Least is a size in bytes that suffices for any options. Default: 64 MiB.
	Least int64

	// PartitionType is the default type of its partition. Default: linux.
	PartitionType string
	// ImpliedBy are the types of partitions that always contain this file system.
	ImpliedBy []string

	// NoGRUB is true if GRUB cannot read it. GRUBModule is the module that reads it, unless
	// GRUB always contains that.
	NoGRUB     bool
	GRUBModule string
}

// A Class is the purpose of a kind.
type Class uint8

// The classes.
const (
	Files     Class = iota + 1 // a file system
	Layer                      // contains a volume, encrypted or spread over disks
	Memory                     // swap, hashes and other data without files
	DiskLabel                  // a partition table that ingot does not read
)

// Attributes are the properties of files that a file system stores.
type Attributes uint8

// The attributes.
const (
	Symlinks Attributes = 1 << iota
	HardLinks
	Owners
	Permissions
	Xattrs
	AllAttributes = Symlinks | HardLinks | Owners | Permissions | Xattrs
)

// An ID has the identifiers of a volume, as blkid prints them. Fields that do not apply are
// empty.
type ID struct{ Type, UUID, Label string }

// A Reader reads a file system.
type Reader interface {
	// Tree returns the files, without their contents.
	Tree() (*image.Tree, error)
}

// Options are the options of a kind: a pointer to a struct whose fields are keys of a
// recipe's partition, with the tags json, jsonschema and jsonschema_description. The zero
// value is the good default.
type Options interface {
	// Check returns an error, and its key, if the options contradict the place.
	Check(Place) (key string, err error)
	// FileSystem returns the file system with these options.
	FileSystem(Place) FileSystem
	// Canonical returns the options without those that are the default at the place, so that
	// options with the same meaning are equal.
	Canonical(Place) Options
}

// A Place describes the partition of a file system.
type Place struct {
	Type string // of the partition, such as esp
	Size image.Size
	// Share is true if the size is not known yet.
	Share bool
}

// Maker returns the file system with the given options. Default: the default options.
func (k *Kind) Maker(o Options, at Place) FileSystem {
	if o == nil && k.Options != nil {
		o = k.Options()
	}
	if o == nil {
		return k.FileSystem
	}
	return o.FileSystem(at)
}

// MountType returns the kind's name for mount(8) and the kernel.
func (k *Kind) MountType() string { return cmp.Or(k.Type, k.Name) }

// String returns the name for messages.
func (k *Kind) String() string { return cmp.Or(k.Title, k.Name) }

// HoldsStore reports whether it can contain a store.
func (k *Kind) HoldsStore() bool {
	const needed = Symlinks | Permissions
	return k.Class == Files && k.Keeps&needed == needed
}

// ID returns the identifiers of a volume of this kind, and false for other volumes.
func (k *Kind) ID(p *Probe) (ID, bool) {
	id, ok := k.Identify(p)
	if ok && id.Type == "" {
		id.Type = k.MountType()
	}
	return id, ok
}

// defaultLeast suits most file systems.
const defaultLeast = 64 << 20

// Suits returns a size that suffices for a file system of the kind.
func (k *Kind) Suits() image.Size { return image.Exactly(max(defaultLeast, k.Least)) }
