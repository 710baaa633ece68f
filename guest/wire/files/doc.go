// Package files is how files go between a host and the guest that it runs: as a tar stream,
// which [Pack] writes and [Unpack] reads.
//
// It holds modes, times in nanoseconds, symbolic and hard links, and extended attributes.
// Owners are kept only where the receiver asks for it, and so is what can do more than a
// file's contents: device nodes, pipes, set-user-ID and set-group-ID bits, the attributes that
// only root may set.
//
// The sender of a stream may be hostile, and may change the files of a shared folder
// meanwhile. So both ends open each name within the folder that it lies in, never through
// a link or as another kind of file than is expected, and set metadata through
// descriptors. A stream names each file once and comes back to no folder that it has
// left; hard links lead to files of the same stream. [Limits] bound what is taken.
//
// A large file that lies in the guest's memory is not sent where the host can read that: the
// stream tells the places of its pages, its [Run]s ([PackLocated], [UnpackOptions].Memory), which
// stay mapped until the host has copied them. Only the last piece of a file has less than
// a page.
package files
