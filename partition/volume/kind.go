package volume

import (
	"cmp"

	"ingot/image"
)

// A Kind is a kind of file system, or of something else that can lie in a partition or on a
// whole disk. It holds all that others ask of it; package filesystems lists all kinds.
type Kind struct {
	// Name is what recipes and command lines call it: the name that blkid(8) has for it
	// unless Type says another.
	Name string
	// Type is the name that mount(8), blkid(8) and the kernel's module have for it; Name where
	// it is empty.
	Type string
	// Title is how texts spell it; Name where it is empty.
	Title string
	// Class is what it is for.
	Class Class

	// Identify says whether a volume begins like one of this kind, and what names it. It may
	// take for one what is damaged: that is for the reader to find out.
	Identify func(*Probe) (ID, bool)
	// Open returns the reader of a volume. It is nil where ingot has none.
	Open func(image.Blob) (Reader, error)

	// FileSystem makes volumes with the default options. It is nil where ingot makes none.
	FileSystem FileSystem
	// Options returns the default options as a value of their own. It is nil where a kind has
	// no options of which a recipe could ask.
	Options func() Options
	// Foreign says that only its own tools make such a file system, in a virtual machine:
	// Layout is an estimate of the size then.
	Foreign bool

	// Keeps is what of files it keeps, beside names and contents.
	Keeps Attributes
	// ReadOnly says that the kernel never writes to it.
	ReadOnly bool
	// Least is a size in bytes at which it can be made, whatever the options are. 0: 64 MiB.
	Least int64

	// PartitionType is the type of a partition that holds it, unless something else is asked
	// for. "": linux.
	PartitionType string
	// ImpliedBy are the types of partitions that mean nothing else than this file system.
	ImpliedBy []string

	// NoGRUB says that GRUB does not read it, and GRUBModule is the module with which it does,
	// where that is none of those that GRUB always has.
	NoGRUB     bool
	GRUBModule string
}

// A Class is what a kind is for.
type Class uint8

// The classes.
const (
	Files     Class = iota + 1 // a file system
	Layer                      // holds, encrypted or spread over disks, what can be a file system
	Memory                     // swap, hashes and the like: no files of anybody's
	DiskLabel                  // names partitions, and is not read
)

// Attributes are what of files a file system keeps.
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

// An ID is what names a volume, as blkid prints it. Fields that do not apply are empty.
type ID struct{ Type, UUID, Label string }

// A Reader is a file system that is read back.
type Reader interface {
	// Tree returns the files, without their contents.
	Tree() (*image.Tree, error)
}

// Options are what file systems of one kind can be asked for: a pointer to a struct whose
// fields are keys of a recipe's partition, with the tags json, jsonschema and
// jsonschema_description. The zero value is the good default.
type Options interface {
	// Check names the key that contradicts the place, and says why.
	Check(Place) (key string, err error)
	// FileSystem returns what makes a file system with the options.
	FileSystem(Place) FileSystem
	// Canonical returns the options without those that are the default at the place, so that
	// all that mean the same are the same.
	Canonical(Place) Options
}

// A Place is the partition that a file system will lie in.
type Place struct {
	Type string // of the partition, such as esp
	Size image.Size
	// Share says that the size is not known yet.
	Share bool
}

// Maker returns what makes file systems of the kind with the given options, or with the
// default ones where these are nil.
func (k *Kind) Maker(o Options, at Place) FileSystem {
	if o == nil && k.Options != nil {
		o = k.Options()
	}
	if o == nil {
		return k.FileSystem
	}
	return o.FileSystem(at)
}

// MountType returns the name that mount(8) and the kernel have for the kind.
func (k *Kind) MountType() string { return cmp.Or(k.Type, k.Name) }

// String returns the name for texts.
func (k *Kind) String() string { return cmp.Or(k.Title, k.Name) }

// HoldsStore says whether a store can lie in it.
func (k *Kind) HoldsStore() bool {
	const needed = Symlinks | Permissions
	return k.Class == Files && k.Keeps&needed == needed
}

// ID identifies a volume, if it is one of this kind.
func (k *Kind) ID(p *Probe) (ID, bool) {
	id, ok := k.Identify(p)
	if ok && id.Type == "" {
		id.Type = k.MountType()
	}
	return id, ok
}

// defaultLeast suits all file systems that need no more.
const defaultLeast = 64 << 20

// Suits returns a size at which a file system of the kind can be made.
func (k *Kind) Suits() image.Size { return image.Exactly(max(defaultLeast, k.Least)) }
