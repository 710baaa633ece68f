// Package volume says what can be known of a kind of file system: how volumes of it are made,
// told from others and read, what it can hold, and what one can ask of it.
//
//	var Kind = &volume.Kind{
//		Name: "ext4", Class: volume.Files,
//		Identify:   volume.Magic(1080, "\x53\xef"),
//		FileSystem: FileSystem{},
//		Keeps:      volume.AllAttributes,
//	}
//
// Each package of a file system describes its own [Kind], and package filesystems lists them.
// Recipes, empty disks, package inspect and blkid in a guest ask a Kind for its properties
// and name no file system themselves.
//
// # Limits
//
// [Kind.Identify] looks at a few places of a volume, and takes for one what is damaged: that
// is for the reader to find out. What it reads is bounded by what it knows, not by what it
// finds.
package volume
