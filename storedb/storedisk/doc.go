// Package storedisk shows a guest a store without copying it: the closure's files become the
// layout of a read-only ext4 file system, an [image.Map], whose blocks an NBD server reads
// when the guest does.
//
//	store, err := storedisk.New(ctx, storedisk.Options{Closure: closure})
//	socket, err := nbd.Connect(ctx, store.Map, nbd.Options{})
//	m, err := vm.Start(ctx, vm.Config{
//		Kernel: kernel, Initrd: initrd, Append: strings.Join(store.Words(), " "),
//		Disks:  []vm.Disk{{NBD: socket, Serial: storedisk.Serial, ReadOnly: true}},
//	})
//
// The guest side is in package guest, which mounts what the [Disk.Words] name, with an optional
// layer in memory over it. Any kernel with ext4 and virtio-blk can read it, and so can systems
// that are not ingot's.
//
// # What it guarantees
//
// Nothing writes to the host's store and its database: the disk is read-only. The server and
// QEMU are connected by a pair of sockets without a name, so that no other process can connect,
// and nothing is left on the host when either ends.
//
// The disk follows from the closure alone, and so does its UUID, by which the guest
// finds it among others. Folders in it look as in a store that is read-only: dr-xr-xr-x
// root, of January 1, 1970.
//
// Its database holds the closure and nothing else. It is made of the data that the closure's
// source has; hashes that the source lacks are computed, which reads everything once.
// [Options].NoDatabase leaves the database out.
//
// # Limits
//
// The files have to stay as they are while the guest runs: a file that changes, or is collected
// as garbage, becomes an I/O error in the guest, with its reason on the host.
//
// [Host], the whole store of this machine, looks at every file's metadata before the
// guest starts: 1.8 s for 46,000 files in 5,000 paths, with their database, measured on
// two processors that others kept busy.
package storedisk
