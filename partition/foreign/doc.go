// Package foreign describes the file systems that ingot does not write itself: btrfs, xfs and
// f2fs.
//
// Their own mkfs makes them, in a machine with a kernel that mounts them. This package checks
// labels, UUIDs and sizes beforehand, derives the UUID of a volume, and estimates a size that
// holds a tree. [FileSystem.Layout] returns a hole of that size.
//
//	fs := foreign.Btrfs.FileSystem.(foreign.FileSystem)
//	m, err := fs.Layout(tree, image.Volume{Size: image.Fit(0)}) // zeros
//	argv := fs.Command(fs.UUID(v), v.Label, "/dev/vda1")        // fills them
//
// # Limits
//
// Sizes that fit are generous estimates: with one that is too small, a build would fail near
// its end. A tool makes different bytes every time.
package foreign
