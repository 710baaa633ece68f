package volume

import "ingot/image"

// A FileSystem makes volumes. Its value is a set of options; the zero value is the good
// default.
type FileSystem interface {
	// Check refuses a label, a UUID or a size that no volume can have.
	Check(image.Volume) error
	// UUID returns the identifier that a volume will have, as blkid prints it, so that a boot
	// menu can name the root before its layout.
	UUID(image.Volume) string
	// Layout returns the bytes of a volume that holds the tree. If the tree does not fit, the
	// error is, or wraps, an [*image.TooSmallError].
	Layout(*image.Tree, image.Volume) (*image.Map, error)
}
