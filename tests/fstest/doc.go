// Package fstest is the acceptance suite that all of ingot's file systems share,
// and the parts it is made of.
//
// A file system is accepted when, for every tree that it can hold,
//
//   - Layout with image.Fit makes a volume that an independent judge (e2fsck,
//     fsck.fat, …) finds clean,
//   - ingot's own reader finds the same tree in it,
//   - Layout gives the same bytes again, and also for a tree that was put together
//     in another order,
//   - a volume that is one block smaller is refused with an [image.TooSmallError],
//
// and when trees that it cannot hold are refused with an error that names the path.
// [Features] says what a file system can hold; the trees come from [Boundaries],
// where sizes and names stand on either side of every limit, and from [Trees], a
// generator for property tests. [Suite] runs it all:
//
//	func TestSuite(t *testing.T) {
//		fstest.Suite(t, ext4.FileSystem{}, features, fstest.Clean("e2fsck", "e2fsprogs", "-fn"), open)
//	}
//
// [Diff] compares two trees and says in words what differs. With [HostTree] and
// [Mount] one of them can be what the kernel sees.
//
// Readers of images from outside have bounds. [Allocated] measures memory by what is
// allocated, never by time; [Budget] fails a test that takes more than its input explains.
// [FuzzMetadata] is the fuzz target of such a reader: it changes just what the reader reads
// of an image, by scripts of a few bytes.
//
// Judges are programs of the machine that runs the tests. One that is missing
// fails the test where the environment variable CI is set, and skips it elsewhere
// with the name of the Debian package that brings it.
package fstest
