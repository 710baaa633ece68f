// Package kernel finds a Linux kernel and its modules in a folder, and says which
// modules must be loaded, in which order, to have the ones that are wanted.
//
// The folder is the root of a system ("/" is the host's), or a kernel package that
// was unpacked and never installed, as `dpkg-deb -x linux-image-….deb DIR` leaves
// it. Such a package has no modules.dep, for depmod has never run on it; so the
// dependencies are read from the modules themselves, from the .modinfo section
// that depmod reads too.
//
//	k, err := kernel.Find("/tmp/unpacked")
//	modules, err := k.Closure("virtio_pci", "virtio_blk", "ext4")
//	for _, m := range modules {
//		object, err := m.Read() // decompressed, ready for init_module(2)
//	}
//
// # What it guarantees
//
// The order of a closure follows from the names asked for and from the modules
// alone, never from the order of a directory. What the kernel has built in counts
// as there and is left out. A name that is neither is an [UnknownModuleError].
//
// # Limits
//
// Images are vmlinuz (x86) or Image (arm64, riscv64). Modules may be plain or
// compressed with gzip, xz or zstd. Soft dependencies that the kernel does not
// have are left out without a word, as modprobe does. Nothing is loaded here, and
// whether a module can be decompressed by the kernel itself is not looked at.
package kernel
