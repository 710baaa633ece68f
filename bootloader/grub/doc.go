// Package grub is GRUB among the boot loaders: for a PC's BIOS and for UEFI, on disks and
// ISOs.
//
// [Find] finds a GRUB: the host's own, or one in a folder or store item. It makes:
//
//   - [Grub.Core], for BIOS: boot code for sector 0 and a core image, which [Core.Install]
//     lays over the Map of a disk. GRUB's own installer asks the kernel about the running
//     machine's devices; here the two sector numbers that it needs are known.
//   - [Grub.CD], the same on an ISO.
//   - [Grub.EFI], for UEFI: a program for the ESP.
//   - [Grub.AddModules] and [Grub.AddFont]: the files that GRUB loads at boot, in the
//     Tree of the file system that holds /boot.
//
// # What it guarantees
//
// GRUB finds its files by the UUID of their file system, never by a label, a disk's
// number or a partition's. The bytes depend on the arguments and on the GRUB that was
// found: its grub-mkimage runs with a fixed environment, reads its configuration
// from memory and writes into memory. Titles, paths and arguments are quoted, so that
// none can end a word or a line of the menu; arguments that GRUB cannot pass on unchanged are
// refused.
//
// # Limits
//
// GRUB 2.04 and later; disks with sectors of 512 bytes for BIOS. Secure Boot's
// signatures are not made.
package grub
