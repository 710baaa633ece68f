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
// [ReadHeader] reads what an image says of itself: its architecture, and how long a command
// line it takes. A kernel cuts a line that is longer, and boot loaders cut before it does: in
// silence, and at the end, where the word may stand that the boot depends on.
//
//	h, err := kernel.ReadHeader(image)
//	if err := h.CheckCommandLine(len(line)); err != nil {
//		return err // has 5012 bytes, and the kernel takes 2047 …
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
//
// The longest command line of an x86 kernel is the one in its header. Others do not state
// theirs, so that it is the architecture's (COMMAND_LINE_SIZE in
// arch/*/include/uapi/asm/setup.h of Linux's sources). What a kernel was built to put before
// or behind its line (CONFIG_CMDLINE) is not known here.
package kernel
