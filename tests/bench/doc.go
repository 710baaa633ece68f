// Command bench measures ingot against the tools that people use today, on one
// input, in one run.
//
//	go run ./tests/bench                     all that this machine can do
//	go run ./tests/bench -runs 3 raw nar     some of it
//
// The input is a closure of 1 GiB in 5,000 store paths, with 46,117 files of the
// sizes that stores have, made from fixed random numbers; it is made once and kept
// (-dir says where). Each contestant is a process of its own, from start to end,
// and the contestants of one benchmark take turns, so that what else the machine
// does meets them alike. Printed are the median and the best of the runs, the peak
// of resident memory, and how the median compares with ingot's.
//
//	raw      the closure to a raw disk with ext4: ingot, mke2fs -d, and cat of all
//	         files into one, which is as fast as copying can be expected to be
//	reflink  the same on XFS, where ingot clones what it can (root only: it needs a
//	         loop mount)
//	nar      the NAR hashes of all paths: ingot, and openssl dgst -sha256 of all
//	         files in two processes
//	db       a registration of 50,000 paths to a database: ingot, nix-store --load-db
//	register 50,000 paths that lie in a root into a fresh database: ingot register,
//	         nix-store --load-db
//	copy     the closure into a fresh root, registered: ingot register --copy, nix copy,
//	         nix-store --export | --import, and cp -a, which registers nothing
//	dedupe   files of the closure that are alike: ingot register, nix-store --optimise
//	iso      the closure, as plain files, to an ISO: ingot, xorriso -as mkisofs, cat
//	squashfs the closure, compressed, to an ISO: ingot, mksquashfs
//	erofs    the closure as one EROFS on an ISO: ingot; mkfs.erofs and mksquashfs, which
//	         write that file alone, and cat
//	network  two machines from the command to their power-off: ingot network of two,
//	         and of one of them alone
//	memory   a Tree of 1,000,000 files, and the ext4 file system made of it
//
// All that is read is in the page cache, and nobody waits for the disk, except
// where a line says so.
package main
