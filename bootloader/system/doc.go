// Package system reads a NixOS or Guix system in a store: what boots it, and what it expects of
// the disk that it lies on.
//
// A [System] is read from the files of its store item: kernel, initial RAM disk and arguments,
// the bootspec document (RFC 125) or Guix's boot parameters, and the specialisations. Its
// [Expectations] come from its etc/fstab, its kernel arguments and its initial RAM disk:
// mounts, swap, LUKS containers, the drivers and programs that stage 1 has. Its [Loader] is what
// the system's own installer of boot loaders would do.
//
//	s, err := system.Read(look, "/nix/store/…-nixos-system-web")
//	want, err := s.Expects(look)
//
// # What it guarantees
//
// Nothing of the system is executed. Symlinks are followed within the image. What a closure
// holds is foreign: sizes, counts and nesting are bounded, and an error names the file and the
// line. Where the links of a NixOS system and its bootspec contradict each other, the links count,
// as for NixOS's installer of GRUB, and [System.Notes] says so. A bootspec or parameters of a
// newer version are an error.
//
// # Limits
//
// Settings that a system keeps only in its Nix or Scheme source, and not in its closure, are
// unknown here. Specialisations of specialisations are not read: NixOS has none.
package system
