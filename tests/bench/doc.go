// Command bench compares ingot with the tools that people use today, on one input, in one run.
//
//	go run ./tests/bench                     all benchmarks this machine supports
//	go run ./tests/bench -runs 3 raw nar     some of them
//
// The input is a closure of 1 GiB in 5,000 store paths, with 46,117 files of typical sizes, made
// from fixed random numbers. It is made once and kept (-dir names the folder). Each contestant is a
// process of its own, and the contestants of a benchmark take turns, so that other load affects
// them alike. bench prints the median and the best of the runs, the peak of resident memory, and the
// ratio of each median to ingot's.
//
//	raw      the closure to a raw disk with ext4: ingot, mke2fs -d, and cat of all
//	         files into one, a bound for copying
//	reflink  the same on XFS, where ingot clones files (needs root for a loop mount)
//	nar      the NAR hashes of all paths: ingot, and openssl dgst -sha256 of all
//	         files in two processes
//	db       a registration of 50,000 paths to a database: ingot, nix-store --load-db
//	register 50,000 paths of a root into a new database: ingot register,
//	         nix-store --load-db
//	copy     the closure into a new root, registered: ingot register --copy, nix copy,
//	         nix-store --export | --import, and cp -a, which registers nothing
//	dedupe   equal files of the closure hard-linked: ingot register, nix-store --optimise
//	iso      the closure, as plain files, to an ISO: ingot, xorriso -as mkisofs, cat
//	squashfs the closure, compressed, to an ISO: ingot, mksquashfs
//	erofs    the closure as one EROFS on an ISO: ingot; mkfs.erofs and mksquashfs, which
//	         write only that file; cat
//	network  two machines from the command until both are off: ingot network with two
//	         machines, and with one of them
//	memory   a Tree of 1,000,000 files, and the ext4 file system made from it
//
// All input is in the page cache. Nothing waits for the disk, except where a line says so.
package main
