// Package bootloader holds the common parts of all boot loaders: the menu, consoles, command
// lines, finding files in an image, and the interface of a boot loader. Package system reads
// what boots a NixOS or Guix system.
//
// A boot loader is a [Kind], with a name and its needs of a disk, and a [Loader], its settings
// in one recipe. Package loaders lists them, package grub is one. It gets a [Target], the files
// of the file system with the kernels and those of the ESP, and adds its own; none of that
// needs root, a mount or a device. It returns its parts outside of file systems as an
// [Overlay] of the disk's Map, or as the [CD] of an ISO.
//
//	s, err := system.Read(tree.Lookup, "/nix/store/…-nixos-system-web")
//	grub, _ := loaders.Named("grub")
//	installed, err := grub.New().Install(ctx, bootloader.Target{
//		Menu: bootloader.Menu{Entries: []bootloader.Entry{s.Entry}}, Boot: tree, ESP: esp, …
//	})
//	disk.Map, err = installed.Disk.Install(disk)
//
// An [ISO] starts from a CD and, with the same bytes, from a USB stick: a [CD] by BIOS, and
// by UEFI the FAT volume that [EFIVolume] makes of the files of an ESP.
//
// # What it guarantees
//
// [Lookup] follows symlinks within the image.
// [Menu.CheckCommandLine] refuses arguments that a kernel would cut; package kernel reads the
// limit from the kernel's header. Each loader quotes for its own menu language, and refuses
// text that it cannot pass on unchanged.
//
// # Limits
//
// Kernels for Xen or the Hurd are not started.
package bootloader
