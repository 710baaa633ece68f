package volume

import "ingot/image"

// A FileSystem is a kind of volume that a partition can hold. A value of it is a
// set of options, so that the zero value of an implementation is the good default.
type FileSystem interface {
	// Check says whether a volume as asked for can be made at all: whether the label
	// is of the alphabet, the UUID of the form and the size within the limits.
	Check(image.Volume) error
	// UUID returns the identifier that a volume as asked for will have, as blkid
	// prints it. A menu can name the root before the root is laid out.
	UUID(image.Volume) string
	// Layout returns the bytes of a volume that holds the tree. Where the tree does
	// not fit the error is, or wraps, an [*image.TooSmallError].
	Layout(*image.Tree, image.Volume) (*image.Map, error)
}
