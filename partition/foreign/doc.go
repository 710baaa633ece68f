// Package foreign knows the file systems that ingot has no writer for: btrfs, xfs and f2fs.
//
// Their own mkfs makes them, in a machine with a kernel that mounts them. What can be known
// before is known here: which labels and UUIDs they take, the UUID that one will have, and a
// size that holds a tree. [FileSystem.Layout] returns a hole of that size.
//
//	fs := foreign.Btrfs.FileSystem.(foreign.FileSystem)
//	m, err := fs.Layout(tree, image.Volume{Size: image.Fit(0)}) // zeros
//	argv := fs.Command(fs.UUID(v), v.Label, "/dev/vda1")        // fills them
//
// # Limits
//
// Sizes that fit are estimates, and generous: one that is too small would fail when nearly
// all is done. The bytes that a tool makes are other ones every time.
package foreign
