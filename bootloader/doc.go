// Package bootloader makes a disk start: GRUB for a PC's BIOS and for UEFI, its
// menu, and the kernel that a NixOS or Guix system brings.
//
// [Find] finds a GRUB: the host's own, or one in a folder or store item. From it
// come three things, none of which needs root, a mount or a device:
//
//   - [Grub.Core], for BIOS: boot code for sector 0 and a core image, which
//     [Core.Install] lays over the Map of a disk. GRUB's own installer asks the
//     kernel about the running machine's devices; here the two sector numbers that
//     it would find out are known.
//   - [Grub.EFI], for UEFI: a program for the ESP, put by [AddEFI] where firmware
//     looks on a disk that it has never seen (EFI/BOOT/BOOTX64.EFI).
//   - [Grub.AddModules] and [Grub.AddFont]: what GRUB loads at boot, as files in the
//     Tree of the file system that holds /boot.
//
// An [ISO] has both of them once more: [Grub.CD] is GRUB for BIOS on a CD and, with the
// same bytes, on a USB stick, and [EFIVolume] is the FAT volume from which UEFI starts in
// either case.
//
// [Menu] is the menu, and [Menu.Config] the text of grub.cfg. [System] reads from a
// system's store item what to boot.
//
//	g, err := bootloader.Find("", nil)
//	place := bootloader.Place{UUID: ext4.FileSystem{}.UUID(root)}
//	core, err := g.Core(ctx, place)
//	err = g.AddModules(tree, bootloader.BIOS, place)
//	entry, err := bootloader.System(tree, "/nix/store/…-nixos-system-web")
//	err = bootloader.Menu{Entries: []bootloader.Entry{entry}}.AddTo(tree, place)
//	disk, err := table.Layout()
//	disk.Map, err = core.Install(disk)
//
// # What it guarantees
//
// GRUB finds its files by the UUID of their file system, never by a label, a disk's
// number or a partition's. The bytes depend on the arguments and on the GRUB that was
// found: its grub-mkimage runs with a fixed environment, reads its configuration
// from memory and writes into memory. Titles, paths and arguments are quoted, so that
// none can end a word or a line of the menu; what GRUB cannot pass on unchanged is
// refused. [Menu.CheckCommandLine] refuses arguments that a kernel would not see to their
// end: package linux reads from its header how many bytes it takes.
//
// # Limits
//
// GRUB 2.04 and later; disks with sectors of 512 bytes for BIOS. Secure Boot's
// signatures, and kernels for Xen or the Hurd, are not made.
package bootloader
