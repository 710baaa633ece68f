// Package initramfs makes the first root file system of a guest: a cpio archive
// that holds ingot itself as /init and the kernel modules that are needed to reach
// the real root. It also packs other files into such archives, joins several to one
// initial RAM disk, and reads those of other systems.
//
// The archive is made in memory from an [image.Tree], in the "newc" format that
// Linux unpacks (Documentation/driver-api/early-userspace/buffer-format.rst). No
// tool of a distribution takes part, and the kernel need not be installed.
//
//	k, err := kernel.Find("/tmp/unpacked")
//	ingot, err := image.NewHostFile("bin/ingot")
//	archive, err := initramfs.Build(initramfs.Options{Init: ingot, Kernel: k})
//
// # What lies in it
//
//	/init                    the static ingot binary
//	/etc/initrd-release      tells init that this is not yet the system
//	/etc/ingot/modules       the modules to load whatever the machine has, in load order
//	/etc/ingot/cmdline       words that the kernel's command line may override
//	/etc/ingot/network       a machine's place in a network, which the host appends
//	/etc/ingot/pre-mount     a script that runs before init looks for the root, if it is in Options.Files
//	/lib/modules/RELEASE/…   the modules, decompressed, and modules.alias
//	/sbin/modprobe           a link to /init: the kernel calls it for a module that it misses
//	/dev/console             for the messages before devtmpfs is there
//
// Package guest describes what init does with it.
//
// # What it guarantees
//
// The bytes follow from the options alone: names in order, inodes numbered by
// position, no time. The modules are decompressed, so that the archive serves
// kernels that cannot do so themselves and compresses well as a whole.
//
// # Other archives
//
// [Pack] makes an archive of any tree, [Member] one of a single large file without holding it in
// memory, and [Join] one initial RAM disk of several archives.
//
// # Reading
//
// [Read] reads initial RAM disks of any origin, as Linux unpacks them: archives one after the
// other, plain or compressed with gzip, zstd, xz, lz4 -l, lzma or bzip2. Contents that nobody
// wants are passed over. What it reads is bounded: 1 GiB unpacked, 262,144 names.
//
// # Limits
//
// newc has 32 bits for the size of a file and for times, and keeps neither
// nanoseconds nor extended attributes: files beyond that are refused, except that
// nanoseconds are cut. Hard links become copies.
package initramfs
