// Package fstest is the acceptance test of all file systems, and its parts.
//
// A file system passes if, for every tree that it can hold,
//
//   - Layout with image.Fit makes a volume that an independent judge (e2fsck,
//     fsck.fat, …) accepts,
//   - ingot's own reader finds the same tree in it,
//   - Layout gives the same bytes again, also for a tree that was built in another order,
//   - Layout refuses a volume that is one block smaller, with an [image.TooSmallError],
//
// and if it refuses all other trees with an error that names the path. [Features] describes the
// trees that a file system can hold. [Boundaries] makes trees with sizes and names on both sides of
// every limit; [Trees] generates random ones. [Suite] runs everything:
//
//	func TestSuite(t *testing.T) {
//		fstest.Suite(t, ext4.FileSystem{}, features, fstest.Clean("e2fsck", "e2fsprogs", "-fn"), open)
//	}
//
// [Diff] describes the differences of two trees. [HostTree] and [Mount] give the tree that the
// kernel sees.
//
// Readers of foreign images must be bounded. [Allocated] measures memory by allocations, never by
// time; [Budget] fails a test that allocates more than its input justifies. [FuzzMetadata] is the
// fuzz target of such a reader: it changes only bytes that the reader reads.
//
// Judges are programs of the machine that runs the tests. If one is missing, the test is skipped with
// the name of its Debian package; if the environment variable CI is set, the test fails.
package fstest
