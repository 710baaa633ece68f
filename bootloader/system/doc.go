// Package system reads a NixOS or Guix system in a store: what boots it, and what it expects of
// the disk that it lies on.
//
// A [System] is read from the files of its store item: kernel, initial RAM disk and arguments,
// the bootspec document (RFC 125) or Guix's boot parameters, and the specialisations. Its
// [Expectations] come from its etc/fstab, its kernel arguments and its initial RAM disk:
// mounts, swap, LUKS containers, the drivers and programs that stage 1 has.
//
//	s, err := system.Read(look, "/nix/store/…-nixos-system-web")
//	want, err := s.Expects(look)
//
// # What it guarantees
//
// Nothing of the system is executed. Symlinks are followed within the image. What a closure
// holds is foreign: sizes, counts and nesting are bounded, and an error names the file and the
// line.
//
// # Limits
//
// Settings that a system keeps only in its Nix or Scheme source, and not in its closure, are
// unknown here.
package system
