// Package bootloader is what all boot loaders have in common: the menu, what the closure of a
// NixOS or Guix system boots with, consoles, command lines, and the seam that a boot loader
// stands behind.
//
// A boot loader is a [Kind], with a name and what it needs of a disk, and a [Loader], which
// is what one recipe says of it. Package loaders lists them, package grub is one. It gets a
// [Target], the files of the file system with the kernels and those of the ESP, and puts its
// own there; none of that needs root, a mount or a device. What it needs outside of file
// systems comes back as an [Overlay] of the disk's Map, or as the [CD] of an ISO.
//
//	entry, err := bootloader.System(tree, "/nix/store/…-nixos-system-web")
//	grub, _ := loaders.Named("grub")
//	installed, err := grub.New().Install(ctx, bootloader.Target{
//		Menu: bootloader.Menu{Entries: []bootloader.Entry{entry}}, Boot: tree, ESP: esp, …
//	})
//	disk.Map, err = installed.Disk.Install(disk)
//
// An [ISO] starts from a CD and, with the same bytes, from a USB stick: a [CD] by BIOS, and
// by UEFI the FAT volume that [EFIVolume] makes of the files of an ESP.
//
// # What it guarantees
//
// [System] reads from a system's store item what to boot, with symlinks followed within the
// image. [Menu.CheckCommandLine] refuses arguments that a kernel would not see to their end;
// package kernel reads from its header how many bytes it takes. Each language of a menu is
// quoted by its own loader, which refuses what it cannot pass on unchanged.
//
// # Limits
//
// Kernels for Xen or the Hurd are not started.
package bootloader
