// Package derive makes a recipe of a NixOS or Guix system: the disk, ISO or netboot folder that
// it expects.
//
//	made := derive.System(system, expectations, derive.Wishes{Name: "web", Closures: sources})
//	recipe, err := recipes.Parse("derived from ./result", ".", made.Text, nil)
//
// The file systems that the system mounts decide the partitions: their types, labels, UUIDs, the
// names and GUIDs in the table, and where the store lies. What the system does not say, such as
// sizes, is as in nixpkgs' own images: root "nixos", ESP "ESP" at /boot.
//
// # What it guarantees
//
// The recipe is a text that recipes.Parse reads, with a comment for each value that says where
// it comes from. The same system and the same wishes give the same text. What ingot cannot make
// (ZFS, LVM, RAID, several disks) is never left out in silence: it is in [Recipe.Refused], with
// the line of fstab.
//
// # Limits
//
// Nothing is known of a disk but what the system says in fstab, its kernel arguments and its
// initial RAM disk: sizes of partitions, and file systems that it mounts by hand, are not.
package derive
