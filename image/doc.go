// Package image describes what a disk image will hold, before a byte of it is
// written.
//
// It has two main types. A [Tree] is the files that an image will hold: names, modes, owners,
// times, extended attributes, link targets, and contents as a [Blob]. A [Map] is the bytes
// that an image will hold: a size and a sorted list of extents, each a run of bytes that comes
// from a Blob, and zeros elsewhere.
//
// A file system writer is a pure function from Tree to Map. A partition table
// puts Maps side by side in a larger Map; since a Map is itself a Blob, it does
// so without copying a list. A boot loader lays a few small extents over a Map
// with [Map.Overlay]. A whole disk is therefore one value, computed from metadata alone. Small
// consumers of that value write it sparse, write it as qcow2, send it down a pipe, hash it,
// compare it, or serve it to a virtual machine.
//
//	root := image.NewTree()
//	root.Put("/etc/hostname", image.NewFile(0o644, image.Bytes("web\n")))
//	fs, err := ext4.FileSystem{}.Layout(root, image.Volume{Label: "root", Size: image.Fit(512 << 20)})
//	err = image.WriteRaw(ctx, fs, "root.img", image.WriteOptions{})
//
// # What it guarantees
//
// A Map depends on the Tree and the options alone. Nothing here reads the clock,
// a source of randomness or the environment, and nothing needs root, a mount, a
// loop device or a seekable output. Identifiers come from a [Seed].
//
// Trees and Maps hold no open files. A Blob that is a file of the host ([File])
// remembers the size and the modification time that it was planned with, and
// refuses with a [ChangedError] when it finds another file in its place.
//
// # Limits
//
// Sizes and offsets are bytes in an int64. A Tree costs about 250 bytes of memory
// for each file and a Map about 100 bytes for each extent, so that an image of a
// million files is planned in well under 1 GiB.
package image
