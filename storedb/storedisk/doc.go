// Package storedisk has a guest see a store without a byte of it being copied: the
// closure's files become the layout of a read-only ext4 file system, an [image.Map],
// which an NBD server hands out block by block as the guest asks for them.
//
//	store, err := storedisk.New(ctx, storedisk.Options{Closure: closure})
//	socket, err := nbd.Connect(ctx, store.Map, nbd.Options{})
//	m, err := vm.Start(ctx, vm.Config{
//		Kernel: kernel, Initrd: initrd, Append: strings.Join(store.Words(), " "),
//		Disks:  []vm.Disk{{NBD: socket, Serial: storedisk.Serial, ReadOnly: true}},
//	})
//
// The guest side is in package guest, which mounts what the [Disk.Words] name, with a
// layer in memory over it where that is asked for. Any kernel with ext4 and virtio-blk
// can read it, and so can systems that are not ingot's.
//
// # What it guarantees
//
// The host's store and its database are never written to: the disk has no way back. The
// server and QEMU are joined by a pair of sockets without a name, so that whatever ends
// either, nothing is left on the host, and nobody else can connect.
//
// The disk follows from the closure alone, and so does its UUID, by which the guest
// finds it among others. Folders in it look as in a store that is read-only: dr-xr-xr-x
// root, of January 1, 1970.
//
// The database on it knows the closure and nothing else. It is made from what the
// source of the closure tells; hashes that it does not tell are taken, which reads
// everything once. [Options].NoDatabase does without.
//
// # Limits
//
// The files have to stay as they are while the guest runs: what changes, or is
// collected as garbage, becomes an I/O error in the guest, and the host is told why.
//
// [Host], the whole store of this machine, looks at every file's metadata before the
// guest starts: 1.8 s for 46,000 files in 5,000 paths, with their database, measured on
// two processors that others kept busy.
package storedisk
