// Package kernel finds a Linux kernel and its modules in a folder, and computes which modules
// to load, in which order, for some of them to work.
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
// [ReadHeader] reads the header of an image: its architecture, and the longest command line that
// it takes. Boot loaders and kernels silently cut a longer line at the end, where the word may
// stand that the boot depends on.
//
//	h, err := kernel.ReadHeader(image)
//	if err := h.CheckCommandLine(len(line)); err != nil {
//		return err // has 5012 bytes, and the kernel takes 2047 …
//	}
//
// # What it guarantees
//
// The order of a closure follows from the given names and the modules alone, never from the
// order of a directory. Built-in modules are left out. An unknown name is an
// [UnknownModuleError].
//
// # Limits
//
// Images are vmlinuz (x86) or Image (arm64, riscv64). Modules may be plain or
// compressed with gzip, xz or zstd. Soft dependencies that the kernel does not have are left
// out silently, as by modprobe. The package loads nothing, and does not check whether the
// kernel itself could decompress a module.
//
// The longest command line of an x86 kernel is the one in its header. Others do not state
// theirs, so that it is the architecture's (COMMAND_LINE_SIZE in
// arch/*/include/uapi/asm/setup.h of Linux's sources). CONFIG_CMDLINE, by which a kernel adds
// to its line, is not considered.
package kernel
