// Package volume describes kinds of file systems: how to make, identify and read volumes, what
// they can hold, and which options they have.
//
//	var Kind = &volume.Kind{
//		Name: "ext4", Class: volume.Files,
//		Identify:   volume.Magic(1080, "\x53\xef"),
//		FileSystem: FileSystem{},
//		Keeps:      volume.AllAttributes,
//	}
//
// Each file system's package describes its own [Kind], and package filesystems lists them.
// Recipes, empty disks, package inspect and the guest's blkid use the properties of a Kind;
// they name no file system themselves.
//
// The package also has the code that several file systems share: [Limits] of labels, UUIDs and
// sizes, and the limits and numbers that are Linux's ([CheckNode], [FileType], [NewXattrs]).
//
// # Limits
//
// [Kind.Identify] looks at a few places of a volume and accepts damaged ones: the reader finds
// the damage. It reads a fixed number of bytes.
package volume
